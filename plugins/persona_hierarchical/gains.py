"""Whether what unseen users gain is more than noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from persona_engine.modelling import Doubles

_LEAST_GAIN = 2e-3  # nats per comparison: less is not worth a worse guess for a stranger


class Gain(NamedTuple):
    """Nats per comparison that users gain.

    Args:
        mean: Over users.
        error: Its standard error.
    """

    mean: float
    error: float

    @property
    def real(self) -> bool:
        """Whether it is more than two standard errors, and worth anything."""
        return self.mean > max(2.0 * self.error, _LEAST_GAIN)


def gain_of(before: Doubles, after: Doubles) -> Gain:
    """Return what users gain whose losses ``(U,)`` were ``before``, and are ``after``."""
    saved = before - after
    return Gain(float(saved.mean()), standard_error(saved))


def standard_error(values: Doubles) -> float:
    """Return the standard error of the mean of ``values (U,)``."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))
