"""The conformance suite of decoders, on the bigram language model."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from persona_engine.testing.decoder_subject import (
    MENDED,
    DecoderFactory,
    DecoderSubject,
    LinearReward,
    NotedGenerator,
    WantsMended,
    mend,
)
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require

__all__ = [
    "DECODER_CHECKS",
    "DecoderFactory",
    "DecoderSubject",
    "LinearReward",
    "WantsMended",
    "check_decoder",
    "decoder_checks",
    "mend",
]

SEEDS = range(12)


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
            all(each.text.startswith(MENDED) for each in found.candidates if each.edits),
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


def the_requests_adapter_is_read_with(subject: DecoderSubject) -> None:
    """Read the prompt with the adapter that the request names, with a reward and without."""
    for reward in (None, subject.sure):
        generator = NotedGenerator()
        request = replace(subject.request(3), adapter="warm", styles=("Be warm.",))
        subject.decoder.generate(request, generator, reward)
        require(
            generator.adapters == {"warm"},
            f"the request names adapter 'warm', replies are begun with {generator.adapters}",
            remedy="begin by `persona_engine.decoding.begin`, or prefill `DecodingRequest.reading`",
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
            the_requests_adapter_is_read_with,
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
