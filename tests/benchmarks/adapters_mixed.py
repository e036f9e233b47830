"""Serving adapters: a batch whose rows use different ones, and loading one while replies grow.

Sixteen replies to four people, four a person, each person with an adapter of their own; the same
batch without adapters; PEFT's ``adapter_names`` on transformers' `generate`. Whole replies: prompts
are read anew in every round.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from decoding_models import Turn, cpu_in_turns, folder, generator, long_prompt, ratio
from report import Figure, say

from persona_engine.generation import persona_generators
from persona_engine.types import Conversation, Prompt, Reading, Sampling

ROUNDS, TOKENS, PROMPT_TOKENS = 5, 48, 120
QUICK_ROUNDS, QUICK_TOKENS, QUICK_PROMPT = 1, 4, 70
ADAPTERS, ROWS_EACH, RANK = 4, 4, 8
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
TARGETS = {"all_linear": (ALL, 1.2), "q_and_v": (("q_proj", "v_proj"), 1.1)}
LOADS = 9
MOST_LOAD_MS, MOST_PEFT, LOGITS = 50.0, 0.5, 1e-3


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return what mixed batches cost and how they agree with PEFT, and what loading costs.

    Args:
        data: Not read.
        quick: One short round: a smoke run.
        seed: Of the adapters' matrices.
    """
    figures: dict[str, Figure] = {}
    for label, (targets, most) in TARGETS.items():
        say(f"  {label}")
        with TemporaryDirectory() as name:
            peft_model = _write_adapters(Path(name), targets, seed=seed, dtype="bfloat16")
            figures |= _costs(Path(name), peft_model, label, most, quick=quick)
            if label == "all_linear":
                figures |= _loading(Path(name), quick=quick)
                figures |= _agreement(Path(name), targets, seed=seed)
    return figures


