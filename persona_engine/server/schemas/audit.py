"""What is told of the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from persona_engine.store import AuditEvent


class EventTold(BaseModel):
    """One event.

    Attributes:
        number: Its place in the trail.
        id: Of the event.
        at: When.
        action: ``read``, ``write``, ``export``, ``delete``, or what the engine itself did.
        subject: The sha256 of the user's name; empty where it is about no single user.
        key: The key that it was done with; None for what was not asked of the server.
        request: The request's id, likewise.
        detail: The route's pattern, the status of the answer, and what the engine tells.
    """

    number: int
    id: str
    at: datetime
    action: str
    subject: str
    key: str | None
    request: str | None
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """A page of the audit trail, oldest first.

    Attributes:
        events: Events.
        next: Pass it as `after` for the next page; None on the last.
    """

    events: list[EventTold]
    next: int | None


def told(event: AuditEvent) -> EventTold:
    """Return an event as it is told."""
    return EventTold(
        number=event.number,
        id=event.id,
        at=event.created_at,
        action=event.action,
        subject=event.subject,
        key=event.actor,
        request=event.request,
        detail=dict(event.detail),
    )
