"""Weak comparisons from complaints: the reply that ended one is preferred to those before it."""

from __future__ import annotations

from collections.abc import Sequence

from persona_engine.types import Conversation, FollowUpComparison, Reaction

# Complaints that another reply to the same request cannot answer.
_UNANSWERABLE = frozenset({"unrealistic_expectation"})
_SILENT, _UNSEEN = 0.6, 0.3


def comparisons_of(
    conversation: Conversation, turns: Sequence[int], reactions: Sequence[Reaction]
) -> tuple[FollowUpComparison, ...]:
    """Return one comparison for each complaint that the next reply ended.

    Its weight is P(complaint) times how sure it is that the person was content with the later
    reply: P(satisfied) when they said so, 0.6 when they went on without complaint, 0.3 when the
    conversation ends there.

    Args:
        conversation: All messages.
        turns: Positions of the person's own turns.
        reactions: What their follow-ups say.
    """
    said = {each.turn: each for each in reactions}
    found = []
    for turn in turns:
        complaint = said.get(turn)
        if complaint is None or complaint.satisfied or complaint.kind in _UNANSWERABLE:
            continue
        pair = _pair(conversation, turns, said, turn)
        if pair is None:
            continue
        request, rejected, chosen, contentment = pair
        found.append(
            FollowUpComparison(
                prompt=[{**message} for message in conversation[: request + 1]],
                chosen=conversation[chosen]["content"],
                rejected=conversation[rejected]["content"],
                weight=complaint.probability * contentment,
                turn=turn,
            )
        )
    return tuple(found)


def _pair(
    conversation: Conversation, turns: Sequence[int], said: dict[int, Reaction], turn: int
) -> tuple[int, int, int, float] | None:
    """Return request, rejected and chosen reply, and how content the person was with the latter."""
    rejected = _reply_before(conversation, turn)
    request = _request_of(turns, said, turn)
    end = next((each for each in turns if each > turn and not _complains(said, each)), None)
    chosen = _reply_before(conversation, len(conversation) if end is None else end)
    if rejected is None or request is None or chosen is None or chosen < turn:
        return None
    if conversation[chosen]["content"].strip() == conversation[rejected]["content"].strip():
        return None
    if end is None:
        return request, rejected, chosen, _UNSEEN
    after = said.get(end)
    content = after.probability if after and after.satisfied else _SILENT
    return request, rejected, chosen, content


def _complains(said: dict[int, Reaction], turn: int) -> bool:
    return turn in said and not said[turn].satisfied


def _request_of(turns: Sequence[int], said: dict[int, Reaction], turn: int) -> int | None:
    """Return the turn that began what the complaint is about: the last that did not complain."""
    earlier = [each for each in turns if each < turn]
    return next((each for each in reversed(earlier) if not _complains(said, each)), None)


def _reply_before(conversation: Conversation, turn: int) -> int | None:
    for at in range(turn - 1, -1, -1):
        if conversation[at]["role"] == "user":
            return None
        if conversation[at]["role"] == "assistant" and conversation[at]["content"].strip():
            return at
    return None
