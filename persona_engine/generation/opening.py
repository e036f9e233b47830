"""How rows begin: their prompts are read, each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from persona_engine.generation.layer_tap import LayerTap
from persona_engine.generation.plain_rows import PlainRows, read_alone
from persona_engine.generation.rows import Asked, Rows, SharedPromptRows

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel
    from persona_engine.generation.shared_steps import SharedSteps


def open_rows(
    model: LoadedModel,
    tap: LayerTap,
    prompts: Sequence[Asked],
    of_row: Sequence[int],
    *,
    steps: SharedSteps | None = None,
) -> tuple[Rows, torch.Tensor]:
    """Read prompts, each once; return rows that continue them, and the logits ``(R, V)``.

    Args:
        model: The network.
        tap: Reads the layer whose hidden states are wanted.
        prompts: Different prompts.
        of_row: The prompt of each row.
        steps: Where the rows meet those of other requests; None for nowhere.
    """
    if not model.shares_prompts:
        read = [read_alone(model, each) for each in prompts]
        logits = torch.stack([each for _, each in read])
        caches, adapters = [cache for cache, _ in read], [each.adapter for each in prompts]
        return PlainRows(model, tap, caches, adapters, of_row=of_row), logits[list(of_row)]
    known = [
        model.prompt_reader.read(
            each.tokens, adapter=each.adapter, turn=None if steps is None else steps.turn
        )
        for each in prompts
    ]
    logits = torch.stack([each.logits for each in known])[list(of_row)]
    rows = SharedPromptRows(model, tap, known, of_row)
    return rows if steps is None else steps.joining(rows), logits
