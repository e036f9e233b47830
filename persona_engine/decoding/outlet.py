"""Passes on text as soon as no choice can change it any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

OnText = Callable[[str], None]


class Outlet:
    """Passes on each piece of text once, as soon as it cannot change any more.

    A token that settles nothing passes on an empty piece, where a reader who left can end decoding.

    Args:
        on_text: Takes the pieces; None for a reply that nobody reads as it grows.
        early: Whether what all texts begin with is passed on as they grow; not where the text may
            be mended at the end.
    """

    def __init__(self, on_text: OnText | None, *, early: bool = True) -> None:
        self._on_text = on_text
        self._early = early
        self._sent = 0

    def settle(self, text: str) -> None:
        """Pass on what of a text has not been passed on yet."""
        if self._on_text is not None:
            self._on_text(text[self._sent :])
            self._sent = max(self._sent, len(text))

    def settle_shared(self, texts: Sequence[str]) -> None:
        """Pass on what all texts begin with: whichever is chosen, that stays."""
        self.settle(shared_beginning(texts) if self._early else "")


def shared_beginning(texts: Sequence[str]) -> str:
    """Return what all texts begin with.

    Examples:
        >>> shared_beginning(["The way home", "The way there", "The war"])
        'The wa'
    """
    # What the first and the last in sorted order share, all between them share.
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((i for i, (a, b) in pairs if a != b), len(first))]
