"""What people prefer: comparisons, feedback on replies, and what follows for others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from persona_engine.server.asked import ChatCall, FeedbackCall
from persona_engine.server.conversations import message, prompt
from persona_engine.server.routes.documented import refusals
from persona_engine.server.schemas.preferences import (
    Candidates,
    Feedback,
    Messages,
    NewComparison,
)
from persona_engine.server.schemas.texts import PathName
from persona_engine.server.schemas.told import PersonalizationTold
from persona_engine.server.security.idempotency import own_key
from persona_engine.traces import Explanation
from persona_engine.types import Comparison, Ranking

router = APIRouter(prefix="/api/v1/users/{user}", tags=["preferences"])

Key = Annotated[str | None, Depends(own_key)]


@router.post("/comparisons", status_code=201, responses=refusals(409))
async def compare(
    user: PathName, asked: NewComparison, call: FeedbackCall, key: Key = None
) -> Comparison:
    """Record that one reply was preferred to another, and learn from it."""
    return await call.done(
        lambda: call.person(user).compare(
            prompt(asked.prompt),
            asked.chosen,
            asked.rejected,
            weight=asked.weight,
            tie=asked.tie,
            idempotency_key=key,
        )
    )


@router.get("/comparisons", responses=refusals(404))
async def comparisons(
    user: PathName,
    call: FeedbackCall,
    count: Annotated[int, Query(ge=1, le=1_000)] = 50,
    skip: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> list[Comparison]:
    """List what a person preferred to what, newest first."""
    return list(await call.done(lambda: call.known(user).comparisons(count=count, skip=skip)))


@router.post("/replies/{reply}/feedback", status_code=201, responses=refusals(404, 409))
async def feedback(
    user: PathName, reply: PathName, asked: Feedback, call: FeedbackCall, key: Key = None
) -> list[Comparison]:
    """Learn from what the person says about a reply; return what was learned from."""
    learned = await call.done(
        lambda: call.known(user).feedback(
            reply,
            rating=asked.rating,
            better=asked.better,
            chosen=asked.chosen,
            ranking=asked.ranking,
            idempotency_key=key,
        )
    )
    return list(learned)


@router.get("/replies/{reply}", responses=refusals(404))
async def explain(user: PathName, reply: PathName, call: FeedbackCall) -> Explanation:
    """Say in words and numbers why a reply was given."""
    return await call.done(lambda: call.known(user).explain(reply))


@router.post("/rank", responses=refusals())
async def rank(user: PathName, asked: Candidates, call: ChatCall) -> Ranking:
    """Order replies that the host has already by how this person would like them."""
    return await call.done(lambda: call.person(user).rank(prompt(asked.prompt), asked.candidates))


@router.post("/personalize", responses=refusals())
async def personalize(user: PathName, asked: Messages, call: ChatCall) -> PersonalizationTold:
    """Return messages, adapter and decoding settings for a host that calls its own model."""
    messages = [message(each) for each in asked.messages]
    found = await call.done(lambda: call.person(user).personalize(messages))
    return PersonalizationTold.of(found)
