"""What decoders have in common: how they begin, what they climb, what they stream, how they end.

Public to plugins.
"""

from persona_engine.decoding.conclude import Grown, conclude
from persona_engine.decoding.objective import PLAIN_REWARD, Objective
from persona_engine.decoding.outlet import OnText, Outlet, shared_beginning
from persona_engine.decoding.start import begin, end_biases

__all__ = [
    "PLAIN_REWARD",
    "Grown",
    "Objective",
    "OnText",
    "Outlet",
    "begin",
    "conclude",
    "end_biases",
    "shared_beginning",
]
