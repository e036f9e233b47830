"""The official code of ARGS (Khanov et al. 2024, arXiv 2402.01694), run beside token search.

It is read from a checkout that the caller names (https://github.com/deeplearning-wisc/args) and
left as it is. What transformers dropped since it was written is given back here. Its reward model
has the language model's own weights, as its paper's has its language model's size.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decoding_models import folder, rival
from report import say

from persona_engine.types import Conversation


def official_args(
    checkout: Path | None, conversation: Conversation, *, tokens: int, k: int
) -> Callable[[], object] | None:
    """Return a call that decodes so many tokens with the official code, or None without it."""
    if checkout is None:
        return None
    script = checkout / "argsearch.py"
    if not script.is_file():
        raise SystemExit(f"--args-checkout is {checkout}, expected a folder with argsearch.py")
    spec = importlib.util.spec_from_file_location("argsearch", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    searcher = _made(module)
    ids = rival().ids(conversation)
    searcher.get_input_ids = lambda prompt: ids

    def run() -> None:
        with contextlib.redirect_stdout(sys.stderr):
            found = searcher.generate("", weight=1.0, topk=k, max_new_token=tokens)
        assert found.shape[1] == ids.shape[1] + tokens, found.shape

    return run


def _made(module: Any) -> Any:
    import torch

    say("  the official code of ARGS loads its models")
    with contextlib.redirect_stdout(sys.stderr):
        searcher = module.ARGS(
            str(folder()), str(folder()), llm_dev="cpu", rm_dev="cpu", torch_dtype=torch.bfloat16
        )
    searcher.RM.config.pad_token_id = searcher.tokenizer.eos_token_id

    def reorder(cache: Any, rows: Any) -> Any:
        cache.reorder_cache(rows)
        return cache

    def unread(
        input_ids: Any, attention_mask: Any, past_key_values: Any, use_cache: bool
    ) -> dict[str, Any]:
        read = 0 if past_key_values is None else past_key_values.get_seq_length()
        return {
            "input_ids": input_ids[:, read:],
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
            "use_cache": use_cache,
        }

    searcher.LLM._reorder_cache = reorder
    searcher.LLM.prepare_inputs_for_generation = unread
    return searcher
