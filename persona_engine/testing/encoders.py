"""The conformance suite of encoders."""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

import numpy as np

from persona_engine.errors import PersonaError
from persona_engine.interfaces import Encoder
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require, require_close
from persona_engine.types import Conversation, FloatArray

EncoderFactory = Callable[[], Encoder]

_RESPONSES = (
    "Yes.",
    "Start with the onions; they need the longest, about ten minutes on a low flame.",
    "The mitochondrion is the powerhouse of the cell.",
    "I would rather not guess. Could you tell me which version you run, and on which system?",
    "- one\n- two\n- three",
)


class EncoderSubject:
    """An encoder under test, and a few replies given their prompts."""

    def __init__(self, factory: EncoderFactory) -> None:
        self.factory = factory

    @cached_property
    def encoder(self) -> Encoder:
        """One instance that the checks share."""
        return self.factory()

    @property
    def prompts(self) -> list[Conversation]:
        """A conversation for each response."""
        return [[{"role": "user", "content": f"Question {n}?"}] for n in range(len(_RESPONSES))]

    @cached_property
    def features(self) -> FloatArray:
        """All responses, encoded at once."""
        return self.encoder.encode(self.prompts, _RESPONSES)

    def distance_of_texts(self) -> float:
        """Return the median distance between features of different responses."""
        apart = np.linalg.norm(self.features[:, None] - self.features[None], axis=2)
        return float(np.median(apart[np.triu_indices(len(apart), 1)]))

    def encode(self, responses: Sequence[str]) -> FloatArray:
        """Return the features of responses, each after its own prompt."""
        return self.encoder.encode(self.prompts[: len(responses)], responses)


def features_have_the_width(subject: EncoderSubject) -> None:
    """Return finite float32 features (n, width), also for n = 0."""
    remedy = "return float32 of shape (n, width), an empty (0, width) for no text"
    width = subject.encoder.width
    for features, rows in ((subject.features, len(_RESPONSES)), (subject.encode([]), 0)):
        require(
            features.shape == (rows, width) and features.dtype == np.float32,
            f"{rows} texts give {features.dtype} of shape {features.shape}, width is {width}",
            remedy=remedy,
        )
    require(
        bool(np.isfinite(subject.features).all()), "features have NaN or infinity", remedy=remedy
    )


def encoding_is_deterministic(subject: EncoderSubject) -> None:
    """Give equal features for equal texts, also in another instance."""
    remedy = "switch dropout off, and sample nothing"
    for encoder in (subject.encoder, subject.factory()):
        again = encoder.encode(subject.prompts, _RESPONSES)
        require_close(again, subject.features, "features when asked again", remedy=remedy)


def batches_make_no_difference(subject: EncoderSubject) -> None:
    """Encode each text alike, alone and beside longer or shorter ones."""
    limit = 0.05 * subject.distance_of_texts()
    order = np.arange(len(_RESPONSES))[::-1]
    prompts = subject.prompts
    turned = subject.encoder.encode([prompts[n] for n in order], [_RESPONSES[n] for n in order])
    for n, (prompt, text) in enumerate(zip(prompts, _RESPONSES, strict=True)):
        alone = subject.encoder.encode([prompt], [text])[0]
        for features in (subject.features[n], turned[::-1][n]):
            gap = float(np.linalg.norm(features - alone))
            require(
                gap <= limit,
                f"the features of {text!r} move by {gap:.3g} beside other texts; different texts "
                f"are {20 * limit:.3g} apart",
                remedy="leave padding out of attention and pooling, and restore the callers' order",
            )


def different_texts_differ(subject: EncoderSubject) -> None:
    """Give different features for different responses."""
    distance = subject.distance_of_texts()
    scale = float(np.linalg.norm(subject.features, axis=1).mean())
    require(
        distance > 1e-3 * scale,
        f"different texts are {distance:.3g} apart, their features {scale:.3g} long",
        remedy="pool over the response's tokens",
    )


def strange_texts_are_survived(subject: EncoderSubject) -> None:
    """Stay finite on empty, blank, huge and unprintable texts, or refuse by an engine's error."""
    for text in ("", "   \n", "word " * 1_000, "\x00\x1b[2J\ufffd", "🙂‍↔️ मैं 漢字"):
        try:
            features = subject.encode([text])
        except PersonaError:
            continue
        require(
            bool(np.isfinite(features).all()),
            f"the text {text[:20]!r} gives NaN or infinity",
            remedy="divide by one token at least, or raise InvalidInputError",
        )


def arguments_stay_unchanged(subject: EncoderSubject) -> None:
    """Change neither prompts nor responses."""
    prompts, responses = subject.prompts, list(_RESPONSES)
    before = copy.deepcopy((prompts, responses))
    subject.encoder.encode(prompts, responses)
    require((prompts, responses) == before, "encode changed its arguments", remedy="copy the lists")


def fingerprint_is_cheap_and_stable(subject: EncoderSubject) -> None:
    """Name the feature space without loading the model, alike in every instance."""
    remedy = "make it from the weights' hash, layer, pooling and width, read from files"
    before = _loaded_modules()
    encoder = subject.factory()  # kept alive: what it loads must still be there to be counted
    fingerprint = encoder.fingerprint
    require(_loaded_modules() <= before, "reading the fingerprint loads the model", remedy=remedy)
    require(
        isinstance(fingerprint, str) and bool(fingerprint.strip()),
        f"the fingerprint is {fingerprint!r}, expected a text",
        remedy=remedy,
    )
    subject.encode(_RESPONSES[:1])
    require(
        subject.encoder.fingerprint == fingerprint,
        "the fingerprint changes with the instance or by encoding",
        remedy=remedy,
    )


def _loaded_modules() -> int:
    """Return how many torch modules are alive; 0 while torch is not imported."""
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    return sum(issubclass(type(each), torch.nn.Module) for each in gc.get_objects())


ENCODER_CHECKS: Mapping[str, Check[EncoderSubject]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            features_have_the_width,
            encoding_is_deterministic,
            batches_make_no_difference,
            different_texts_differ,
            strange_texts_are_survived,
            arguments_stay_unchanged,
            fingerprint_is_cheap_and_stable,
        )
    }
)


def encoder_checks(
    factory: EncoderFactory, *, checks: Iterable[str] | None = None
) -> tuple[BoundCheck[EncoderSubject], ...]:
    """Return the checks of an encoder, each to be called.

    Args:
        factory: Makes an instance on its weights; called without arguments, several times.
        checks: Names of `ENCODER_CHECKS`; all of them if omitted.
    """
    return bind(ENCODER_CHECKS, EncoderSubject(factory), name_of(factory), checks)


def check_encoder(factory: EncoderFactory, *, checks: Iterable[str] | None = None) -> None:
    """Run the checks of an encoder, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
    """
    for check in encoder_checks(factory, checks=checks):
        check()
