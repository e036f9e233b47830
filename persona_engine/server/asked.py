"""What routes take from the app that they belong to."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from persona_engine.engine import PersonaEngine
from persona_engine.server.security.keys import Caller, allowed
from persona_engine.server.settings import ServerSettings
from persona_engine.server.work import Work


async def engine_of(request: Request) -> PersonaEngine:
    """Return the engine that the server serves."""
    engine: PersonaEngine = request.app.state.engine
    return engine


async def settings_of(request: Request) -> ServerSettings:
    """Return the server's settings."""
    settings: ServerSettings = request.app.state.settings
    return settings


async def work_of(request: Request) -> Work:
    """Return the server's queues of work."""
    work: Work = request.app.state.work
    return work


AskedEngine = Annotated[PersonaEngine, Depends(engine_of)]
AskedSettings = Annotated[ServerSettings, Depends(settings_of)]
AskedWork = Annotated[Work, Depends(work_of)]

ChatCaller = Annotated[Caller, Depends(allowed("chat"))]
FeedbackCaller = Annotated[Caller, Depends(allowed("feedback"))]
AdminCaller = Annotated[Caller, Depends(allowed("admin"))]
