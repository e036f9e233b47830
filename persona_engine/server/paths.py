"""Names with slashes in paths: ``/api/v1/users/a%2Fb`` is about the user ``a/b``."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASH = "\x1f"  # stands for it while the path is matched; no name holds a control character
_ENCODED = re.compile(rb"%2[fF]")


class EncodedSlashes:
    """ASGI middleware that keeps an encoded slash from parting a path.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and _ENCODED.search(raw):
            path = _ENCODED.sub(b"%1F", raw.partition(b"?")[0])
            # In place: what stands around this looks for the route, and whom it is about, in there.
            scope["path"] = unquote(path.decode("latin-1"))
        await self._app(scope, receive, send)


def decoded(name: str) -> str:
    r"""Return a name of a path as it was meant.

    Examples:
        >>> decoded("a\x1fb")
        'a/b'
    """
    return name.replace(_SLASH, "/")
