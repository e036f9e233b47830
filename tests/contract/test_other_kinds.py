"""The suites of decoders, encoders and selectors pass right plugins and catch wrong ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from persona_best_of_n import BestOfN
from persona_engine.errors import ConformanceError
from persona_engine.testing import (
    CHECKS,
    BigramGenerator,
    check_decoder,
    check_encoder,
    check_instruction_selector,
    decoder_checks,
    encoder_checks,
    instruction_selector_checks,
)
from persona_engine.testing.bigram import BigramEncoder
from persona_engine.types import SelectedInstruction

WORDS = BigramGenerator().words


class WordEncoder(BigramEncoder):
    def __init__(self) -> None:
        super().__init__(WORDS)

    def encode(self, prompts, responses):
        letters = [[float(text.count(letter)) for letter in "aeionrst"] for text in responses]
        return np.asarray(letters, np.float32).reshape(len(responses), 8)


class CosineSelector:
    name = "cosine"

    def select(self, conversation, instructions, *, request, embeddings, tools):
        cosines = embeddings @ request if len(instructions) else []
        judged = [
            SelectedInstruction(each, float(max(cosine, 0.0)), bool(cosine > 0.3), "by cosine")
            for each, cosine in zip(instructions, cosines, strict=True)
        ]
        return tuple(sorted(judged, key=lambda each: -each.probability))


@pytest.mark.parametrize("check", encoder_checks(WordEncoder))
def test_the_right_encoder_passes(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("check", decoder_checks(BestOfN))
def test_the_right_decoder_passes(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("check", instruction_selector_checks(CosineSelector))
def test_the_right_selector_passes(check: Callable[[], None]) -> None:
    check()


class InDoubles(WordEncoder):
    def encode(self, prompts, responses):
        return super().encode(prompts, responses).astype(np.float64)


class Noisy(WordEncoder):
    def encode(self, prompts, responses):
        right = super().encode(prompts, responses)
        return right + np.random.default_rng().normal(size=right.shape).astype(np.float32)


class PadsToTheLongest(WordEncoder):
    def encode(self, prompts, responses):
        longest = max((len(text) for text in responses), default=0)
        padded = [text + "e" * (longest - len(text)) for text in responses]
        return super().encode(prompts, padded)


class SortsByLength(WordEncoder):
    def encode(self, prompts, responses):
        return super().encode(prompts, sorted(responses, key=len))


class SaysOneThing(WordEncoder):
    def encode(self, prompts, responses):
        return np.ones((len(responses), 8), np.float32)


class DividesByLength(WordEncoder):
    def encode(self, prompts, responses):
        lengths = np.asarray([[len(text.strip())] for text in responses], np.float32)
        with np.errstate(invalid="ignore"):
            return super().encode(prompts, responses) / lengths.reshape(-1, 1)


class EatsPrompts(WordEncoder):
    def encode(self, prompts, responses):
        for prompt in prompts:
            prompt.clear()
        return super().encode(prompts, responses)


class NamedByClock(WordEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.fingerprint = f"words/{time.monotonic_ns()}"


class LoadsForItsName:
    width = 8

    @property
    def fingerprint(self):
        import torch

        self.network = torch.nn.Linear(2, 2)
        return "words/linear"

    def encode(self, prompts, responses):
        return WordEncoder().encode(prompts, responses)


WRONG_ENCODERS = {
    InDoubles: "features_have_the_width",
    Noisy: "encoding_is_deterministic",
    PadsToTheLongest: "batches_make_no_difference",
    SortsByLength: "batches_make_no_difference",
    SaysOneThing: "different_texts_differ",
    DividesByLength: "strange_texts_are_survived",
    EatsPrompts: "arguments_stay_unchanged",
    NamedByClock: "fingerprint_is_cheap_and_stable",
    LoadsForItsName: "fingerprint_is_cheap_and_stable",
}


class LastFirst(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        right = super().generate(request, generator, reward, on_text=on_text)
        order = list(range(len(right.candidates)))[::-1]
        turned = tuple(right.candidates[n] for n in order)
        return replace(right, candidates=turned, features=right.features[order])


class OtherSeed(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        other = replace(request, seed=request.seed + 100)
        return super().generate(other, generator, reward, on_text=on_text)


class TrustsTheMean(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        certain = None if reward is None else Certain(reward)
        return super().generate(request, generator, certain, on_text=on_text)


class Certain:
    def __init__(self, reward) -> None:
        self.reward = reward

    def score(self, features):
        return replace(self.reward.score(features), std=np.zeros(len(features), np.float32))

    def logit(self, a, b):
        right = self.reward.logit(a, b)
        return replace(right, mean=1e3 * right.mean, std=0 * right.std)


class ShufflesFeatures(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        right = super().generate(request, generator, reward, on_text=on_text)
        return replace(right, features=np.roll(right.features, 1, axis=1))


class IgnoresStops(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        sampling = replace(request.sampling, stop=())
        return super().generate(
            replace(request, sampling=sampling), generator, reward, on_text=on_text
        )


class SeedsByClock(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        other = replace(request, seed=time.monotonic_ns())
        return super().generate(other, generator, reward, on_text=on_text)


class StreamsTwice(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        right = super().generate(request, generator, reward, on_text=on_text)
        if on_text is not None:
            on_text(right.candidates[0].text)
        return right


class ForgetsToMend(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        return super().generate(replace(request, mend=None), generator, reward, on_text=on_text)


class EatsTheConversation(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        right = super().generate(request, generator, reward, on_text=on_text)
        request.conversation.append({"role": "assistant", "content": right.candidates[0].text})
        return right


class ForgetsTheAdapter(BestOfN):
    def generate(self, request, generator, reward, *, on_text=None):
        return super().generate(replace(request, adapter=None), generator, reward, on_text=on_text)


WRONG_DECODERS = {
    OtherSeed: "without_reward_it_samples_plainly",
    TrustsTheMean: "an_unsure_reward_changes_nothing",
    LastFirst: "a_sure_reward_is_followed",
    ShufflesFeatures: "features_belong_to_the_candidates",
    IgnoresStops: "requests_are_respected",
    SeedsByClock: "decoding_is_deterministic",
    StreamsTwice: "streamed_text_is_the_reply",
    ForgetsToMend: "mended_replies_are_offered",
    ForgetsTheAdapter: "the_requests_adapter_is_read_with",
    EatsTheConversation: "arguments_stay_unchanged",
}


class LeavesOut(CosineSelector):
    def select(self, conversation, instructions, *, request, embeddings, tools):
        right = super().select(
            conversation, instructions, request=request, embeddings=embeddings, tools=tools
        )
        return tuple(each for each in right if each.used)


class Invents(CosineSelector):
    def select(self, conversation, instructions, *, request, embeddings, tools):
        right = super().select(
            conversation, instructions, request=request, embeddings=embeddings, tools=tools
        )
        return right or (None,)


class ByPosition(CosineSelector):
    def select(self, conversation, instructions, *, request, embeddings, tools):
        right = super().select(
            conversation, instructions, request=request, embeddings=embeddings, tools=tools
        )
        place = {each.id: n for n, each in enumerate(instructions)}
        return tuple(replace(e, probability=1 / (1 + place[e.instruction.id])) for e in right)


class Backwards(CosineSelector):
    def select(self, conversation, instructions, *, request, embeddings, tools):
        return super().select(
            conversation, instructions, request=-request, embeddings=embeddings, tools=tools
        )


class Normalises(CosineSelector):
    def select(self, conversation, instructions, *, request, embeddings, tools):
        request -= request.mean()
        return super().select(
            conversation, instructions, request=request, embeddings=embeddings, tools=tools
        )


WRONG_SELECTORS = {
    LeavesOut: "every_instruction_is_judged",
    Invents: "nothing_is_selected_from_nothing",
    ByPosition: "order_is_irrelevant",
    Backwards: "nearer_is_more_probable",
    Normalises: "arguments_stay_unchanged",
}

WRONG = [
    *((check_encoder, plugin, check) for plugin, check in WRONG_ENCODERS.items()),
    *((check_decoder, plugin, check) for plugin, check in WRONG_DECODERS.items()),
    *((check_instruction_selector, plugin, check) for plugin, check in WRONG_SELECTORS.items()),
]


@pytest.mark.parametrize(("run", "plugin", "check"), WRONG)
def test_the_wrong_plugin_is_caught(run: Callable[..., None], plugin: type, check: str) -> None:
    with pytest.raises(ConformanceError, match=f"does not pass '{check}'"):
        run(plugin, checks=[check])


def test_every_check_catches_something() -> None:
    assert set(WRONG_ENCODERS.values()) == set(CHECKS["encoder"])
    assert set(WRONG_DECODERS.values()) == set(CHECKS["decoder"])
    assert set(WRONG_SELECTORS.values()) == set(CHECKS["instruction_selector"])
