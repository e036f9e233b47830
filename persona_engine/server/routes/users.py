"""People: who there is, what is known of one, to take along and to erase."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from persona_engine.server.asked import AdminCall, FeedbackCall
from persona_engine.server.routes.documented import refusals
from persona_engine.server.schemas.texts import PathName
from persona_engine.server.schemas.users import (
    ComparisonRows,
    Described,
    Description,
    Document,
    Imported,
    Steering,
    Users,
)
from persona_engine.types import Neighbour, Profile, Receipt

router = APIRouter(prefix="/api/v1", tags=["users"])


@router.get("/users", responses=refusals())
async def list_users(
    call: AdminCall,
    containing: Annotated[str, Query(max_length=256)] = "",
    after: Annotated[str, Query(max_length=256)] = "",
    count: Annotated[int, Query(ge=1, le=1_000)] = 50,
) -> Users:
    """List the tenant's users, sorted by name."""
    found = await call.done(
        lambda: call.engine.users(
            containing=containing, after=after, count=count + 1, tenant=call.tenant
        )
    )
    page = list(found[:count])
    return Users(users=page, next=page[-1] if len(found) > count else None)


@router.get("/users/{user}", responses=refusals(404))
async def profile(user: PathName, call: FeedbackCall) -> Profile:
    """Tell what is known of a person."""
    return await call.done(lambda: call.known(user).profile())


@router.delete("/users/{user}", responses=refusals(409))
async def forget(user: PathName, call: AdminCall) -> Receipt:
    """Erase a person, and say what was erased where; repeated, it finds nothing more."""
    return await call.done(lambda: call.person(user).forget())


@router.get("/users/{user}/export", responses=refusals(404))
async def export(user: PathName, call: AdminCall) -> dict[str, Any]:
    """Return everything that is kept about a person."""
    return await call.done(lambda: call.known(user).export())


@router.post("/users/{user}/import", responses=refusals(409))
async def import_person(user: PathName, document: Document, call: AdminCall) -> Imported:
    """Import what an export wrote, all of it or nothing."""
    rows = await call.done(lambda: call.person(user).import_(document.document))
    return Imported(rows=rows)


@router.post("/comparisons", responses=refusals())
async def import_comparisons(asked: ComparisonRows, call: AdminCall) -> Imported:
    """Record comparisons of many users; they are learned from when they are first needed."""
    rows = [each.model_dump() for each in asked.rows]
    count = await call.done(lambda: call.engine.import_comparisons(rows, tenant=call.tenant))
    return Imported(rows=count)


@router.put("/users/{user}/steering", responses=refusals())
async def steer(user: PathName, asked: Steering, call: FeedbackCall) -> dict[str, float]:
    """Set what a person wants of replies by hand, and return all that is set then."""
    return await call.done(lambda: call.person(user).steer(**asked.strengths))


@router.put("/users/{user}/description", responses=refusals(409))
async def describe(user: PathName, asked: Description, call: FeedbackCall) -> Described:
    """Say what is known of a person, so that they need not start from nothing."""
    found = await call.done(
        lambda: call.person(user).cold_start(locale=asked.locale, traits=asked.traits)
    )
    return Described(neighbours=len(found))


@router.get("/users/{user}/neighbours", responses=refusals(404, 409))
async def neighbours(
    user: PathName, call: AdminCall, count: Annotated[int, Query(ge=1, le=100)] = 5
) -> list[Neighbour]:
    """Return the users whose taste is nearest, nearest first."""
    return list(await call.done(lambda: call.known(user).neighbours(count)))