def _write_adapters(root: Path, targets: Sequence[str], *, seed: int, dtype: str) -> Any:
    """Write random adapters in PEFT's layout; return PEFT's model with all of them."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_pretrained(folder(), dtype=getattr(torch, dtype))
    draw = torch.Generator().manual_seed(seed)
    config = peft.LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=list(targets))
    with warnings.catch_warnings():
        # PEFT asks transformers for what that will rename.
        warnings.simplefilter("ignore", FutureWarning)
        model = peft.get_peft_model(network, config, adapter_name=_name(0))
        for number in range(1, ADAPTERS):
            model.add_adapter(_name(number), config)
    for name, each in model.named_parameters():
        if "lora_B" in name:
            each.data = (0.02 * torch.randn(each.shape, generator=draw)).to(each.dtype)
    model.save_pretrained(root)
    return model.eval()


def _costs(
    root: Path, peft_model: Any, label: str, most: float, *, quick: bool
) -> dict[str, Figure]:
    tokens = QUICK_TOKENS if quick else TOKENS
    asks = [
        long_prompt(QUICK_PROMPT if quick else PROMPT_TOKENS, number=n) for n in range(ADAPTERS)
    ]
    _load(generator(), root)
    fresh = _Fresh(asks)
    turns: dict[str, Turn] = {
        "plain": lambda _: _reply(fresh(), tokens, adapters=False),
        "mixed": lambda _: _reply(fresh(), tokens, adapters=True),
        "peft": lambda _: _peft_reply(peft_model, fresh(), tokens),
    }
    for turn in turns.values() if not quick else ():
        turn(0)
    costs = cpu_in_turns(turns, rounds=QUICK_ROUNDS if quick else ROUNDS)
    told = ", ".join(f"{name} {median(each):.2f} CPU s" for name, each in costs.items())
    return {
        f"mixed_{label}_over_plain": Figure(
            ratio(costs, "mixed", "plain"), "ratio of CPU time", most, told
        ),
        f"mixed_{label}_over_peft": Figure(
            ratio(costs, "mixed", "peft"), "ratio of CPU time", MOST_PEFT, "PEFT's adapter_names"
        ),
    }


class _Fresh:
    """Prompts with another beginning at each call, so that nothing of them was read before."""

    def __init__(self, asks: Sequence[Conversation]) -> None:
        self._asks = asks
        self._numbers = count(1_000)

    def __call__(self) -> list[Conversation]:
        told = f"Conversation {next(self._numbers)}."
        return [
            [{**system, "content": f"{told} {system['content']}"}, *rest]
            for system, *rest in self._asks
        ]


def _reply(asks: Sequence[Conversation], tokens: int, *, adapters: bool) -> None:
    prompts = [
        Prompt((Reading(ask, adapter=_name(n) if adapters else None),))
        for n, ask in enumerate(asks)
        for _ in range(ROWS_EACH)
    ]
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=tokens)
    branches = generator().prefill_each(prompts, seed=0)
    while not all(branches.step(sampling).finished):
        pass


def _peft_reply(model: Any, asks: Sequence[Conversation], tokens: int) -> None:
    import torch
    from decoding_models import rival

    tokenizer = rival().tokenizer
    tokenizer.padding_side = "left"
    encoded = tokenizer.apply_chat_template(
        [list(ask) for ask in asks for _ in range(ROWS_EACH)],
        add_generation_prompt=True,
        padding=True,
        return_tensors="pt",
        return_dict=True,
    )
    with torch.inference_mode():
        model.generate(
            **encoded,
            adapter_names=[_name(n) for n in range(ADAPTERS) for _ in range(ROWS_EACH)],
            do_sample=True,
            top_k=0,
            max_new_tokens=tokens,
            pad_token_id=tokenizer.eos_token_id,
        )


def _loading(root: Path, *, quick: bool) -> dict[str, Figure]:
    """Return milliseconds to load an adapter, and the longest step beside loads over the usual."""
    loaded: Any = generator()
    size = (root / _name(0) / "adapter_model.safetensors").stat().st_size
    loads = []
    for _ in range(LOADS):
        before = time.perf_counter()
        loaded.load_adapter("another", root / _name(0))
        loads.append(1_000 * (time.perf_counter() - before))
    steps = _steps_beside_loads(loaded, root, tokens=8 if quick else TOKENS)
    return {
        "load_ms": Figure(
            median(loads), f"ms for {size / 1e6:.1f} MB", None if quick else MOST_LOAD_MS
        ),
        "pause_while_loading": Figure(
            steps["longest"] - steps["usual"],
            "ms beyond a usual step",
            None if quick else steps["usual"],
            f"a usual step: {steps['usual']:.1f} ms",
        ),
    }


def _steps_beside_loads(loaded: Any, root: Path, *, tokens: int) -> dict[str, float]:
    """Return a usual step's and the longest step's milliseconds while another thread loads."""
    import threading

    asks = [long_prompt(QUICK_PROMPT, number=n) for n in range(ADAPTERS)]
    prompts = [Prompt((Reading(ask, adapter=_name(n)),)) for n, ask in enumerate(asks)]
    branches = loaded.prefill_each(prompts * ROWS_EACH, seed=0)
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=2 * tokens)
    quiet = [_step_ms(branches, sampling) for _ in range(tokens)]
    stop = threading.Event()

    def keep_loading() -> None:
        while not stop.is_set():
            loaded.load_adapter("another", root / _name(1))
            stop.wait(0.2)

    thread = threading.Thread(target=keep_loading)
    thread.start()
    try:
        beside = [_step_ms(branches, sampling) for _ in range(tokens)]
    finally:
        stop.set()
        thread.join()
    return {"usual": median(quiet), "longest": float(np.percentile(beside, 95))}


def _step_ms(branches: Any, sampling: Sampling) -> float:
    before = time.perf_counter()
    branches.step(sampling)
    return 1_000 * (time.perf_counter() - before)


def _agreement(root: Path, targets: Sequence[str], *, seed: int) -> dict[str, Figure]:
    """Return the greatest difference from PEFT's log-probabilities in float32, rows mixed."""
    import torch
    from decoding_models import rival

    exact = persona_generators()["local"](weights=folder(), dtype="float32")
    model = _write_adapters(root / "exact", targets, seed=seed, dtype="float32")
    _load(exact, root / "exact")  # the others' matrices were drawn in bfloat16
    ask = long_prompt(QUICK_PROMPT)
    prompts = [Prompt((Reading(ask, adapter=_name(n)),)) for n in range(ADAPTERS)]
    branches = exact.prefill_each(prompts, seed=0)
    branches.append([500] * ADAPTERS, Sampling(max_tokens=8))
    ids = rival().ids(ask)
    ids = torch.cat([ids, torch.tensor([[500]])], 1).expand(ADAPTERS, -1)
    with torch.inference_mode():
        logits = model(ids, adapter_names=[_name(n) for n in range(ADAPTERS)]).logits[:, -1]
    theirs = logits.log_softmax(-1).numpy()
    gap = float(np.abs(branches.next_log_probs() - theirs).max())
    return {"mixed_logits_gap": Figure(gap, "greatest difference in nats, float32", LOGITS)}


def _load(into: Any, root: Path) -> None:
    for number in range(ADAPTERS):
        into.load_adapter(_name(number), root / _name(number))


def _name(number: int) -> str:
    return f"adapter-{number}"
