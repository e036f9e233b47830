"""Logit arithmetic: steering by sums of differences of log-probabilities."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Decoder
from persona_logit_arithmetic.arithmetic import Contrast, combined_readings
from persona_logit_arithmetic.decoder import LogitArithmetic
from persona_logit_arithmetic.implicit import ImplicitReward, likelihood_after

__all__ = [
    "Contrast",
    "ImplicitReward",
    "LogitArithmetic",
    "combined_readings",
    "likelihood_after",
]


@hookimpl
def persona_decoders() -> Mapping[str, Callable[..., Decoder]]:
    """Register ``logit_arithmetic``."""
    return {LogitArithmetic.name: LogitArithmetic}
