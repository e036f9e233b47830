"""How probable given texts are as replies to given conversations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from persona_engine.encoders.batching import batches_by_length
from persona_engine.generation.loading import LoadedModel
from persona_engine.generation.mixing import Adapter
from persona_engine.generation.projections import changed_by
from persona_engine.types import FloatArray

_MOST_TOKENS = 1024  # of replies read at once: each has a logit for every word of the vocabulary


@torch.inference_mode()
def log_likelihoods(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    *,
    adapter: Adapter | None = None,
) -> FloatArray:
    """Return ``Σ_t log π(y_t | x, y_<t)`` of each reply's tokens after its prompt's, ``(n,)``.

    A prompt that several replies follow is read once. The end of the reply is not counted.

    Args:
        model: The network.
        prompts: Token ids, at least one each.
        replies: Token ids, at least one each.
        adapter: What changes the network; None for the network as it is.
    """
    result = np.zeros(len(replies), np.float32)
    together: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, prompt in enumerate(prompts):
        together[tuple(prompt)].append(row)
    for prompt, rows in together.items():
        for batch in batches_by_length(
            [len(replies[row]) for row in rows], max_tokens=_MOST_TOKENS
        ):
            chosen = [rows[place] for place in batch]
            some = [replies[row] for row in chosen]
            result[chosen] = _after_prompt(model, prompt, some, adapter)
    return result


def _after_prompt(
    model: LoadedModel,
    prompt: Sequence[int],
    replies: Sequence[Sequence[int]],
    adapter: Adapter | None,
) -> FloatArray:
    """Return the log-likelihoods ``(B,)`` of replies after one prompt.

    Replies are padded at the end, where causal attention keeps padding out of what counts.
    """
    from transformers import DynamicCache

    network: Any = model.network
    cache: Any = DynamicCache(config=network.config)
    told: Mapping[str, Any] = {"past_key_values": cache, "use_cache": True}
    with changed_by(model.adapters.mix([adapter])):
        first = network(_tensor([prompt], model), **told, logits_to_keep=1).logits  # (1, 1, V)
    cache.batch_repeat_interleave(len(replies))
    longest = max(map(len, replies))
    tokens = _tensor([[*each, *[0] * (longest - len(each))] for each in replies], model)  # (B, T)
    logits = first.expand(len(replies), -1, -1)
    if longest > 1:
        with changed_by(model.adapters.mix([adapter] * len(replies))):
            further = network(tokens[:, :-1], **told).logits
        logits = torch.cat([logits, further], dim=1)  # (B, T, V)
    chosen = logits.gather(-1, tokens[..., None])[..., 0].float()
    log_probs = chosen - torch.stack([each.float().logsumexp(-1) for each in logits])  # (B, T)
    lengths = torch.tensor([len(each) for each in replies], device=model.device)
    counted = torch.arange(longest, device=model.device) < lengths[:, None]
    total: FloatArray = log_probs.where(counted, 0.0).sum(-1).cpu().numpy()
    return total


def _tensor(rows: Sequence[Sequence[int]], model: LoadedModel) -> torch.Tensor:
    return torch.tensor([list(row) for row in rows], device=model.device)
