"""The page that a product embeds, "which do you prefer?", for one user, by a short-lived token."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import BaseModel, Field

from persona_engine.engine import PersonaEngine
from persona_engine.server.asked import AskedEngine, AskedSettings, AskedWork
from persona_engine.server.console.assets import page
from persona_engine.server.console.tokens import Sitting
from persona_engine.server.problems import Problem, RefusedError
from persona_engine.server.routes.documented import refusals
from persona_engine.server.schemas.texts import Asked, Name, PathName
from persona_engine.server.security.keys import OPEN_KEY, Caller, allowed
from persona_engine.server.settings import ServerSettings
from persona_engine.types import Answer, Question

router = APIRouter(prefix="/embed", include_in_schema=False)
links = APIRouter(prefix="/api/v1/users/{user}", tags=["onboarding"])

_OVER = Problem(401, "unauthenticated", "the link is over or was never made", "make a new one")


class Ordered(Asked):
    """A link that is to be made.

    Attributes:
        questions: How many may be asked.
    """

    questions: Annotated[int, Field(ge=1, le=32)] = 4


class Link(BaseModel):
    """A link on which one user may answer questions.

    Attributes:
        path: Of the page, with the token in its fragment, which browsers send to nobody.
        token: The token alone.
        expires_at: Until when it can be used.
    """

    path: str
    token: str
    expires_at: datetime


class Answered(Asked):
    """What somebody answered, if anything, and what they would rather not.

    Attributes:
        question: Which was answered; None to be asked the first.
        choice: What was preferred.
        skipped: Questions that were skipped in this sitting.
    """

    question: Name | None = None
    choice: Answer | None = None
    skipped: Annotated[tuple[Name, ...], Field(max_length=64)] = ()


@links.post("/onboarding-link", status_code=201, responses=refusals())
async def link(
    user: PathName,
    ordered: Ordered,
    caller: Annotated[Caller, Depends(allowed("feedback"))],
    settings: AskedSettings,
) -> Link:
    """Make a link on which a person, known or new, may answer questions for some minutes.

    Its page may be framed by the origins that the server's setting `embed_origins` names.
    """
    now = time.time()
    ends = now + settings.link_seconds
    sitting = Sitting(caller.tenant, user, caller.key_id, ordered.questions, now, ends)
    token = sitting.token(_secret(settings))
    path = f"/embed/onboarding#token={token}"
    return Link(path=path, token=token, expires_at=datetime.fromtimestamp(ends, UTC))


@router.get("/onboarding")
async def onboarding() -> Response:
    """Return the page; only those of `ServerSettings.embed_origins` may frame it."""
    return HTMLResponse(page("onboarding"), headers={"Cache-Control": "no-cache"})


@router.post("/api/onboarding")
async def step(
    request: Request,
    answered: Answered,
    engine: AskedEngine,
    settings: AskedSettings,
    work: AskedWork,
) -> Response:
    """Learn from an answer, and return the next question."""
    body = await work.calls.run(lambda: _step(engine, settings, _token(request), answered))
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _step(
    engine: PersonaEngine, settings: ServerSettings, token: str, answered: Answered
) -> dict[str, Any]:
    sitting = _allowed(engine, settings, token)
    user = engine.user(sitting.user, tenant=sitting.tenant)
    if answered.question is not None and answered.choice is not None:
        # Sent twice, it is one answer.
        key = f"onboarding {sitting.begins} {answered.question}"
        user.prefer(answered.question, answered.choice, idempotency_key=key)
    done = sum(
        each.question is not None and each.created_at.timestamp() >= sitting.begins
        for each in user.comparisons(count=sitting.questions)
    )
    question = None
    if done < sitting.questions:
        question = next(user.onboard(questions=1, skipped=answered.skipped), None)
    return {"question": _shown(question), "answered": done, "of": sitting.questions}


def _shown(question: Question | None) -> dict[str, str] | None:
    """Return what may be seen of a question: not what it is about, which would sway the answer."""
    if question is None:
        return None
    return {"id": question.id, "prompt": question.prompt, "a": question.a, "b": question.b}


def _allowed(engine: PersonaEngine, settings: ServerSettings, token: str) -> Sitting:
    sitting = Sitting.of(token, _secret(settings), now=time.time())
    if sitting is None or not _lives(engine, settings, sitting):
        raise RefusedError(_OVER)
    return sitting


def _lives(engine: PersonaEngine, settings: ServerSettings, sitting: Sitting) -> bool:
    """Return whether the key that made a token may still be used."""
    if sitting.key_id == OPEN_KEY:
        return settings.insecure_loopback
    now = datetime.now(UTC)
    keys = engine.store.api_keys.list(sitting.tenant)
    return any(each.id == sitting.key_id and each.status(now) == "live" for each in keys)


def _token(request: Request) -> str:
    scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
    return token if scheme.lower() == "bearer" else ""


def _secret(settings: ServerSettings) -> bytes:
    return settings.link_secret.get_secret_value().encode()
