"""Adapters: listed, published, rolled back, deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from persona_engine.server.asked import AdminCall, Call
from persona_engine.server.routes.documented import refusals
from persona_engine.server.schemas.groups import Rollback
from persona_engine.server.schemas.texts import PathName
from persona_engine.store import AdapterRow

router = APIRouter(prefix="/api/v1/adapters", tags=["adapters"])


@router.get("", responses=refusals())
async def adapters(
    call: AdminCall, cluster: Annotated[str | None, Query(max_length=256)] = None
) -> list[AdapterRow]:
    """List the tenant's adapters, or those of one cluster, oldest first."""
    return list(await call.done(lambda: call.engine.adapters(tenant=call.tenant).versions(cluster)))


@router.post("/rollback", responses=refusals(404, 409))
async def roll_back(asked: Rollback, call: AdminCall) -> AdapterRow:
    """Put to use again what was published for a cluster before."""
    return await call.done(
        lambda: call.engine.adapters(tenant=call.tenant).rollback(asked.cluster, base=asked.base)
    )


@router.get("/{version}", responses=refusals(404))
async def adapter(version: PathName, call: AdminCall) -> AdapterRow:
    """Return one version with its held-out figures."""
    return await call.done(lambda: call.engine.adapters(tenant=call.tenant).find(version))


@router.delete("/{version}", status_code=204, responses=refusals(404, 409))
async def delete(version: PathName, call: AdminCall) -> None:
    """Delete a version that is not published, with its files."""
    await call.done(lambda: call.engine.adapters(tenant=call.tenant).delete(version))


@router.post("/{version}/publish", responses=refusals(404, 409))
async def publish(version: PathName, call: AdminCall) -> AdapterRow:
    """Put a version to use for its cluster, once its files are what its manifest says."""
    return await call.done(lambda: _published(call, version, in_use=True))


@router.post("/{version}/unpublish", responses=refusals(404, 409))
async def unpublish(version: PathName, call: AdminCall) -> AdapterRow:
    """Take a version out of use; the base model serves its cluster then."""
    return await call.done(lambda: _published(call, version, in_use=False))


def _published(call: Call, version: str, *, in_use: bool) -> AdapterRow:
    registry = call.engine.adapters(tenant=call.tenant)
    if in_use:
        registry.publish(version)
    else:
        registry.unpublish(version)
    return registry.find(version)
