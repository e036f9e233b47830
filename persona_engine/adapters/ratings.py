"""What users said of single replies, for methods that learn from good and bad ones."""

from __future__ import annotations

from collections.abc import Sequence

from persona_engine.adapters.members import Member, Members
from persona_engine.conversation import last_request
from persona_engine.store import Store
from persona_engine.types import RatedReply, Scope, TrainingPair


def ratings(
    store: Store, members: Members, cluster: str, people: Sequence[Member]
) -> list[RatedReply]:
    """Return people's ratings of replies to prompts that are not held out.

    A rating weighs membership × its distance from 0.
    """
    column = members.column(cluster)
    return [
        RatedReply(
            each.prompt,
            each.text,
            each.value > 0,
            person.name,
            float(person.membership[column]) * abs(each.value),
        )
        for person in people
        for each in store.user(Scope(members.tenant, person.name)).ratings()
        if each.value and each.text.strip()
        if last_request(each.prompt) not in members.held_out
    ]


def rated_replies(
    pairs: Sequence[TrainingPair], ratings: Sequence[RatedReply]
) -> tuple[RatedReply, ...]:
    """Return ratings, and each comparison as one good and one bad reply, as KTO takes them.

    Ethayarajh et al. 2024, arXiv 2402.01306, section 4.1.
    """
    halves = (
        RatedReply(pair.prompt, text, good, pair.user, pair.weight)
        for pair in pairs
        for text, good in ((pair.chosen, True), (pair.rejected, False))
    )
    return (*ratings, *halves)
