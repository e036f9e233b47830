"""What is learned of all users together: populations and clusters."""

from __future__ import annotations

from fastapi import APIRouter

from persona_engine.engine import ClusterReport
from persona_engine.server.asked import AdminCall
from persona_engine.server.routes.documented import refusals
from persona_engine.server.schemas.texts import PathName
from persona_engine.store import PopulationRow

router = APIRouter(prefix="/api/v1", tags=["populations"])


@router.get("/populations", responses=refusals())
async def populations(call: AdminCall) -> list[PopulationRow]:
    """List the tenant's populations with their held-out figures, oldest first."""
    return list(await call.done(lambda: call.engine.populations(tenant=call.tenant)))


@router.post("/populations/rollback", responses=refusals(404, 409))
async def roll_back(call: AdminCall) -> PopulationRow:
    """Put to use again the population made before the one in use."""
    return await call.done(lambda: call.engine.roll_back_population(tenant=call.tenant))


@router.post("/populations/{version}/publish", responses=refusals(404, 409))
async def publish(version: PathName, call: AdminCall) -> PopulationRow:
    """Put a population to use."""
    return await call.done(lambda: call.engine.publish_population(version, tenant=call.tenant))


@router.get("/clusters", responses=refusals())
async def clusters(call: AdminCall) -> ClusterReport | None:
    """Tell the clusters in use; null without any."""
    return await call.done(lambda: call.engine.clusters(tenant=call.tenant))
