"""Short-lived tokens that let one user's browser answer questions, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Sitting:
    """What a token allows.

    Args:
        tenant: Whose user.
        user: Who may answer.
        key_id: The key that it was made with; a token ends with it.
        questions: How many may be asked.
        begins: Seconds since 1970.
        ends: Likewise.
    """

    tenant: str
    user: str
    key_id: str
    questions: int
    begins: float
    ends: float

    def token(self, secret: bytes) -> str:
        """Return it as a token, signed with HMAC-SHA256."""
        content = _text(json.dumps(asdict(self)).encode())
        return f"{content}.{_text(_signature(content, secret))}"

    @classmethod
    def of(cls, token: str, secret: bytes, *, now: float) -> Self | None:
        """Return what a token allows, or None for one that is forged, damaged or over.

        Examples:
            >>> sitting = Sitting("t", "u", "k", 4, 0.0, 60.0)
            >>> Sitting.of(sitting.token(b"s"), b"s", now=59.0) == sitting
            True
            >>> Sitting.of(sitting.token(b"s"), b"s", now=60.0) is None
            True
            >>> Sitting.of(sitting.token(b"s"), b"other", now=0.0) is None
            True
        """
        content, _, signature = token.partition(".")
        if not token.isascii():
            return None
        expected = _text(_signature(content, secret))
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return None
        found = cls(**json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))))
        return found if now < found.ends else None


def _signature(content: str, secret: bytes) -> bytes:
    return hmac.new(secret, b"persona-onboarding\0" + content.encode(), hashlib.sha256).digest()


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
