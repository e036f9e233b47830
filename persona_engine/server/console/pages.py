"""The console's pages, their assets, and signing in and out."""

from __future__ import annotations

from html import escape
from typing import Annotated, Final
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from persona_engine.server.console.assets import assets, page
from persona_engine.server.security.csrf import from_own_page
from persona_engine.server.security.keys import Caller, caller_of
from persona_engine.server.security.sessions import ConsoleSessions

router = APIRouter(prefix="/console", include_in_schema=False)

_TITLES: Final = {
    "users": "Users",
    "user": "User",
    "chat": "Chat",
    "models": "Models",
    "evaluation": "Evaluation",
}
_ENTRIES = ("users", "chat", "models", "evaluation")  # of the navigation
_UNDER = {"user": "users"}  # the entry that a page without one belongs to
_REVALIDATED = {"Cache-Control": "no-cache"}
_HOME = "/console/users"
_LONGEST_FORM = 16_384
_NO_KEY = "That key is unknown, expired or revoked."
_NO_SCOPE = "That key lacks the scope admin, which the console needs."


def sessions_of(request: Request) -> ConsoleSessions:
    """Return the console's sessions."""
    found: ConsoleSessions = request.app.state.sessions
    return found


@router.get("")
async def home() -> Response:
    """Go to the first page."""
    return RedirectResponse(_HOME, 303)


@router.get("/assets/{name:path}")
async def asset(request: Request, name: str) -> Response:
    """Return a sheet, module or picture."""
    found = assets().get(name)
    if found is None:
        return Response(status_code=404)
    headers = {**_REVALIDATED, "ETag": found.etag}
    if request.headers.get("If-None-Match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.media_type)


@router.get("/login")
async def login_form(next: str = _HOME) -> Response:  # noqa: A002  # as the address says
    """Ask for a key."""
    return _login(next)


@router.post("/login", dependencies=[Depends(from_own_page)])
async def log_in(request: Request) -> Response:
    """Begin a session with a key of the scope admin."""
    form = parse_qs((await request.body())[:_LONGEST_FORM].decode(errors="replace"))
    secret, target = (form.get(name, [""])[0].strip() for name in ("key", "next"))
    response = RedirectResponse(_within(target), 303)
    sessions = sessions_of(request)
    keys = request.app.state.engine.store.api_keys
    key = await run_in_threadpool(keys.find, secret)
    if key is None:
        return _login(target, _NO_KEY, 401)
    if "admin" not in key.scopes:
        return _login(target, _NO_SCOPE, 403)
    await run_in_threadpool(sessions.log_in, response, secret)
    return response


@router.post("/logout", dependencies=[Depends(caller_of)])
async def log_out(request: Request) -> Response:
    """End the session; asked for by script, as it needs the page's token."""
    response = Response(status_code=204)
    await run_in_threadpool(sessions_of(request).log_out, request, response)
    return response


@router.get("/{name}")
async def show(
    request: Request, name: str, caller: Annotated[Caller | None, Depends(caller_of)]
) -> Response:
    """Return a page, which reads by itself what it shows; strangers are asked for a key."""
    if name not in _TITLES:
        raise HTTPException(404, f"the console has no page {name!r}")
    if caller is None:
        query = f"?{request.url.query}" if request.url.query else ""
        target = urlencode({"next": request.url.path + query})
        return RedirectResponse(f"/console/login?{target}", 303)
    return HTMLResponse(_framed(name), headers=_REVALIDATED)


def _framed(name: str) -> str:
    here = _UNDER.get(name, name)
    words = {"title": _TITLES[name], "sheet": name, "script": name, "main": page(name)}
    words |= {each: ' aria-current="page"' if each == here else "" for each in _ENTRIES}
    markup = page("shell")
    for key, value in words.items():
        markup = markup.replace(f"{{{key}}}", value)
    return markup


def _login(target: str, message: str = "", status: int = 200) -> Response:
    told = f'<p class="message bad" role="alert">{escape(message)}</p>' if message else ""
    markup = page("login").replace("{message}", told).replace("{next}", escape(_within(target)))
    return HTMLResponse(markup, status, headers=_REVALIDATED)


def _within(target: str) -> str:
    """Return an address of the console; the first page in place of any other."""
    return target if target.startswith("/console/") and "\\" not in target else _HOME
