"""What decoders have in common: begin, climb, stream, end, and write down how they searched.

Public to plugins.
"""

from persona_engine.decoding.conclude import conclude
from persona_engine.decoding.objective import PLAIN_REWARD, Objective
from persona_engine.decoding.outlet import OnText, Outlet, shared_beginning
from persona_engine.decoding.search import SearchLog, decode, note_choice
from persona_engine.decoding.start import begin, end_biases

__all__ = [
    "PLAIN_REWARD",
    "Objective",
    "OnText",
    "Outlet",
    "SearchLog",
    "begin",
    "conclude",
    "decode",
    "end_biases",
    "note_choice",
    "shared_beginning",
]
