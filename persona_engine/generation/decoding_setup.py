"""What every batch of branches on one model shares."""

from __future__ import annotations

from dataclasses import dataclass

from persona_engine.generation.layer_tap import LayerTap
from persona_engine.generation.loading import LoadedModel
from persona_engine.generation.shared_steps import SharedSteps


@dataclass(frozen=True, slots=True)
class DecodingSetup:
    """What all branches of one model share.

    Args:
        model: The network and its tokenizer.
        tap: Reads the feature layer.
        hidden_size: Width ``H`` of a hidden state.
        end_tokens: Tokens that end a reply.
        context: Most tokens that the model reads.
        vocabulary: Number of tokens that there are, ``V``.
        length_feature: Whether features end with log(1 + number of tokens).
        steps: Where requests that decode at the same time meet; None where each reads alone.
    """

    model: LoadedModel
    tap: LayerTap
    hidden_size: int
    end_tokens: tuple[int, ...]
    context: int
    vocabulary: int
    length_feature: bool
    steps: SharedSteps | None = None
