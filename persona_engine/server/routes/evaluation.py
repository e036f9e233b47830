"""How well methods predict people: what `persona evaluate` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from persona_engine.errors import ArtefactError, NotFoundError
from persona_engine.server.asked import AdminCall, AskedSettings
from persona_engine.server.routes.documented import refusals

router = APIRouter(prefix="/api/v1", tags=["evaluation"])


@router.get("/evaluation", responses=refusals(404, 409))
async def evaluation(settings: AskedSettings, call: AdminCall) -> dict[str, Any]:
    """Return the report that the server was set up to show, as `persona evaluate` wrote it."""
    return await call.done(lambda: read_report(settings.evaluation))


def read_report(path: Path | None) -> dict[str, Any]:
    """Return the report of a file.

    Raises:
        NotFoundError: None is configured, or there is none yet.
        ArtefactError: The file holds no report.
    """
    if path is None or not path.is_file():
        raise NotFoundError(
            "there is no evaluation report",
            remedy="run `persona evaluate --out FOLDER`, and set PERSONA_SERVER_EVALUATION to its "
            "results.json",
        )
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"the evaluation report cannot be read: {error}") from error
    if not isinstance(report, dict):
        raise ArtefactError("the evaluation report is no JSON object")
    return report
