"""Replies of the base model itself, drawn once for all runs of a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from persona_engine.interfaces import Progress
from persona_engine.types import Conversation
from persona_lora.files import remember, remembered
from persona_lora.reading import Reader
from persona_lora.scoring import autocast, base_model

_ROWS_AT_ONCE = 32


def samples(
    reader: Reader,
    prompts: Sequence[Conversation],
    *,
    each: int,
    tokens: int,
    temperature: float,
    seed: int,
    path: Path,
    progress: Progress,
) -> list[list[str]]:
    """Return some replies to each prompt; what is drawn is kept in a file as it comes.

    Args:
        reader: Whose network answers, without its adapter.
        prompts: What is answered.
        each: Replies to a prompt.
        tokens: Longest reply.
        temperature: How freely they are drawn.
        seed: Decides them.
        path: Where they are kept.
        progress: Told of prompts.
    """
    drawn: list[list[str]] = remembered(path) or []
    at_once = max(1, _ROWS_AT_ONCE // each)
    while len(drawn) < len(prompts):
        progress("sampling", len(drawn), len(prompts))
        torch.manual_seed((seed * 1_000_003 + len(drawn)) % 2**63)
        some = prompts[len(drawn) : len(drawn) + at_once]
        drawn += _replies(reader, some, each=each, tokens=tokens, temperature=temperature)
        remember(path, drawn)
    progress("sampling", len(prompts), len(prompts))
    return drawn


def _replies(
    reader: Reader,
    prompts: Sequence[Conversation],
    *,
    each: int,
    tokens: int,
    temperature: float,
) -> list[list[str]]:
    network, tokenizer = reader.network, reader.tokenizer
    ids = [reader.prompt(prompt) for prompt in prompts]
    width = max(map(len, ids))
    padded = [[tokenizer.pad_token_id] * (width - len(row)) + row for row in ids]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in ids]
    with base_model(network), autocast(network):
        grown = network.generate(
            input_ids=torch.tensor(padded, device=network.device),
            attention_mask=torch.tensor(mask, device=network.device),
            do_sample=True,
            temperature=temperature,
            top_k=0,
            top_p=0.95,
            max_new_tokens=tokens,
            num_return_sequences=each,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            use_cache=True,
        )
    texts = tokenizer.batch_decode(grown[:, width:], skip_special_tokens=True)
    return [texts[start : start + each] for start in range(0, len(texts), each)]
