"""What routes take from the app that they belong to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from persona_engine.engine import PersonaEngine, User
from persona_engine.errors import NotFoundError
from persona_engine.server.security.keys import Caller, Scope, allowed
from persona_engine.server.settings import ServerSettings
from persona_engine.server.work import Lane, Work

Result = TypeVar("Result")


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


@dataclass(frozen=True, slots=True)
class Call:
    """What a route for people does its work with: the engine, seen as the key's tenant.

    Args:
        engine: The engine.
        tenant: The key's.
        lane: Where the work is done.
    """

    engine: PersonaEngine
    tenant: str
    lane: Lane

    def person(self, user: str) -> User:
        """Return somebody of the tenant, known or not."""
        return self.engine.user(user, tenant=self.tenant)

    def known(self, user: str) -> User:
        """Return somebody of the tenant.

        Raises:
            NotFoundError: Nobody of that name is known; another tenant's users are not, either.
        """
        person = self.person(user)
        if not person.is_known():
            raise NotFoundError(f"no user {user!r}", remedy="check the name, and the key's tenant")
        return person

    async def done(self, job: Callable[[], Result]) -> Result:
        """Do the work in the queue."""
        return await self.lane.run(job)


def _of_call(scope: Scope) -> Callable[..., Awaitable[Call]]:
    scoped = Depends(allowed(scope))

    async def call(engine: AskedEngine, work: AskedWork, caller: Caller = scoped) -> Call:
        return Call(engine, caller.tenant, work.calls)

    return call


ChatCall = Annotated[Call, Depends(_of_call("chat"))]
FeedbackCall = Annotated[Call, Depends(_of_call("feedback"))]
AdminCall = Annotated[Call, Depends(_of_call("admin"))]
