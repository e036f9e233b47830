"""What is learned by listening: wishes and reactions in conversations, rules behind choices."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from persona_engine.attributes import labelled_pairs
from persona_engine.conversation import check_conversation
from persona_engine.errors import PluginError
from persona_engine.instructions import reconcile, validate_instruction
from persona_engine.store import NewComparison, redacted
from persona_engine.types import (
    AttributePairs,
    Comparison,
    Conversation,
    FollowUpComparison,
    Heard,
    Instruction,
    Message,
    PairText,
    Principle,
    Signals,
    Wish,
)
from persona_engine.user.instructions import StandingInstructions
from persona_engine.user.scoped import check_seed, prompt_text


class Listening(StandingInstructions):
    """What a person never said as an instruction, but shows."""

    def listen(self, messages: Conversation) -> Heard:
        """Read wishes and reactions from a conversation, and keep them.

        Wishes become suggested instructions, which act only when the person accepts them (or, with
        the setting ``accept_suggestions``, at once); reactions become weak comparisons, which are
        learned from at once. Only the person's own turns count. Listening twice to the same
        conversation changes nothing more, and what was dismissed is not suggested again.

        Raises:
            InvalidInputError: The messages cannot be used.
            PluginError: The miner read something that the person did not say.
        """
        check_conversation(messages)
        tools = self._runtime.language_tools(self.scope.tenant)
        signals = self._runtime.miner.mine(messages, tools=tools)
        _check_signals(signals, messages, self._runtime.miner.name)
        wished = [self._from_wish(each, messages[each.turn]) for each in signals.wishes]
        learned = [self._learn(each) for each in signals.comparisons]
        return Heard(signals, self._suggest(wished), tuple(learned))

    def induce(self, *, seed: int = 0) -> tuple[Instruction, ...]:
        """Look for rules that explain the person's choices beyond chance, and suggest them.

        Args:
            seed: Decides which comparisons propose rules and which test them.

        Returns:
            What is newly suggested; each rests on the comparisons that it explains.

        Raises:
            InvalidInputError: The seed cannot be used.
        """
        check_seed(seed)
        events = [each for each in self._rows.comparisons() if not each.tie]
        if not events:
            return ()
        found = self._runtime.inducer.induce(
            [PairText(each.prompt, each.chosen, each.rejected) for each in events],
            self._runtime.learner.evidence(self.scope.tenant, events),
            attributes=self._attribute_pairs(),
            rng=np.random.default_rng(seed),
            tools=self._runtime.language_tools(self.scope.tenant),
        )
        return self._suggest([self._from_principle(each, events) for each in found])

    def _attribute_pairs(self) -> tuple[AttributePairs, ...]:
        attributes = tuple(self._runtime.attributes.all.values())
        return labelled_pairs(attributes, partial(self._runtime.features.get, self.scope.tenant))

    def _suggest(self, wanted: Iterable[Instruction]) -> tuple[Instruction, ...]:
        """Keep those that nobody said, suggested or dismissed before; return what was kept."""
        at_once = self._runtime.config.accept_suggestions
        kept = []
        for told in wanted:
            new = redacted.instruction(told, self._runtime.store.redact)
            known = self._rows.instructions()
            if any(_is_again(new, old) for old in known):
                continue
            if _says_it(new, [each for each in known if each.status in ("active", "suggested")]):
                continue
            self._rows.add_instruction(new)
            kept.append(self.accept(new.id) if at_once else new)
        return tuple(kept)

    def _learn(self, heard: FollowUpComparison) -> Comparison:
        new = NewComparison(
            prompt_text(heard.prompt),
            heard.chosen,
            heard.rejected,
            weight=heard.weight,
            source="follow_up",
        )
        key = f"follow-up-{_digest(new.prompt, new.chosen, new.rejected)}"
        return self._runtime.learner.record(self.scope, [new], key=key)[0]

    def _from_wish(self, wish: Wish, message: Message) -> Instruction:
        return validate_instruction(
            Instruction(
                id=uuid.uuid4().hex,
                text=wish.text,
                created_at=self._runtime.clock(),
                kind=wish.kind,
                strength=wish.strength,
                scope=wish.scope,
                trust=wish.probability,
                status="suggested",
                rests_on=(message_id(message),),
            )
        )

    def _from_principle(self, principle: Principle, events: Sequence[Comparison]) -> Instruction:
        right, wrong = len(principle.supports), len(principle.opposes)
        return validate_instruction(
            Instruction(
                id=uuid.uuid4().hex,
                text=principle.text,
                created_at=self._runtime.clock(),
                source="induced",
                trust=right / max(1, right + wrong),
                status="suggested",
                rests_on=tuple(events[row].id for row in principle.supports),
            )
        )


def message_id(message: Message) -> str:
    """Return the name under which an instruction rests on a message: a hash of role and words."""
    return f"message-{_digest(message['role'], message['content'])}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _is_again(new: Instruction, old: Instruction) -> bool:
    """Return whether the same was drawn from the same before, whatever became of it."""
    if new.text != old.text or new.source != old.source:
        return False
    return new.source == "induced" or bool(set(new.rests_on) & set(old.rests_on))


def _says_it(new: Instruction, known: Sequence[Instruction]) -> bool:
    as_said = [replace(each, status="active") for each in known]
    return reconcile(replace(new, status="active"), as_said).action == "keep"


def _check_signals(signals: Signals, messages: Conversation, miner: str) -> None:
    for each in signals.wishes:
        mine = 0 <= each.turn < len(messages) and messages[each.turn]["role"] == "user"
        if not mine or each.quote not in messages[each.turn]["content"]:
            raise PluginError(
                f"miner {miner!r} read {each.quote!r} from message {each.turn}, where the person "
                "did not say it",
                remedy="choose another miner in the settings, or report it to its authors",
            )
