"""Runs a batch of token sequences and averages hidden states over spans of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from persona_engine.generation.loading import LoadedModel
from persona_engine.types import FloatArray


@torch.inference_mode()
def mean_hidden_states(
    model: LoadedModel, layer: int, sequences: Sequence[Sequence[int]], starts: Sequence[int]
) -> FloatArray:
    """Return the mean of one layer's hidden states from each start to each end, ``(B, H)``.

    Nothing above the layer is computed.

    Args:
        model: The network.
        layer: Which layer's output, counted from 1.
        sequences: Token ids, ``B`` sequences of any length.
        starts: First token of each that counts; those before it are context only.
    """
    longest = max(map(len, sequences))
    tokens = torch.zeros((len(sequences), longest), dtype=torch.long)  # (B, T)
    attention = torch.zeros_like(tokens)
    counted = torch.zeros_like(tokens, dtype=torch.float32)
    for row, (sequence, start) in enumerate(zip(sequences, starts, strict=True)):
        tokens[row, : len(sequence)] = torch.tensor(sequence)
        attention[row, : len(sequence)] = 1
        counted[row, start : len(sequence)] = 1.0 / (len(sequence) - start)
    hidden = model.tap(layer).run_up_to_layer(
        model.network,
        input_ids=tokens.to(model.device),
        attention_mask=attention.to(model.device),
    )  # (B, T, H)
    weights = counted.to(model.device)[:, None]  # (B, 1, T)
    means: FloatArray = (weights @ hidden.float())[:, 0].cpu().numpy()
    return means
