"""How many: at least, at most, exactly, between."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval of whole numbers.

    Args:
        least: Smallest number allowed.
        most: Largest number allowed; None for no limit.

    Examples:
        >>> 3 in Bounds(most=3), 3 in Bounds(least=4), str(Bounds(2, 4))
        (True, False, 'between 2 and 4')
    """

    least: int = 0
    most: int | None = None

    def __contains__(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        if self.most == 0:
            return "none"
        if self.least == self.most:
            return f"exactly {self.least}"
        return f"between {self.least} and {self.most}" if self.least else f"at most {self.most}"

    def missing(self, count: int) -> int:
        """Return how many are lacking (above 0) or too many (below 0); 0 within the bounds."""
        if count < self.least:
            return self.least - count
        return min(0, self.most - count) if self.most is not None else 0


NONE = Bounds(0, 0)
SOME = Bounds(1)


def exactly(count: int) -> Bounds:
    """Return the bounds of one number."""
    return Bounds(count, count)
