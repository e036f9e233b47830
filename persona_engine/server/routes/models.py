"""``/v1/models``."""

from __future__ import annotations

from fastapi import APIRouter

from persona_engine.server import names
from persona_engine.server.asked import AskedEngine, AskedWork, ChatCaller
from persona_engine.server.routes.documented import openai_refusals
from persona_engine.server.schemas.models import Model, Models
from persona_engine.server.schemas.texts import PathName

router = APIRouter(prefix="/v1", tags=["openai"])


@router.get("/models", responses=openai_refusals())
async def list_models(engine: AskedEngine, work: AskedWork, caller: ChatCaller) -> Models:
    """List what may be named as ``model``: the generator, and the tenant's adapters in use."""
    return Models(data=await work.calls.run(lambda: names.models(engine, caller.tenant)))


@router.get("/models/{model}", responses=openai_refusals(400, 404))
async def find_model(
    model: PathName, engine: AskedEngine, work: AskedWork, caller: ChatCaller
) -> Model:
    """Return one of them."""
    return await work.calls.run(lambda: names.model(engine, caller.tenant, model))
