"""What decoders have in common: begin, climb, stream, end, and write down how they searched.

Public to plugins.
"""

from persona_engine.decoding.conclude import conclude
from persona_engine.decoding.objective import PLAIN_REWARD, Objective
from persona_engine.decoding.outlet import OnText, Outlet, shared_beginning
from persona_engine.decoding.plain_reading import depends_on
from persona_engine.decoding.prefix_value import (
    PrefixValue,
    load_prefix_value,
    prefix_values_root,
)
from persona_engine.decoding.search import SearchLog, decode, note_choice
from persona_engine.decoding.settings import check_setting
from persona_engine.decoding.start import begin, end_biases

__all__ = [
    "PLAIN_REWARD",
    "Objective",
    "OnText",
    "Outlet",
    "PrefixValue",
    "SearchLog",
    "begin",
    "check_setting",
    "conclude",
    "decode",
    "depends_on",
    "end_biases",
    "load_prefix_value",
    "note_choice",
    "prefix_values_root",
    "shared_beginning",
]
