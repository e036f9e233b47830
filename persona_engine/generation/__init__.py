"""Language models that continue conversations, on local weights.

Importing this package loads neither torch nor transformers; neither does making a generator. They
are loaded when the first conversation is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from persona_engine.hookspecs import hookimpl

if TYPE_CHECKING:
    from persona_engine.generation.model import Dtype
    from persona_engine.interfaces import Generator


def local_generator(
    *,
    weights: Path,
    layer_fraction: float = 0.8,
    length_feature: bool = True,
    device: str | None = None,
    dtype: Dtype = "bfloat16",
    max_batch_tokens: int = 4096,
) -> Generator:
    """Return a generator on a local model folder; see `persona_engine.generation.local`."""
    from persona_engine.generation.local import LocalGenerator
    from persona_engine.generation.model import shared_model

    return LocalGenerator(
        shared_model(weights, device=device, dtype=dtype, kind="causal"),
        layer_fraction=layer_fraction,
        length_feature=length_feature,
        max_batch_tokens=max_batch_tokens,
    )


@hookimpl
def persona_generators() -> Mapping[str, Callable[..., Generator]]:
    """Register ``local``: a causal language model in a local folder."""
    return {"local": local_generator}
