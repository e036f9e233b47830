"""The audit trail: who did what to whose data."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from persona_engine.server.asked import AdminCall
from persona_engine.server.routes.documented import refusals
from persona_engine.server.schemas.audit import AuditPage, told
from persona_engine.server.schemas.texts import Name
from persona_engine.server.security.audit import audited
from persona_engine.store import AuditQuery

router = APIRouter(prefix="/api/v1", tags=["audit"])


@router.get("/audit", responses=refusals(), dependencies=[Depends(audited("export"))])
async def audit(
    call: AdminCall,
    *,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    action: Name | None = None,
    user: Name | None = None,
    key: Name | None = None,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    count: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> AuditPage:
    """Return events of the tenant's audit trail, oldest first; what is omitted does not matter."""
    query = AuditQuery(
        since=since,
        until=until,
        action=action,
        user=user,
        actor=key,
        after=after,
        limit=count + 1,
    )
    found = await call.done(lambda: call.engine.store.tenant(call.tenant).audit_events(query))
    page = found[:count]
    return AuditPage(
        events=[told(each) for each in page],
        next=page[-1].number if len(found) > count else None,
    )
