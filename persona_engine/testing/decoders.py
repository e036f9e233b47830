"""The conformance suite of decoders, on the bigram language model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from persona_engine.interfaces import Decoder, Generator, Reward
from persona_engine.testing.bigram import BigramGenerator
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require
from persona_engine.types import (
    Conversation,
    DecodingRequest,
    FloatArray,
    Generation,
    Mending,
    Sampling,
    Score,
)

DecoderFactory = Callable[[], Decoder]
SEEDS = range(12)
_MENDED = "so "


class LinearReward:
    """The reward r(x) = w·x, as sure as it is told to be."""

    def __init__(self, taste: FloatArray, *, spread: float) -> None:
        self.taste = taste
        self.spread = spread

    def score(self, features: FloatArray) -> Score:
        """Return rewards ``(B,)`` of features ``(B, D)``."""
        mean = (features @ self.taste).astype(np.float32)
        return Score(mean, np.full_like(mean, self.spread))

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return log-odds ``(B,)`` that ``a`` is preferred to ``b``."""
        mean = ((a - b) @ self.taste).astype(np.float32)
        apart = np.any(a != b, axis=-1)
        return Score(mean, np.where(apart, self.spread, 0.0).astype(np.float32))


class WantsMended:
    """A reward that reads words, and wants those that `mend` gives."""

    def of_texts(
        self, texts: Sequence[str], features: FloatArray
    ) -> tuple[FloatArray, LinearReward]:
        """Return 1 for a mended text and 0 for others, ``(B, 1)``, and a reward of that."""
        mended = np.zeros((len(features), 1), np.float32)
        mended[:, 0] = [text.startswith(_MENDED) for text in texts]
        return mended, LinearReward(np.array([20.0], np.float32), spread=1e-3)

    def score(self, features: FloatArray) -> Score:
        """Return nothing for unfinished text."""
        nothing = np.zeros(len(features), np.float32)
        return Score(nothing, nothing)

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return nothing for unfinished text."""
        return self.score(a - b)


def mend(texts: Sequence[str]) -> tuple[Mending | None, ...]:
    """Return every text but the first as it begins otherwise."""
    return (None, *(Mending(_MENDED + text, ("began otherwise",)) for text in texts[1:]))


class DecoderSubject:
    """A decoder under test, a language model, and users with known rewards."""

    def __init__(self, factory: DecoderFactory) -> None:
        self.factory = factory
        self.conversation: Conversation = [{"role": "user", "content": "Where shall we go ?"}]

    @cached_property
    def decoder(self) -> Decoder:
        """One instance that the checks share."""
        return self.factory()

    @cached_property
    def generator(self) -> Generator:
        """A small language model."""
        return BigramGenerator()

    @property
    def sure(self) -> LinearReward:
        """A reward that tells any two different replies apart."""
        return LinearReward(self._taste, spread=1e-3)

    @property
    def unsure(self) -> LinearReward:
        """A reward far too uncertain to tell replies apart."""
        return LinearReward(1e-3 * self._taste, spread=1e3)

    @cached_property
    def _taste(self) -> FloatArray:
        width = self.generator.feature_encoder.width
        return (20.0 * np.random.default_rng(3).normal(size=width)).astype(np.float32)

    def request(self, seed: int, **sampling: object) -> DecodingRequest:
        """Return a request for four candidates of at most twelve words."""
        settings = Sampling(**{"temperature": 1.0, "top_p": 1.0, "max_tokens": 12, **sampling})  # type: ignore[arg-type]
        return DecodingRequest(self.conversation, settings, candidates=4, seed=seed)

    def generate(self, reward: Reward | None, seed: int, **sampling: object) -> Generation:
        """Return what the decoder makes of a request."""
        return self.decoder.generate(self.request(seed, **sampling), self.generator, reward)

    def plain(self, seed: int) -> str:
        """Return what sampling alone gives."""
        branches = self.generator.prefill(self.conversation, branches=1, seed=seed)
        while True:
            result = branches.step(self.request(seed).sampling)
            if result.finished[0]:
                return result.texts[0]


def without_reward_it_samples_plainly(subject: DecoderSubject) -> None:
    """Give exactly what plain sampling with the same seed gives, when there is no reward."""
    for seed in SEEDS:
        found, expected = subject.generate(None, seed).candidates[0].text, subject.plain(seed)
        require(
            found == expected,
            f"with seed {seed} and no reward it says {found!r}, plain sampling {expected!r}",
            remedy="put the first branch first when there is no reward",
        )


def an_unsure_reward_changes_nothing(subject: DecoderSubject) -> None:
    """Give exactly the plain reply, and say so, when the reward can't tell candidates apart."""
    for seed in SEEDS:
        found, expected = subject.generate(subject.unsure, seed), subject.plain(seed)
        require(
            found.candidates[0].text == expected and not found.decided,
            f"with seed {seed} and a spread of 1000 it says {found.candidates[0].text!r} (decided: "
            f"{found.decided}), plain sampling {expected!r}",
            remedy="compare the candidates by the logit of the pair, with its spread",
        )


