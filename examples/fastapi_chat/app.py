"""A product's chat that gets to know whoever uses it: thumbs, and now and then a choice of two.

pip install 'persona-engine[local,server]'
uvicorn --app-dir examples/fastapi_chat --factory app:create_app
"""

import uuid
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Cookie, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field

from persona_engine import PersonaEngine, PersonaError, User
from persona_engine.errors import InvalidInputError, NotFoundError

PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
CHOOSE_EVERY = 3  # turns, from the first: a choice tells more than a thumb, but too many annoy
routes = APIRouter()


class Turn(BaseModel):
    role: Literal["user", "assistant"]
    content: str = Field(max_length=8_000)


class Chat(BaseModel):
    messages: list[Turn] = Field(min_length=1, max_length=64)


class Feedback(BaseModel):
    reply: str
    rating: Literal[-1, 1] | None = None
    better: str | None = Field(None, max_length=20_000)


def whoever(request: Request, visitor: Annotated[str, Cookie()]) -> User:
    return request.app.state.engine.user(visitor)  # your product knows people by their login


Person = Annotated[User, Depends(whoever)]


@routes.get("/")
def page(visitor: Annotated[str | None, Cookie()] = None) -> HTMLResponse:
    answer, name = HTMLResponse(PAGE), visitor or uuid.uuid4().hex
    answer.set_cookie("visitor", name, max_age=31_536_000, httponly=True, samesite="strict")
    return answer


@routes.post("/chat")
def chat(asked: Chat, person: Person) -> list[dict[str, str]]:
    messages = [turn.model_dump() for turn in asked.messages]
    turns = sum(turn.role == "user" for turn in asked.messages)
    seeds = (turns, turns + 1_000) if turns % CHOOSE_EVERY == 1 else (turns,)
    replies = [person.chat(messages, seed=seed) for seed in seeds]
    return [{"id": each.id, "text": each.text} for each in {r.text: r for r in replies}.values()]


@routes.post("/feedback")
def feedback(given: Feedback, person: Person) -> dict[str, int]:
    return {"learned": len(person.feedback(given.reply, rating=given.rating, better=given.better))}


@routes.get("/why/{reply}")
def why(reply: str, person: Person) -> dict[str, str]:
    return {"text": person.explain(reply).text}


def refused(_: Request, error: PersonaError) -> JSONResponse:
    wrong = {NotFoundError: 404, InvalidInputError: 400}
    code = next((code for kind, code in wrong.items() if isinstance(error, kind)), 503)
    return JSONResponse({"detail": str(error)}, code)


def create_app(engine: PersonaEngine | None = None) -> FastAPI:
    app = FastAPI(title="chat", openapi_url=None, exception_handlers={PersonaError: refused})
    app.state.engine = engine or PersonaEngine()  # its settings stand in PERSONA_… variables
    app.include_router(routes)
    return app
