"""Whether a network's branches can share their prompt: tried once, on the network itself."""

from __future__ import annotations

from typing import Any

import torch

from persona_engine.generation.attention import reading
from persona_engine.generation.key_values import BranchCache, ReadPrompt

_TRIED = 8  # tokens
_CLOSE = 0.3  # of the logits' spread: bfloat16 gives up to half of that, another text more than all


@torch.inference_mode()
def can_share_prompts(network: Any) -> bool:  # noqa: ANN401  # a transformers model
    """Return whether tokens read after a shared prompt get the logits that they get in one text.

    Architectures differ in what they do to keys and values (windows, softcaps, recurrent layers,
    biases by distance); one that this attention does not know gives other numbers, or fails.
    """
    if getattr(network.config, "_attn_implementation", None) != "persona_branches":
        return False
    device = next(network.parameters()).device
    tokens = torch.arange(1, _TRIED + 1, device=device)[None] % network.config.vocab_size
    try:
        whole = network(tokens).logits[0, -2:].float()
        apart = _apart(network, tokens).float()
    except Exception:  # whatever an architecture raises that cannot do it
        return False
    return bool((whole - apart).std() <= _CLOSE * whole.std())


def _apart(network: Any, tokens: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    """Return the logits ``(2, V)`` of the last two tokens, read after the others as a prompt."""
    from transformers import DynamicCache

    before: Any = DynamicCache(config=network.config)
    first = network(tokens[:, :-2], past_key_values=before, use_cache=True)
    if any(getattr(layer, "is_sliding", True) for layer in before.layers):
        raise ValueError("a sliding window forgets a part of the prompt")
    layers = tuple((layer.keys, layer.values) for layer in before.layers)
    prompt = ReadPrompt(tuple(tokens[0, :-2].tolist()), layers, first.logits[0, -1])
    cache = BranchCache([prompt], [0])
    found = []
    for position in (_TRIED - 2, _TRIED - 1):
        with reading(cache):
            output = network(
                tokens[:, position : position + 1],
                position_ids=torch.tensor([[position]], device=tokens.device),
                attention_mask=torch.ones((1, 1, 1, 1), dtype=torch.bool, device=tokens.device),
                past_key_values=cache,
                use_cache=True,
            )
        cache.advance()
        found.append(output.logits[0, -1])
    return torch.stack(found)
