"""The selector: probabilities to judgements, with a reason for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_embedding_selector.calibration import Calibration, load_calibration, probabilities
from persona_embedding_selector.features import general_features, topical_features
from persona_engine.errors import ConfigError, FingerprintMismatchError, InvalidInputError
from persona_engine.interfaces import LanguageTools
from persona_engine.scorers import check_encoder
from persona_engine.types import Conversation, FloatArray, Instruction, SelectedInstruction

_REMEDY = (
    "use the sentence encoder all-minilm-l6-v2, or calibrate for yours with "
    "tests/benchmarks/calibrate_embedding_selector.py"
)


class EmbeddingSelector:
    """Takes an instruction when it is general, or near enough to the request.

    p = 1 − (1 − π)(1 − τ) with π = σ(u·f_general), τ = σ(v·f_topical): an instruction about style
    or format ("No emoji.") applies always, however far its words are from the request's; one
    about a topic ("I am vegan: no meat in recipes") applies where the request is about it. The
    cosine threshold is that of dense retrieval (Karpukhin et al. 2020, arXiv:2004.04906), the
    noisy-or is Pearl's (1988). Needs no model beyond the two embeddings, and takes well under a
    millisecond; a selector that reads the texts together judges better and costs more.

    Args:
        fingerprint: The sentence encoder in use; None skips the check against the calibration.
        threshold: Least probability of an instruction to be used. 1/3 weighs a missed one twice
            as heavily as one too many.
        must_threshold: The same for what must hold; 1/5 weighs a miss four times as heavily.
        calibration: Another calibration than the shipped one.

    Raises:
        ConfigError: A threshold is not 0 to 1.
        FingerprintMismatchError: The calibration was made for another encoder.
    """

    name = "embedding_selector"

    def __init__(
        self,
        *,
        fingerprint: str | None = None,
        threshold: float = 1 / 3,
        must_threshold: float = 1 / 5,
        calibration: Calibration | None = None,
    ) -> None:
        for setting, value in (("threshold", threshold), ("must_threshold", must_threshold)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{setting} is {value!r}, expected 0 to 1")
        self._calibration = calibration or load_calibration()
        expected = self._calibration.fingerprint
        check_encoder(fingerprint, expected, scorer="the selector", remedy=_REMEDY)
        self._threshold = threshold
        self._must_threshold = must_threshold

    def select(
        self,
        conversation: Conversation,
        instructions: Sequence[Instruction],
        *,
        request: FloatArray,
        embeddings: FloatArray,
        tools: LanguageTools,
    ) -> tuple[SelectedInstruction, ...]:
        """Return every instruction with its probability, most probable first.

        Args:
            conversation: Not read: the request's embedding stands for it.
            instructions: The user's active instructions, ``I`` of them.
            request: Sentence embedding of the request, ``(E,)``, unit length.
            embeddings: Sentence embeddings of the instructions, ``(I, E)``, unit length.
            tools: Not needed.

        Raises:
            InvalidInputError: The shapes disagree, or a value is not finite.
            FingerprintMismatchError: The embeddings are of another width than the calibration's.
        """
        if not instructions:
            return ()
        self._check(len(instructions), request, embeddings)
        known = self._calibration
        general = general_features(
            instructions, embeddings, general=known.general, topical=known.topical
        )
        topical = topical_features(instructions, embeddings, request)
        p, holds, fits = (each.tolist() for each in probabilities(known, general, topical))
        cosines = topical[:, 1].tolist()
        judged = [
            self._judge(instructions[i], p[i], holds[i] >= fits[i], cosines[i])
            for i in np.argsort(-np.asarray(p), kind="stable").tolist()
        ]
        return tuple(judged)

    def _judge(
        self, instruction: Instruction, p: float, is_general: bool, cosine: float
    ) -> SelectedInstruction:
        must = instruction.strength == "must"
        used = p >= (self._must_threshold if must else self._threshold)
        if not used:
            why = "is about something else"
        elif is_general:
            why = "holds for every request"
        else:
            why = "fits this request"
        reason = f"{why} (p = {p:.2f}, cosine {cosine:.2f})"
        return SelectedInstruction(instruction, probability=p, used=used, reason=reason)

    def _check(self, count: int, request: FloatArray, embeddings: FloatArray) -> None:
        width = self._calibration.general.shape[1]
        if embeddings.ndim != 2 or len(embeddings) != count or request.shape != embeddings[0].shape:
            raise InvalidInputError(
                f"request is {request.shape} and embeddings are {embeddings.shape}, expected "
                f"({width},) and ({count}, {width})"
            )
        if embeddings.shape[1] != width:
            raise FingerprintMismatchError(
                f"embeddings are of width {embeddings.shape[1]}, expected {width}", remedy=_REMEDY
            )
        if not (np.isfinite(request).all() and np.isfinite(embeddings).all()):
            raise InvalidInputError("embeddings have values that are not finite")