def a_sure_reward_is_followed(subject: DecoderSubject) -> None:
    """Put the candidate with the highest reward first, and gain reward over plain sampling."""
    remedy = "sort by reward, highest first"
    encode = subject.generator.feature_encoder.encode
    gains = []
    for seed in SEEDS:
        found = subject.generate(subject.sure, seed)
        rewards = subject.sure.score(found.features).mean
        require(
            bool(np.all(rewards[0] >= rewards - 1e-3)),
            f"with seed {seed} the rewards of its candidates, best first, are {rewards}",
            remedy=remedy,
        )
        plain = subject.sure.score(encode([subject.conversation], [subject.plain(seed)])).mean[0]
        gains.append(float(rewards[0] - plain))
    require(
        min(gains) >= -1e-3 and max(gains) > 0,
        f"over {len(gains)} seeds it gains {np.mean(gains):.3g} reward over plain sampling",
        remedy=remedy,
    )


def features_belong_to_the_candidates(subject: DecoderSubject) -> None:
    """Return the features of each candidate, in the same order."""
    encode = subject.generator.feature_encoder.encode
    for reward in (None, subject.sure):
        found = subject.generate(reward, 1)
        texts = [each.text for each in found.candidates]
        expected = encode([subject.conversation] * len(texts), texts)
        require(
            found.features.shape == expected.shape
            and bool(np.allclose(found.features, expected, atol=1e-4)),
            "the features are not those of the candidates, in their order",
            remedy="sort features and candidates by the same order",
        )


def requests_are_respected(subject: DecoderSubject) -> None:
    """Return one to the asked number of candidates, each within its length and before its stop."""
    for reward in (None, subject.sure):
        for seed in SEEDS:
            found = subject.generate(reward, seed, max_tokens=5, stop=("home",))
            texts = [each.text for each in found.candidates]
            require(
                1 <= len(texts) <= 4
                and all(len(text.split()) <= 5 and "home" not in text for text in texts),
                f"asked for 4 of at most 5 words that stop before 'home', it gives {texts}",
                remedy="pass the request's sampling to every step",
            )


def decoding_is_deterministic(subject: DecoderSubject) -> None:
    """Give equal replies for equal seeds, also in another instance, and others for other seeds."""
    texts = [subject.generate(subject.sure, seed).candidates[0].text for seed in SEEDS]
    other = subject.factory()
    again = [
        other.generate(subject.request(seed), subject.generator, subject.sure).candidates[0].text
        for seed in SEEDS
    ]
    remedy = "draw every random number from the request's seed"
    require(texts == again, "equal seeds give different replies", remedy=remedy)
    require(len(set(texts)) > 1, "all seeds give one reply", remedy=remedy)


def streamed_text_is_the_reply(subject: DecoderSubject) -> None:
    """Pass on_text the reply's text, piece by piece, never to be taken back."""
    for reward in (None, subject.sure, subject.unsure):
        pieces: list[str] = []
        found = subject.decoder.generate(
            subject.request(2), subject.generator, reward, on_text=pieces.append
        )
        require(
            "".join(pieces) == found.candidates[0].text,
            f"on_text got {pieces}, the reply is {found.candidates[0].text!r}",
            remedy="pass text on once it is certain, at the latest before returning",
        )


def mended_replies_are_offered(subject: DecoderSubject) -> None:
    """Offer what mending makes of replies as candidates that say so, and stream the one shown."""
    for seed in SEEDS:
        pieces: list[str] = []
        request = replace(subject.request(seed), mend=mend)
        found = subject.decoder.generate(
            request, subject.generator, WantsMended(), on_text=pieces.append
        )
        shown = found.candidates[0]
        require(
            all(each.text.startswith(_MENDED) for each in found.candidates if each.edits),
            "a candidate says that it was mended, and was not",
            remedy="keep each mended text with its edits",
        )
        require(
            bool(shown.edits) and "".join(pieces) == shown.text,
            f"it shows {shown.text!r} with the edits {shown.edits}, and streams {pieces}",
            remedy="end by `persona_engine.decoding.conclude`; stream late if `mend` is set",
        )
        encoded = subject.generator.feature_encoder.encode([subject.conversation], [shown.text])
        require(
            bool(np.allclose(found.features[0], encoded[0], atol=1e-4)),
            "the features of the reply shown are those of the one that it was made from",
            remedy="encode the text once it is chosen",
        )


def arguments_stay_unchanged(subject: DecoderSubject) -> None:
    """Leave the conversation as it is."""
    before = copy.deepcopy(subject.conversation)
    subject.generate(subject.sure, 0)
    require(
        subject.conversation == before, "it changed the conversation", remedy="copy the messages"
    )


DECODER_CHECKS: Mapping[str, Check[DecoderSubject]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            without_reward_it_samples_plainly,
            an_unsure_reward_changes_nothing,
            a_sure_reward_is_followed,
            features_belong_to_the_candidates,
            requests_are_respected,
            decoding_is_deterministic,
            streamed_text_is_the_reply,
            mended_replies_are_offered,
            arguments_stay_unchanged,
        )
    }
)


def decoder_checks(
    factory: DecoderFactory, *, checks: Iterable[str] | None = None
) -> tuple[BoundCheck[DecoderSubject], ...]:
    """Return the checks of a decoder, each to be called.

    Args:
        factory: Makes an instance; called without arguments, several times.
        checks: Names of `DECODER_CHECKS`; all of them if omitted.
    """
    return bind(DECODER_CHECKS, DecoderSubject(factory), name_of(factory), checks)


def check_decoder(factory: DecoderFactory, *, checks: Iterable[str] | None = None) -> None:
    """Run the checks of a decoder, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
    """
    for check in decoder_checks(factory, checks=checks):
        check()
