"""What is told of an index file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from persona_engine.index.files import Manifest

IndexState = Literal["fresh", "stale", "missing", "damaged"]


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The state of one index file.

    Args:
        state: ``fresh`` matches what was asked for; every other one is rebuilt at the next search.
        path: The file.
        detail: What is wrong, in words; empty when fresh.
        count: Vectors in it, without erased ones; 0 when it cannot be read.
        generation: State of SQL that it was built from, or None when it cannot be read.
        manifest: What the file says of itself, recall among it, or None when it cannot be read.
    """

    state: IndexState
    path: Path
    detail: str = ""
    count: int = 0
    generation: str | None = None
    manifest: Manifest | None = None
