"""The inducer: candidates, their test, its correction, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.interfaces import LanguageTools
from persona_engine.types import AttributePairs, Evidence, PairText, Principle
from persona_principles.candidates import Candidate, without_repeats
from persona_principles.choices import Choices, Doubles, Mask, Votes, read_choices, sides
from persona_principles.content import content_candidates
from persona_principles.language import LanguageJudge
from persona_principles.named import named_candidates
from persona_principles.significance import best_p_value, holm, sign_test, worth_testing
from persona_principles.surface import surface_candidates
from persona_principles.thinning import Explaining, thin


@dataclass(frozen=True, slots=True, eq=False)
class _Tested:
    """A candidate with what the units say: votes and chances ``(U,)``."""

    candidate: Candidate
    votes: Votes
    chances: Doubles
    p_value: float
    adjusted: float = 1.0


class Principles:
    """Rules that explain a person's choices beyond chance, each tested on unseen comparisons.

    Inverse constitutional AI (Findeis et al. 2024, arXiv:2406.06560) with a test in place of a
    count: a rule says of a comparison which reply it favours, or nothing, and is kept when it is
    right more often than a fair coin would be,

        p = P(Σ s_i B_i ≥ Σ s_i 1[rule is right on i]),   B_i ~ Bernoulli(½),  Holm(p) ≤ 0.05,

    a sign test weighted by the comparisons' strengths, exact. Comparisons that share a reply to
    the same prompt count once. Where rules come from:

    - *Named attributes*, both poles of each: a ridge head fitted to the labelled pairs says which
      reply has more. *Surface*, both ways: length, lists, emoji, hedging, spelling and so on.
      These are named before anybody chose anything, so every comparison tests them.
    - *Recurring words*, and with ``language_model`` the rules of a bank under which the model
      finds the chosen reply more probable: proposed on one random half, tested on the other, and
      the other way round. No comparison tests a rule that it proposed.

    Holm rather than Benjamini–Hochberg: a principle is shown to the person one by one and each
    false one costs trust, so that the chance of *any* false one is what to bound; and it needs
    nothing of how the tests depend on each other, which words for the same taste do. Rules that
    cannot pass, because too few comparisons bear on them, are not counted (Tarone 1990). Of rules
    that explain the same choices the surest stays; another must be right more often than those kept
    before it explain.

    Use it when a person's comparisons are about replies in general and you want the taste in words
    that they can read, accept or refuse. What a person *says* they want is read by an instruction
    miner; what no rule says is left to the reward model. Ten comparisons that bear on a rule are
    the least that can establish it.

    Args:
        level: Of the family of all rules tried: P(any principle is false) for a person who chooses
            at random.
        least_decided: Fewest comparisons that must bear on a rule.
        least_share: Least share of these, by strength, that it must be right on.
        least_difference: Least difference between two replies in a named attribute for it to say
            anything, where the attribute's poles differ by 1.
        words: Most rules about recurring words that each half proposes; 0 for none.
        language_model: Whether the language model proposes rules too. It reads each half's
            comparisons under the bank's rules, in three rounds that leave fewer and fewer rules:
            about 3,500 log-likelihoods for 30 comparisons, minutes on a CPU; progress cannot be
            told, so run it in the background.
        model_rules: Most rules that the model proposes from each half.

    Raises:
        ConfigError: A setting is out of range.

    Examples:
        >>> import numpy as np
        >>> from persona_engine.testing.language import language_tools
        >>> from persona_engine.types import Evidence, PairText
        >>> texts = [PairText(f"Question {n}?", f"Yes, {n}.", f"Yes, it is {n}, I am quite sure.")
        ...          for n in range(20)]
        >>> zeros = np.zeros((20, 4), np.float32)
        >>> found = Principles().induce(texts, Evidence(zeros, zeros), attributes=(),
        ...                             rng=np.random.default_rng(0), tools=language_tools())
        >>> found[0].text, len(found[0].supports), len(found[0].opposes)
        ('Keep replies short.', 20, 0)
    """

    name = "principles"

    def __init__(
        self,
        *,
        level: float = 0.05,
        least_decided: int = 8,
        least_share: float = 0.65,
        least_difference: float = 0.3,
        words: int = 3,
        language_model: bool = False,
        model_rules: int = 3,
    ) -> None:
        if not 0.0 < level < 1.0:
            raise ConfigError(f"level is {level!r}, expected above 0, below 1")
        if not 0.5 <= least_share <= 1.0:
            raise ConfigError(f"least_share is {least_share!r}, expected 0.5 to 1")
        if least_decided < 1 or not least_difference >= 0.0:
            raise ConfigError(
                f"least_decided is {least_decided!r} and least_difference {least_difference!r}, "
                "expected at least 1 and at least 0"
            )
        if words < 0 or model_rules < 1:
            raise ConfigError(
                f"words is {words!r} and model_rules {model_rules!r}, expected at least 0 and 1"
            )
        self._level = level
        self._least_decided = least_decided
        self._least_share = least_share
        self._least_difference = least_difference
        self._words = words
        self._language_model = language_model
        self._model_rules = model_rules

    def induce(
        self,
        texts: Sequence[PairText],
        evidence: Evidence,
        *,
        attributes: Sequence[AttributePairs],
        rng: np.random.Generator,
        tools: LanguageTools,
    ) -> tuple[Principle, ...]:
        """Return the rules that hold beyond chance, surest first.

        The comparisons' order makes no difference: halves are drawn after sorting them by content.

        Raises:
            InvalidInputError: There are not as many texts as comparisons, or the attributes have
                other features.
        """
        if len(texts) != len(evidence):
            raise InvalidInputError(
                f"{len(texts)} texts and {len(evidence)} comparisons, expected as many"
            )
        choices = read_choices(texts, evidence)
        if choices.units < self._least_decided:
            return ()
        standing = without_repeats(
            [
                *named_candidates(choices, attributes, least_difference=self._least_difference),
                *surface_candidates(choices),
            ]
        )
        proposed, slots = self._proposed(choices, rng, tools)
        tested = self._test(choices, standing, proposed, slots)
        return tuple(_principle(choices, each) for each in self._kept(choices, tested))

    def _proposed(
        self, choices: Choices, rng: np.random.Generator, tools: LanguageTools
    ) -> tuple[list[Candidate], int]:
        """Return what either half proposes, and how many rules it could have been."""
        first = np.zeros(choices.units, bool)
        first[rng.permutation(choices.units)[: choices.units // 2]] = True
        found: list[Candidate] = []
        slots = 0
        if self._words:
            slots += 2 * self._words
            for half in (first, ~first):
                found += content_candidates(choices, half, most=self._words)
        if self._language_model and tools.log_likelihood is not None:
            slots += 2 * self._model_rules
            judge = LanguageJudge(tools.log_likelihood, choices)
            for half in (first, ~first):
                found += judge.candidates(half, most=self._model_rules)
        return found, slots

    def _test(
        self,
        choices: Choices,
        standing: Sequence[Candidate],
        proposed: Sequence[Candidate],
        slots: int,
    ) -> list[_Tested]:
        """Return the candidates that can be told from chance, with their p-values."""
        by_chance = [best_p_value(choices.chances(each.lead)) for each in standing]
        can = worth_testing(by_chance, level=self._level, besides=slots)
        trial = [each for each, worth in zip(standing, can, strict=True) if worth]
        tried = len(trial) + slots
        tested = [_judge(choices, each) for each in (*trial, *proposed)]
        adjusted = holm([each.p_value for each in tested], tried=tried)
        return [
            replace(each, adjusted=corrected)
            for each, corrected in zip(tested, adjusted, strict=True)
        ]

    def _kept(self, choices: Choices, tested: Sequence[_Tested]) -> list[_Tested]:
        """Return those that hold, without those that add nothing to a surer one."""
        surest: dict[str, _Tested] = {}
        for each in sorted(tested, key=lambda each: each.p_value):
            if self._holds(choices, each):
                surest.setdefault(each.candidate.text, each)
        holds = list(surest.values())
        kept = thin(
            [Explaining(each.votes, each.chances, each.candidate.tested) for each in holds],
            choices.strength,
            level=self._level,
        )
        return [holds[place] for place in kept]

    def _holds(self, choices: Choices, each: _Tested) -> bool:
        votes = _only(each.votes, each.candidate.tested)
        total = float(choices.strength[votes != 0].sum())
        right = float(choices.strength[votes > 0].sum())
        return (
            each.adjusted <= self._level
            and int(np.count_nonzero(votes)) >= self._least_decided
            and right >= self._least_share * total
        )


def _judge(choices: Choices, candidate: Candidate) -> _Tested:
    votes, chances = choices.votes(candidate.lead), choices.chances(candidate.lead)
    p_value = sign_test(_only(votes, candidate.tested), choices.strength, chances)
    return _Tested(candidate, votes, chances, p_value)


def _only(votes: Votes, tested: Mask | None) -> Votes:
    return votes if tested is None else np.where(tested, votes, 0).astype(np.int8)


def _principle(choices: Choices, each: _Tested) -> Principle:
    said = sides(each.candidate.lead)
    if each.candidate.tested is not None:
        said = np.where(each.candidate.tested[choices.unit], said, 0).astype(np.int8)
    return Principle(
        text=each.candidate.text,
        attribute=each.candidate.attribute,
        supports=tuple(choices.rows[said > 0].tolist()),
        opposes=tuple(choices.rows[said < 0].tolist()),
        p_value=each.p_value,
        adjusted_p_value=each.adjusted,
    )
