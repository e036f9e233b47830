"""Reminds the model of what a person said, and binds what can tell whether replies keep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from persona_engine.features import FeatureCache, Text
from persona_engine.instructions import AppliedInstructions, apply_instructions, in_force
from persona_engine.instructions.render import last_user_turn
from persona_engine.interfaces import InstructionSelector, InstructionVerifier, LanguageTools
from persona_engine.obedience import Obedience
from persona_engine.stopwatch import Stopwatch
from persona_engine.store import Clock, Store
from persona_engine.types import Conversation, FloatArray, Instruction, Scope, SelectedInstruction


class Reminder:
    """Selects and places a person's standing instructions, and binds what can verify them.

    Args:
        store: Holds the instructions.
        sentences: Sentence embeddings of requests and instructions.
        selector: Judges which instructions apply.
        verifiers: Judge whether replies keep them.
        tools: What methods that read words may ask, by tenant.
        count_tokens: Length of a text in the model's tokens.
        rules: Instructions of the operator, for every user.
        budget: Most tokens that instructions may take.
        clock: Against which times of validity are held.
    """

    def __init__(
        self,
        *,
        store: Store,
        sentences: Callable[[], FeatureCache],
        selector: Callable[[], InstructionSelector],
        verifiers: Callable[[], Sequence[InstructionVerifier]],
        tools: Callable[[str], LanguageTools],
        count_tokens: Callable[[str], int],
        rules: Sequence[Instruction],
        budget: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sentences = sentences
        self._selector = selector
        self._verifiers = verifiers
        self._tools = tools
        self._count_tokens = count_tokens
        self._rules = tuple(rules)
        self._budget = budget
        self._clock = clock

    def remind(self, scope: Scope, messages: Conversation, watch: Stopwatch) -> AppliedInstructions:
        """Return the conversation with what applies placed beside its last user turn."""
        with watch.step("profile"):
            own = self._store.user(scope).instructions(status="active")
        active = (*self._rules, *own)
        now = self._clock()
        if not in_force(active, now=now) or last_user_turn(messages) is None:
            return untouched(messages)
        with watch.step("encode"):
            request, embeddings = self._embed(scope, messages, active)
        with watch.step("select"):
            return apply_instructions(
                messages,
                active,
                selector=self._selector(),
                request=request,
                embeddings=embeddings,
                tools=self._tools(scope.tenant),
                now=now,
                budget=self._budget,
                count_tokens=self._count_tokens,
            )

    def obedience(
        self, scope: Scope, messages: Conversation, decisions: Sequence[SelectedInstruction]
    ) -> Obedience:
        """Return the verifiers of the instructions in use, bound to the conversation."""
        used = [each for each in decisions if each.used]
        verifiers = self._verifiers() if used else ()
        return Obedience(messages, used, verifiers, tools=lambda: self._tools(scope.tenant))

    def _embed(
        self, scope: Scope, messages: Conversation, active: Sequence[Instruction]
    ) -> tuple[FloatArray, FloatArray]:
        sentences = self._sentences()
        turn = last_user_turn(messages)
        content = messages[turn]["content"] if turn is not None else ""
        # Requests are encoded afresh and not cached: what somebody asks is not to be kept.
        request = (
            sentences.encoder.encode([()], [content])[0]
            if content.strip()
            else np.zeros(sentences.width, np.float32)
        )
        return request, sentences.get(scope.tenant, [Text(each.text) for each in active])


def untouched(messages: Conversation) -> AppliedInstructions:
    """Return a conversation to which nothing was added."""
    return AppliedInstructions(tuple(messages), (), 0, "no standing instruction applies")
