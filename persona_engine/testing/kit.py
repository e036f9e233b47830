"""How a check runs: on a subject, by name, with an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from persona_engine.errors import ConformanceError, InvalidInputError

SubjectT = TypeVar("SubjectT")
Check = Callable[[SubjectT], None]


class CheckFailedError(AssertionError):
    """What a check raises: what was found, and what the author of the plugin can do about it."""

    def __init__(self, found: str, *, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(found)


@dataclass(frozen=True, slots=True)
class BoundCheck(Generic[SubjectT]):
    """One check, ready to run on one plugin: call it, or give it to ``pytest.mark.parametrize``."""

    name: str
    plugin: str
    check: Check[SubjectT]
    subject: SubjectT

    @property
    def __name__(self) -> str:
        """The name that pytest shows."""
        return f"{self.plugin}-{self.name}"

    def __call__(self) -> None:
        """Run the check.

        Raises:
            ConformanceError: The plugin does not pass; the message names check, plugin and remedy.
        """
        try:
            self.check(self.subject)
        except CheckFailedError as broken:
            raise ConformanceError(
                f"{self.plugin!r} does not pass {self.name!r}: {broken}", remedy=broken.remedy
            ) from broken
        except Exception as error:
            raise ConformanceError(
                f"{self.plugin!r} does not pass {self.name!r}: it raised "
                f"{type(error).__name__}: {error}",
                remedy=(self.check.__doc__ or "see the chained error").splitlines()[0],
            ) from error


def bind(
    catalogue: Mapping[str, Check[SubjectT]],
    subject: SubjectT,
    plugin: str,
    names: Iterable[str] | None,
) -> tuple[BoundCheck[SubjectT], ...]:
    """Return the named checks (all without names), bound to one subject that they share.

    Raises:
        InvalidInputError: There is no check of such a name.
    """
    chosen = tuple(catalogue) if names is None else tuple(names)
    unknown = [name for name in chosen if name not in catalogue]
    if unknown:
        raise InvalidInputError(
            f"there is no check {unknown[0]!r}", remedy=f"choose from {', '.join(catalogue)}"
        )
    return tuple(BoundCheck(name, plugin, catalogue[name], subject) for name in chosen)


def require(holds: bool | np.bool_, found: str, *, remedy: str) -> None:
    """Raise `CheckFailedError` unless the condition holds."""
    if not holds:
        raise CheckFailedError(found, remedy=remedy)


def require_close(
    found: ArrayLike, expected: ArrayLike, what: str, *, remedy: str, tolerance: float = 1e-4
) -> None:
    """Raise unless two arrays agree, up to a share of the largest expected magnitude."""
    left: NDArray[Any] = np.asarray(found, dtype=np.float64)
    right: NDArray[Any] = np.asarray(expected, dtype=np.float64)
    require(
        left.shape == right.shape, f"{what}: shapes {left.shape} and {right.shape}", remedy=remedy
    )
    if left.size == 0:
        return
    gap = float(np.max(np.abs(left - right)))
    limit = tolerance * max(1.0, float(np.max(np.abs(right))))
    require(gap <= limit, f"{what}: they differ by {gap:.3g}, allowed {limit:.3g}", remedy=remedy)


def name_of(factory: Callable[[], object]) -> str:
    """Return what to call the plugin that a factory makes."""
    return str(getattr(factory, "name", None) or getattr(factory, "__name__", None) or factory)
