"""Whether the server lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from persona_engine.server.schemas.health import Health, Readiness

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> Health:
    """Say that the process lives."""
    return Health()


@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(request: Request, response: Response) -> Readiness:
    """Say whether the model is loaded and requests are taken."""
    reason: str | None = request.app.state.unready
    if reason is not None:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return Readiness(ready=reason is None, reason=reason)
