"""How much memory the caches of many branches over one long prompt take.

Every tensor of the process is counted once by its storage, before and while branches live.
"""

from __future__ import annotations

import gc
from pathlib import Path

from decoding_models import generator, long_prompt
from report import Figure

from persona_engine.types import Sampling

BRANCHES, PROMPT, SUFFIX = 16, 1_000, 64
QUICK = (4, 200, 4)
MOST = 1.3


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the memory of branches over that of one prompt and as many suffixes.

    Args:
        data: Not read.
        quick: Few branches over a short prompt: a smoke run.
        seed: Of the draws.
    """
    branches, prompt, suffix = QUICK if quick else (BRANCHES, PROMPT, SUFFIX)
    _grown(1, 64, 1, seed)  # what is made once for all is not counted
    whole, read, written = _grown(branches, prompt, suffix, seed)
    needed = (read + written) * _token_bytes()
    return {
        "memory_over_one_prompt": Figure(
            whole / needed,
            "ratio of bytes",
            MOST,
            f"{needed / 2**20:.1f} MiB for {read} tokens of prompt and {written} of replies",
        ),
        "memory_mib": Figure(whole / 2**20, "MiB"),
    }


def _grown(branches: int, prompt: int, suffix: int, seed: int) -> tuple[int, int, int]:
    """Return bytes that living branches hold, tokens of the prompt, and tokens of replies."""
    conversation = long_prompt(prompt, number=seed)
    before = _tensor_bytes()
    living = generator().prefill(conversation, branches=branches, seed=seed)
    for _ in range(suffix):
        living.step(Sampling(max_tokens=suffix))
    held = _tensor_bytes()
    after = sum(size for storage, size in held.items() if storage not in before)
    read = sum(generator().count_tokens(each["content"]) for each in conversation)
    return after, read, sum(living.token_counts)


def _tensor_bytes() -> dict[int, int]:
    """Return the size of every tensor's storage by its address."""
    import torch

    gc.collect()
    found = {}
    for each in gc.get_objects():
        if type(each) is torch.Tensor and each.layout == torch.strided:
            storage = each.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
    return found


def _token_bytes() -> int:
    """Return what the keys and values of one token take in bf16."""
    from decoding_models import rival

    config = rival().network.config
    depth = config.hidden_size // config.num_attention_heads
    return 2 * 2 * config.num_hidden_layers * config.num_key_value_heads * depth
