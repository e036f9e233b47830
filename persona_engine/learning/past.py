"""Everything that a tenant's users have said, as features to fit a population on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.learning.learner import Learner
from persona_engine.learning.sample import MOST_COMPARISONS, MOST_OF_ONE, sample_users
from persona_engine.modelling import Doubles
from persona_engine.store import Store
from persona_engine.types import Comparison, Evidence, IntArray, PreferenceData, Scope

LEAST_USERS = 10
LEAST_COMPARISONS = 50
_ENCODED_AT_ONCE = 1_000


def load_preferences(
    learner: Learner, tenant: str, *, progress: Progress = no_progress
) -> tuple[tuple[str, ...], PreferenceData, Doubles]:
    """Return a tenant's users, their comparisons as features, and when each was first seen.

    Of each user the oldest comparison comes first; times are seconds since 1970. Where there are
    more comparisons than fit in memory, they are those of a sample of users.

    Raises:
        InvalidInputError: There are fewer than 10 users or 50 comparisons.
    """
    events: list[Comparison] = []
    users: dict[str, int] = {}
    rows: list[int] = []
    for user, event in _stream(learner.store, tenant):
        rows.append(users.setdefault(user, len(users)))
        events.append(event)
    if len(users) < LEAST_USERS or len(events) < LEAST_COMPARISONS:
        raise InvalidInputError(
            f"tenant {tenant!r} has {len(events)} comparisons by {len(users)} users, expected at "
            f"least {LEAST_COMPARISONS} by {LEAST_USERS}",
            remedy="collect or import more (`persona import FILE.jsonl`), or use `persona fit "
            "--default`, which needs none",
        )
    last = {row: event.created_at for row, event in zip(rows, events, strict=True)}
    newest = [last[row] for row in rows]
    first = {row: event.created_at for row, event in zip(rows[::-1], events[::-1], strict=True)}
    began = np.array([first[row].timestamp() for row in range(len(users))])
    evidence = _encode(
        learner, tenant, events, newest=newest, later=_later(rows), progress=progress
    )
    data = PreferenceData(
        evidence.chosen,
        evidence.rejected,
        np.array(rows, np.int64),
        learner.features.encoder.fingerprint,
        evidence.weight,
        evidence.prompt,
        evidence.texts,
        evidence.target,
    )
    return tuple(users), data, began


def _stream(store: Store, tenant: str) -> Iterator[tuple[str, Comparison]]:
    """Yield comparisons sorted by user, then oldest first: everybody's, or a sample's."""
    rows = store.tenant(tenant)
    sample = sample_users(rows.iter_counts(), most=MOST_COMPARISONS)
    if sample is None:
        yield from rows.iter_comparisons()
        return
    for user in sample:
        events = store.user(Scope(tenant, user)).comparisons()
        yield from ((user, event) for event in events[-MOST_OF_ONE:])


def _encode(
    learner: Learner,
    tenant: str,
    events: Sequence[Comparison],
    *,
    newest: Sequence[datetime],
    later: IntArray,
    progress: Progress,
) -> Evidence:
    parts = []
    for start in range(0, len(events), _ENCODED_AT_ONCE):
        progress("reading comparisons", start, len(events))
        here = slice(start, start + _ENCODED_AT_ONCE)
        parts.append(learner.evidence(tenant, events[here], newest=newest[here], later=later[here]))
    progress("reading comparisons", len(events), len(events))
    return Evidence.joined(parts)


def _later(rows: Sequence[int]) -> IntArray:
    """Return how many later comparisons the user of each made; rows are sorted by user.

    Examples:
        >>> _later([0, 0, 0, 1, 1]).tolist()
        [2, 1, 0, 1, 0]
    """
    ends = np.searchsorted(rows, rows, side="right")
    later: IntArray = ends - np.arange(len(rows)) - 1
    return later
