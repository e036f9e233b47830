"""Getting to know a person: the next question, and its answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from persona_engine.server.asked import Call, FeedbackCall
from persona_engine.server.routes.documented import refusals
from persona_engine.server.routes.preferences import Key
from persona_engine.server.schemas.onboarding import GivenAnswer, NextQuestion
from persona_engine.server.schemas.texts import Name, PathName
from persona_engine.types import Comparison

router = APIRouter(prefix="/api/v1/users/{user}", tags=["onboarding"])

_NO_SKIPPED: tuple[str, ...] = ()


@router.get("/question", responses=refusals(409))
async def next_question(
    user: PathName,
    call: FeedbackCall,
    skipped: Annotated[tuple[Name, ...], Query(max_length=1_000)] = _NO_SKIPPED,
    until: Annotated[float | None, Query(gt=0.5, lt=1.0)] = None,
) -> NextQuestion:
    """Return the question whose answer teaches most about a person.

    What was answered is not asked again; name in `skipped` what was skipped in this sitting.
    """
    return await call.done(lambda: _next(call, user, skipped, until))


@router.post("/answers", status_code=201, responses=refusals(404, 409))
async def answer(
    user: PathName, asked: GivenAnswer, call: FeedbackCall, key: Key = None
) -> Comparison | None:
    """Record the answer to a question, and learn from it; null of what was skipped."""
    return await call.done(
        lambda: call.person(user).prefer(asked.question, asked.choice, idempotency_key=key)
    )


def _next(call: Call, user: str, skipped: tuple[str, ...], until: float | None) -> NextQuestion:
    interview = call.person(user).onboard(questions=1, until=until, skipped=skipped)
    question = next(interview, None)
    return NextQuestion(
        question=question,
        ended=interview.ended,
        gain=interview.gain,
        confidence=interview.confidence,
    )
