"""An encoder that is made when it is first used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from persona_engine.interfaces import Encoder
from persona_engine.types import Conversation, FloatArray


class LazyEncoder:
    """An encoder whose weights are looked for when it is first used.

    An engine opens, and forgets or exports a user, on a machine that has no weights.
    """

    def __init__(self, make: Callable[[], Encoder]) -> None:
        self._make = make
        self._made: Encoder | None = None
        self._guard = threading.Lock()

    @property
    def _encoder(self) -> Encoder:
        with self._guard:
            if self._made is None:
                self._made = self._make()
            return self._made

    @property
    def fingerprint(self) -> str:
        """Name of the feature space."""
        return self._encoder.fingerprint

    @property
    def width(self) -> int:
        """Number of features."""
        return self._encoder.width

    def encode(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> FloatArray:
        """Return features ``(n, D)``."""
        return self._encoder.encode(prompts, responses)
