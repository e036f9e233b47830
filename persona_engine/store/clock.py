"""Time as the store keeps it: microseconds since 1970 UTC in SQL, aware datetimes outside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from persona_engine.errors import InvalidInputError

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def to_micros(moment: datetime) -> int:
    """Return microseconds since 1970 UTC.

    Raises:
        InvalidInputError: ``moment`` has no time zone.

    Examples:
        >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
        1000000
    """
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidInputError(
            f"time is {moment!r}, expected an aware datetime",
            remedy="use datetime.now(timezone.utc)",
        )
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware datetime of microseconds since 1970 UTC."""
    return _EPOCH + timedelta(0, 0, micros)  # by position: every row has some
