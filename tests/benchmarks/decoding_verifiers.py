"""IFEval's instructions as rewards: the strict share of every decoder at equal compute.

Each prompt is asked as it stands by a user who said its instructions once, as rules; nobody has a
posterior, so that verifiers alone guide the search. Replies are counted as the models wrote them:
editors that put replies right are off.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from decoding_models import GENERATOR, PLUGINS
from instructions_obedience import Prompt, read_prompts
from report import Figure, say

from persona_engine.config import EngineConfig
from persona_engine.engine import PersonaEngine

PROMPTS, MAX_TOKENS, CANDIDATES = 24, 128, 8
QUICK_PROMPTS, QUICK_TOKENS = 1, 8
DECODERS = {
    "best_of_n": {},
    "blockwise": {},
    "token_search": {},
    "logit_arithmetic": {},
}


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the share of prompts whose instructions all hold, by decoder.

    Args:
        data: Folder with ``ifeval.jsonl.gz``; without it nothing is measured.
        quick: One prompt and very short replies: a smoke run.
        seed: Of the sample and every draw.
    """
    path = data / "ifeval.jsonl.gz"
    if not path.is_file():
        return {"verifiers_strict": Figure(False, "not measured", baseline=f"{path} is not there")}
    everything = list(read_prompts(path))
    count = QUICK_PROMPTS if quick else PROMPTS
    chosen = random.Random(seed).sample(everything, count)
    decoders = [each for each in DECODERS if each in PLUGINS.names("decoder")]
    kept: dict[str, list[bool]] = {each: [] for each in decoders}
    seconds = dict.fromkeys(decoders, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(
            database=f"sqlite:///{folder}/persona.db",
            data_folder=folder,
            generator=GENERATOR,
            instruction_verifiers=("constraints",),
        )
        with PersonaEngine(config=config) as engine:
            for number, prompt in enumerate(chosen, 1):
                say(f"  IFEval {number} of {count}: {', '.join(prompt.kinds)}")
                for name in decoders:
                    before = time.process_time()
                    text = _asked(engine, prompt, name, seed, QUICK_TOKENS if quick else MAX_TOKENS)
                    seconds[name] += time.process_time() - before
                    kept[name].append(all(prompt.kept(text)))
    base = sum(kept["best_of_n"]) / count
    figures = {"verifiers_prompts": Figure(count, "prompts")}
    for name in decoders:
        told = f"{seconds[name] / seconds['best_of_n']:.2f}x best-of-n's CPU time"
        goal = None if name == "best_of_n" or quick else base
        figures[f"verifiers_{name}_strict"] = Figure(
            sum(kept[name]) / count, "share of prompts", goal, told, "at least"
        )
    return figures


def _asked(engine: PersonaEngine, prompt: Prompt, decoder: str, seed: int, tokens: int) -> str:
    """Return the best reply in the model's own words."""
    user = engine.user(f"{prompt.key}")
    if not user.instructions():
        for rule in prompt.rules:
            user.instruct(rule, kind="constraint", strength="must")
    reply = user.chat(
        [{"role": "user", "content": prompt.text}],
        seed=seed,
        candidates=CANDIDATES,
        max_tokens=tokens,
        decoding=(decoder, DECODERS[decoder]),
    )
    own = [each for each in reply.trace.candidates if not each.edits]
    return own[0].text
