"""A person with a planted preference, or none, for the checks of principle inducers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from persona_engine.interfaces import LanguageTools, PrincipleInducer
from persona_engine.testing.language import language_tools
from persona_engine.types import AttributePairs, Evidence, FloatArray, PairText, Principle

InducerFactory = Callable[[], PrincipleInducer]

COUNT = 28
NOISY = (4, 17)  # comparisons in which the planted person chooses against their taste
SEED = 7
_WIDTH = 12
SEED = 7
_THINGS = (
    *("bread", "bikes", "ferns", "shirts", "tea", "kites", "maps", "boots", "lamps", "drums"),
    *("tents", "soup", "clocks", "roses", "chess", "sails", "wool", "plums", "skates", "paint"),
    *("owls", "bricks", "honey", "trains", "gloves", "pears", "flutes", "snow"),
)
_EXTRA = (
    "There is more to it than one would think at first, and some of it takes time",
    "People have done it in this manner for many years, and most are content with it",
    "Go on slowly, look at what comes of it, and change one part after the other",
)


@dataclass(frozen=True)
class Told:
    """Comparisons as an inducer is given them."""

    texts: tuple[PairText, ...]
    evidence: Evidence

    def take(self, rows: Sequence[int]) -> Told:
        """Return some of the comparisons, in that order."""
        return Told(tuple(self.texts[n] for n in rows), self.evidence.take(rows))


class InducerSubject:
    """An inducer under test, with a person who wants short replies.

    Short and long replies differ in words and in the first feature; the other features are noise.
    The one named attribute is "length", shown by pairs of other replies.

    Args:
        factory: Makes an inducer.
        tools: What it may ask; no language model if omitted.
    """

    def __init__(self, factory: InducerFactory, tools: LanguageTools | None = None) -> None:
        self.factory = factory
        self.tools = tools or language_tools()

    @cached_property
    def inducer(self) -> PrincipleInducer:
        """One instance that the checks share."""
        return self.factory()

    @cached_property
    def attributes(self) -> tuple[AttributePairs, ...]:
        """Labelled pairs of the one named attribute."""
        rng = np.random.default_rng(SEED)
        low, high = _features(12, rng, shift=0.0), _features(12, rng, shift=2.0)
        return (AttributePairs("length", high, low, ("concise", "detailed")),)

    @cached_property
    def planted(self) -> Told:
        """What a person chooses who wants short replies, and errs twice."""
        return self.chosen([n not in NOISY for n in range(COUNT)])

    def chosen(self, shorter: Sequence[bool]) -> Told:
        """Return comparisons in which the shorter reply was chosen where it says so."""
        rng = np.random.default_rng(SEED + 1)
        short, long = _features(COUNT, rng, shift=0.0), _features(COUNT, rng, shift=2.0)
        wanted = np.asarray(shorter, bool)
        texts = tuple(_pair(n, first=bool(wanted[n])) for n in range(len(wanted)))
        rows = wanted[:, None]
        evidence = Evidence(np.where(rows, short, long), np.where(rows, long, short))
        return Told(texts, evidence)

    def induce(
        self, told: Told, *, seed: int = SEED, inducer: PrincipleInducer | None = None
    ) -> tuple[Principle, ...]:
        """Return what the inducer finds in comparisons."""
        return (inducer or self.inducer).induce(
            told.texts,
            told.evidence,
            attributes=self.attributes,
            rng=np.random.default_rng(seed),
            tools=self.tools,
        )


def _features(count: int, rng: np.random.Generator, *, shift: float) -> FloatArray:
    features = rng.normal(0.0, 0.3, (count, _WIDTH)).astype(np.float32)
    features[:, 0] += np.float32(shift)
    return features


def _pair(number: int, *, first: bool) -> PairText:
    thing = _THINGS[number % len(_THINGS)]
    short = f"Begin with {thing} that suit you."
    long = f"Begin with {thing} that suit you. {_EXTRA[number % len(_EXTRA)]}."
    chosen, rejected = (short, long) if first else (long, short)
    return PairText(f"How do I get to know {thing}?", chosen, rejected)
