"""Encoders: texts to features.

``hidden-state`` reads the generator's own hidden states and is the default. ``sentence`` embeds a
text without its prompt; it serves instructions, retrieval, and hosts whose model runs elsewhere.
Importing this package, making an encoder, and reading its fingerprint or width load no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from persona_engine.hookspecs import hookimpl

if TYPE_CHECKING:
    from persona_engine.generation.model import Dtype
    from persona_engine.interfaces import Encoder


def hidden_state_encoder(
    *,
    weights: Path,
    layer_fraction: float = 0.8,
    length_feature: bool = True,
    device: str | None = None,
    dtype: Dtype = "bfloat16",
    max_batch_tokens: int = 4096,
) -> Encoder:
    """Return the encoder of `persona_engine.encoders.hidden_state` on a local model folder."""
    from persona_engine.encoders.hidden_state import HiddenStateEncoder
    from persona_engine.generation.model import shared_model

    return HiddenStateEncoder(
        shared_model(weights, device=device, dtype=dtype, kind="causal"),
        layer_fraction=layer_fraction,
        length_feature=length_feature,
        max_batch_tokens=max_batch_tokens,
    )


def sentence_encoder(
    *,
    weights: Path,
    device: str | None = None,
    dtype: Dtype = "float32",
    max_batch_tokens: int = 4096,
) -> Encoder:
    """Return the encoder of `persona_engine.encoders.sentence` on a local model folder."""
    from persona_engine.encoders.sentence import SentenceEncoder
    from persona_engine.generation.model import shared_model

    return SentenceEncoder(
        shared_model(weights, device=device, dtype=dtype, kind="bidirectional"),
        max_batch_tokens=max_batch_tokens,
    )


@hookimpl
def persona_encoders() -> Mapping[str, Callable[..., Encoder]]:
    """Register ``hidden-state`` and ``sentence``."""
    return {"hidden-state": hidden_state_encoder, "sentence": sentence_encoder}
