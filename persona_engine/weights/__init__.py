"""Model weights: from a name or path to a local folder, checked by SHA-256.

`resolve` finds or fetches, `weights_hash` names the bytes, `verify` looks for damage.
"""

from persona_engine.weights.cache import cache_folder
from persona_engine.weights.known import KNOWN, HubSource, WeightsSpec, WheelSource
from persona_engine.weights.manifest import verify, weights_hash
from persona_engine.weights.resolver import resolve

__all__ = [
    "KNOWN",
    "HubSource",
    "WeightsSpec",
    "WheelSource",
    "cache_folder",
    "resolve",
    "verify",
    "weights_hash",
]
