"""The selector: reads texts, keeps spans' embeddings, and says why for each instruction."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from persona_applicability.chains import Ties, tie
from persona_applicability.features import Described, Spans, Talk, describe
from persona_applicability.judge import Judgement, judge
from persona_applicability.memory import Memory
from persona_applicability.parse import Parsed, parse
from persona_applicability.reasons import reasons
from persona_applicability.space import TRAIN, Weights, load_weights
from persona_engine.errors import ConfigError, FingerprintMismatchError, InvalidInputError
from persona_engine.interfaces import LanguageTools
from persona_engine.scorers import check_encoder
from persona_engine.types import Conversation, FloatArray, Instruction, SelectedInstruction

_PROFILES = 32  # of users who are talking; one of 200 instructions takes three megabytes
_REMEDY = f"use the sentence encoder all-minilm-l6-v2, or train for yours with {TRAIN}"
_SPEAKER = re.compile(r"^\s*(?:user|human|customer)\s*:\s*", re.I)


class ApplicabilitySelector:
    """Takes the instructions whose relation of condition, slot and request says that they apply.

    p₁ = σ(g₁(f)),   p₂ = σ(g₂(f, c(p₁)))

    f relates one instruction to the request and to the rest of the profile: nearness of the whole,
    of its condition ("if I ask for flights") and of what it wants, in a space learned for that;
    shared words; whether it is general; which sort of slot it is about (place, name, category,
    time, price, number, feature) and whether the request names its own. c says whether an
    instruction that applies leads here: "prefer lobster" to "if it's lobster, …", "also look at
    hotels" to the wishes about hotels. Lasting tastes are judged by `bearing` instead, which looks
    up what like tastes were asked before. g₁ and g₂ are small networks, calibrated (Platt 1999) on
    domains and phrases that they were not fitted on. The task is that of NLSI (Moghe et al. 2024,
    arXiv:2311.09796) and PrefEval (Zhao et al. 2025, arXiv:2502.09597). Use it unless you must
    do without learned weights; it needs no language model.

    Args:
        fingerprint: The sentence encoder in use; None skips the check against the weights.
        threshold: Least probability of an instruction to be used.
        must_threshold: The same for what must hold.
        weights: Others than the shipped ones.

    Raises:
        ConfigError: A threshold is not 0 to 1.
        FingerprintMismatchError: The weights were learned for another encoder.

    Examples:
        >>> ApplicabilitySelector(threshold=0.3).name
        'applicability'
    """

    name = "applicability"

    def __init__(
        self,
        *,
        fingerprint: str | None = None,
        threshold: float = 0.35,
        must_threshold: float = 0.25,
        weights: Weights | None = None,
    ) -> None:
        for setting, value in (("threshold", threshold), ("must_threshold", must_threshold)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{setting} is {value!r}, expected 0 to 1")
        self._weights = weights or load_weights()
        self._check_encoder(fingerprint)
        self._threshold = threshold
        self._must_threshold = must_threshold
        self._spans: Memory[FloatArray] = Memory()
        self._profiles: Memory[tuple[Described, Ties]] = Memory(most=_PROFILES)

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
            conversation: The messages so far; earlier user turns help where the last one only
                answers a question.
            instructions: The user's active instructions, ``I`` of them.
            request: Sentence embedding of the request, ``(E,)``, unit length.
            embeddings: Sentence embeddings of the instructions, ``(I, E)``, unit length.
            tools: Embeds conditions, what is wanted, and earlier turns, once each.

        Raises:
            InvalidInputError: The shapes disagree, or a value is not finite.
            FingerprintMismatchError: The embeddings are of another encoder than the weights.
        """
        if not instructions:
            return ()
        self._check_encoder(tools.fingerprint)
        self._check(len(instructions), request, embeddings)
        parsed = [parse(each.text, each.scope) for each in instructions]
        talk = self._talk(conversation, request, tools)
        texts = [f"{each.scope}\n{each.text}" for each in instructions]
        described, ties = self._profiles.one(
            "\0".join(texts), lambda: self._profile(texts, parsed, embeddings, tools)
        )
        judgement = judge(talk, parsed, described, ties, self._weights)
        least = np.where(
            [each.strength == "must" for each in instructions],
            self._must_threshold,
            self._threshold,
        )
        used = judgement.probability >= least
        return _sorted(instructions, parsed, judgement, used)

    def _talk(self, conversation: Conversation, request: FloatArray, tools: LanguageTools) -> Talk:
        turns = [_said(each["content"]) for each in conversation if each["role"] == "user"]
        earlier = [each for each in turns[:-1] if each]
        vectors = tools.embed(earlier) if earlier else np.zeros((0, len(request)), np.float32)
        return Talk(request, vectors, [*earlier, *turns[-1:]])

    def _profile(
        self,
        texts: Sequence[str],
        parsed: Sequence[Parsed],
        embeddings: FloatArray,
        tools: LanguageTools,
    ) -> tuple[Described, Ties]:
        """Return what instructions are like and what ties them; known ones need no embedding."""

        def find(rows: Sequence[int]) -> list[FloatArray]:
            some = [parsed[at] for at in rows]
            return list(self._describe(some, embeddings[list(rows)], tools).rows)

        rows = np.stack(self._spans.each(texts, find))
        described = Described(rows, self._weights.widths)
        return described, tie(parsed, described, self._weights)

    def _describe(
        self, parsed: Sequence[Parsed], embeddings: FloatArray, tools: LanguageTools
    ) -> Described:
        """An instruction without a condition is all one."""
        condition, main = embeddings.copy(), embeddings.copy()
        split = [at for at, each in enumerate(parsed) if each.condition]
        texts = [parsed[at].condition for at in split] + [parsed[at].main for at in split]
        vectors = tools.embed([*texts, *(each.value for each in parsed)])
        parts = len(split)
        condition[split], main[split] = vectors[:parts], vectors[parts : 2 * parts]
        spans = Spans(embeddings, condition, main, vectors[2 * parts :])
        return describe(parsed, spans, self._weights)

    def _check_encoder(self, fingerprint: str | None) -> None:
        check_encoder(fingerprint, self._weights.fingerprint, scorer="the selector", remedy=_REMEDY)

    def _check(self, count: int, request: FloatArray, embeddings: FloatArray) -> None:
        width = len(self._weights.arrays["space_request"])
        if embeddings.ndim != 2 or len(embeddings) != count or request.shape != embeddings[0].shape:
            raise InvalidInputError(
                f"request is {request.shape} and embeddings are {embeddings.shape}, expected "
                f"({width},) and ({count}, {width})"
            )
        if embeddings.shape[1] != width:
            raise FingerprintMismatchError(
                f"embeddings are {embeddings.shape[1]} wide, expected {width}", remedy=_REMEDY
            )
        if not (np.isfinite(request).all() and np.isfinite(embeddings).all()):
            raise InvalidInputError("embeddings have values that are not finite")


def _said(text: str) -> str:
    return _SPEAKER.sub("", text).strip()


def _sorted(
    instructions: Sequence[Instruction],
    parsed: Sequence[Parsed],
    judgement: Judgement,
    used: NDArray[np.bool_],
) -> tuple[SelectedInstruction, ...]:
    why = reasons(parsed, judgement, used)
    p = judgement.probability.astype(float).tolist()
    takes = used.tolist()
    order = np.argsort(-judgement.probability, kind="stable").tolist()
    return tuple(
        SelectedInstruction(instructions[at], p[at], takes[at], f"{why[at]} (p = {p[at]:.2f})")
        for at in order
    )
