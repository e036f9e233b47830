"""Whether a network's branches can share their prompt: tried once, on the network itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from persona_engine.generation.prompts import PromptReader
from persona_engine.generation.rows import SharedPromptRows

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel

_TRIED = 8  # tokens
_CLOSE = 0.3  # of the logits' spread: bfloat16 gives up to half of that, another text more than all


@torch.inference_mode()
def can_share_prompts(model: LoadedModel) -> bool:
    """Return whether tokens read after a shared prompt get the logits that they get in one text.

    Architectures differ in what they do to keys and values (windows, softcaps, recurrent layers,
    biases by distance); one that this attention does not know gives other numbers, or fails.
    """
    network: Any = model.network
    if getattr(network.config, "_attn_implementation", None) != "persona_branches":
        return False
    tokens = [token % model.vocabulary for token in range(1, _TRIED + 1)]
    try:
        if _has_windows(network):
            return False
        whole = network(torch.tensor([tokens], device=model.device)).logits[0, -3:].float()
        apart = _apart(model, tokens).float()
    except Exception:  # whatever an architecture raises that cannot do it
        return False
    return bool((whole - apart).std() <= _CLOSE * whole.std())


def _has_windows(network: Any) -> bool:  # noqa: ANN401  # a transformers model
    from transformers import DynamicCache

    layers = DynamicCache(config=network.config).layers
    return any(getattr(layer, "is_sliding", True) for layer in layers)


def _apart(model: LoadedModel, tokens: list[int]) -> torch.Tensor:
    """Return the logits ``(3, V)`` after the last three tokens, the others read as a prompt."""
    prompt = PromptReader(model, most_bytes=0).read(tokens[:-2])
    rows = SharedPromptRows(model, model.tap(1), [prompt], [0])
    after = [rows.read([[token]])[0][0, 0] for token in tokens[-2:]]
    return torch.stack([prompt.logits, *after])
