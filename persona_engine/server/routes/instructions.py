"""What people want from now on: said, revised, retracted, undone; and what was heard of it."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from persona_engine.server.asked import FeedbackCall
from persona_engine.server.conversations import message
from persona_engine.server.routes.documented import refusals
from persona_engine.server.schemas.instructions import NewInstruction, OtherWords
from persona_engine.server.schemas.preferences import Messages
from persona_engine.server.schemas.texts import PathName
from persona_engine.server.schemas.told import HeardTold
from persona_engine.types import Instruction

router = APIRouter(prefix="/api/v1/users/{user}", tags=["instructions"])

Which = Literal["active", "suggested", "all"]


@router.get("/instructions", responses=refusals(404))
async def instructions(
    user: PathName, call: FeedbackCall, which: Which = "active"
) -> list[Instruction]:
    """List what is in force, what waits for acceptance, or all with its history."""
    return list(await call.done(lambda: _listed(call, user, which)))


@router.post("/instructions", status_code=201, responses=refusals(409))
async def instruct(user: PathName, asked: NewInstruction, call: FeedbackCall) -> Instruction:
    """Keep what a person wants, and return what is in force: this, or what said it already."""
    given = asked.model_dump(exclude={"text"})
    return await call.done(lambda: call.person(user).instruct(asked.text, **given))


@router.post("/instructions/{instruction}/revise", responses=refusals(404, 409))
async def revise(
    user: PathName, instruction: PathName, asked: OtherWords, call: FeedbackCall
) -> Instruction:
    """Put other words in its place; the old ones stay in the history."""
    return await call.done(lambda: call.known(user).revise(instruction, asked.text))


@router.post("/instructions/{instruction}/retract", responses=refusals(404, 409))
async def retract(user: PathName, instruction: PathName, call: FeedbackCall) -> Instruction:
    """Take it back, or dismiss a suggested one; it stays in the history."""
    return await call.done(lambda: call.known(user).retract(instruction))


@router.post("/instructions/{instruction}/undo", responses=refusals(404, 409))
async def undo(user: PathName, instruction: PathName, call: FeedbackCall) -> list[Instruction]:
    """Undo what last happened to it, and return all that changed."""
    return list(await call.done(lambda: call.known(user).undo(instruction)))


@router.post("/instructions/{instruction}/accept", responses=refusals(404, 409))
async def accept(user: PathName, instruction: PathName, call: FeedbackCall) -> Instruction:
    """Put a suggested one in force."""
    return await call.done(lambda: call.known(user).accept(instruction))


@router.post("/listen", responses=refusals(409))
async def listen(user: PathName, asked: Messages, call: FeedbackCall) -> HeardTold:
    """Read wishes and reactions from a conversation, and keep them."""
    messages = [message(each) for each in asked.messages]
    return HeardTold.of(await call.done(lambda: call.person(user).listen(messages)))


@router.post("/induce", responses=refusals(404))
async def induce(user: PathName, call: FeedbackCall) -> list[Instruction]:
    """Look for rules that explain a person's choices, and suggest them."""
    return list(await call.done(lambda: call.known(user).induce()))


def _listed(call: FeedbackCall, user: str, which: Which) -> tuple[Instruction, ...]:
    person = call.known(user)
    if which == "active":
        return person.instructions()
    return person.suggestions() if which == "suggested" else person.history()
