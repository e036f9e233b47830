"""What the console's pages read beside the REST routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from persona_engine.server.asked import AdminCall
from persona_engine.server.console import data
from persona_engine.server.console.follow import followed
from persona_engine.server.console.pages import sessions_of
from persona_engine.server.security.keys import Caller, allowed

router = APIRouter(prefix="/console/api", include_in_schema=False)

Name = Annotated[str, Query(alias="user", min_length=1, max_length=256)]


@router.get("/session")
async def session(
    request: Request, caller: Annotated[Caller, Depends(allowed("admin"))]
) -> Response:
    """Return whose users are shown, and the token that changes are sent with."""
    token = sessions_of(request).csrf_token(request)
    return JSONResponse({"tenant": caller.tenant, "csrf": token})


@router.get("/map")
async def user_map(call: AdminCall) -> Response:
    """Return users on a plane, line by line: progress, then the map."""
    return followed(
        call.lane, lambda progress: call.engine.map_users(tenant=call.tenant, progress=progress)
    )


@router.get("/teaching")
async def teaching(call: AdminCall, user: Name) -> Response:
    """Return what further questions would teach about a user."""
    return _told(await call.done(lambda: data.teaching(call.known(user))))


@router.get("/talk")
async def talk(call: AdminCall) -> Response:
    """Return what a conversation may ask for."""
    return _told(await call.done(lambda: data.talk(call.engine)))


def _told(found: object) -> Response:
    return JSONResponse(jsonable_encoder(found))
