"""The console's files, as they lie in the package."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "assets"

_PAGES = "pages"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Args:
        content: Its bytes.
        media_type: What it is.
        etag: Changes with its content.
    """

    content: bytes
    media_type: str
    etag: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return every sheet, module and picture by its path; what is not among them is not served."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        name = path.relative_to(FOLDER).as_posix()
        if path.suffix in _TYPES and not name.startswith(_PAGES):
            content = path.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            found[name] = Asset(content, _TYPES[path.suffix], etag)
    return found


@cache
def page(name: str) -> str:
    """Return the markup of a page, or of the shell around pages."""
    return (FOLDER / _PAGES / f"{name}.html").read_text(encoding="utf-8")
