"""How middleware refuses a request: in the same words as routes do."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from persona_engine.errors import PersonaError
from persona_engine.server.problems import Problem, RefusedError, answered, problem_of

REFUSALS = (RefusedError, PersonaError)
"""What middleware catches, to answer with a problem."""


async def refuse(
    scope: Scope, receive: Receive, send: Send, problem: Problem | BaseException
) -> None:
    """Answer with a problem."""
    told = problem if isinstance(problem, Problem) else problem_of(problem)
    await answered(Request(scope), told)(scope, receive, send)
