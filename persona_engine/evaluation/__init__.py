"""Judges reward models on people's own comparisons: ``persona evaluate`` as a library.

Readers give a `Dataset`, encoders or a file give its `Features`, a `Protocol` says how people are
divided, and `evaluate` fits and predicts. Metrics are in `persona_engine.evaluation.metrics`.
"""

from persona_engine.evaluation.archives import read_features
from persona_engine.evaluation.dataset import Comparisons, Dataset, Item
from persona_engine.evaluation.encoders import features_by_name
from persona_engine.evaluation.features import Features, encode
from persona_engine.evaluation.judging import Aids
from persona_engine.evaluation.readers import read_comparisons, read_votes
from persona_engine.evaluation.runner import Outcome, Protocol, evaluate

__all__ = [
    "Aids",
    "Comparisons",
    "Dataset",
    "Features",
    "Item",
    "Outcome",
    "Protocol",
    "encode",
    "evaluate",
    "features_by_name",
    "read_comparisons",
    "read_features",
    "read_votes",
]
