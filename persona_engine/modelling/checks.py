"""What every reward model checks of its settings and of what it is given."""

from __future__ import annotations

from persona_engine.errors import FingerprintMismatchError, InvalidInputError
from persona_engine.types import FloatArray, Population


def require_fit(population: Population, reward_model: str) -> None:
    """Raise unless a population was fitted by this reward model.

    Raises:
        FingerprintMismatchError: Another one fitted it.
    """
    if population.reward_model != reward_model:
        raise FingerprintMismatchError(
            f"the population was fitted by {population.reward_model!r}, expected {reward_model!r}",
            remedy="use the reward model that fitted it, or fit again",
        )


def require_width(features: FloatArray, width: int) -> None:
    """Raise unless features have the shape ``(n, width)``.

    Raises:
        InvalidInputError: They have another one.
    """
    if features.ndim != 2 or features.shape[1] != width:
        raise InvalidInputError(
            f"features have shape {features.shape}, the population expects (n, {width})",
            remedy="encode with the encoder that the population was fitted on",
        )


def require_at_least(least: int, **settings: int) -> None:
    """Raise unless each setting, passed by its name, is ``least`` or more.

    Raises:
        InvalidInputError: One is less.

    Examples:
        >>> require_at_least(2, folds=3)
    """
    for name, value in settings.items():
        if value < least:
            raise InvalidInputError(f"{name} is {value}, expected at least {least}")


def require_share(**settings: float) -> None:
    """Raise unless each setting, passed by its name, is above 0 and at most 1.

    Raises:
        InvalidInputError: One is not.

    Examples:
        >>> require_share(keep=0.999)
    """
    for name, value in settings.items():
        if not 0.0 < value <= 1.0:
            raise InvalidInputError(f"{name} is {value}, expected a share in (0, 1]")
