"""What the engine tells of its own work: spans, counts and times, to whoever observes it.

Nobody observes unless a host asks for it with `PersonaEngine.observe`. No text, no user and no
tenant is ever told, but for the tenant of a whole reply.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Attribute = str | int | float | bool


class Observer(Protocol):
    """Hears of every step, from any thread; it must be quick and must not raise.

    Steps are ``reply``, ``personalize`` and ``rank``, whole; in them ``profile``, ``encode``,
    ``select``, ``posterior``, ``route``, ``decode``, ``reward``, ``verify`` and ``store``; and
    wherever they occur ``features``, ``learn`` and ``database``. Counts are ``replies``, ``tokens``
    and ``comparisons``. A server adds its own.
    """

    def span(self, step: str, **attributes: Attribute) -> AbstractContextManager[object]:
        """Return what is entered when a step begins and left when it ends, in the same thread."""

    def took(self, step: str, seconds: float, **attributes: Attribute) -> None:
        """Hear of a step that ended just now, or of one done piece by piece: what it took in all.

        Args:
            step: Its name.
            seconds: Wall time.
            attributes: Further facts, of few possible values each.
        """

    def count(self, what: str, amount: float = 1, **attributes: Attribute) -> None:
        """Hear that something happened."""


class _NoSpan:
    """A span that nobody sees."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


_NO_SPAN = _NoSpan()


class Silent:
    """Hears nothing.

    Examples:
        >>> with Silent().span("select"):
        ...     Silent().count("replies")
    """

    def span(self, step: str, **attributes: Attribute) -> AbstractContextManager[object]:  # noqa: ARG002
        """Return a span that nobody sees."""
        return _NO_SPAN

    def took(self, step: str, seconds: float, **attributes: Attribute) -> None:
        """Do nothing."""

    def count(self, what: str, amount: float = 1, **attributes: Attribute) -> None:
        """Do nothing."""


SILENT = Silent()


class Observation:
    """Where an engine's parts tell what they do; passes it on to the observer there is.

    Its parts are made once, an observer may come later: this stands between them.

    Examples:
        >>> observation = Observation()
        >>> observation.on
        False
    """

    span: Callable[..., AbstractContextManager[object]]
    took: Callable[..., None]
    count: Callable[..., None]

    def __init__(self) -> None:
        self.passes_to(SILENT)

    @property
    def on(self) -> bool:
        """Whether anybody observes."""
        return self._observer is not SILENT

    def passes_to(self, observer: Observer) -> None:
        """Tell this observer from now on."""
        self._observer = observer
        # The observer's own methods: a step that nobody hears of costs one call.
        self.span, self.took, self.count = observer.span, observer.took, observer.count
