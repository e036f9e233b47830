"""What small learned scorers share: their forward pass in numpy, their file, their encoder.

A scorer reads sentence embeddings and says how probable something is. Weights ship with the package
that learned them; nothing here imports torch.
"""

from persona_engine.scorers.files import check_encoder, read_scorer, write_scorer
from persona_engine.scorers.forward import Networks, unit

__all__ = [
    "Networks",
    "check_encoder",
    "read_scorer",
    "unit",
    "write_scorer",
]
