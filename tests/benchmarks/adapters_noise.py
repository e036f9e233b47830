"""What wrong labels cost: DPO and robust DPO, trained with and without 30% of them turned round.

People of a planted taste group answer half of the question bank, each question once; a share of
the answers is turned round. Judged is the implicit reward on the other half of the questions, where
the group's taste says which reply it prefers: ``python tests/benchmarks/adapters_noise.py --json``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from adapters_population import GROUPS, planted
from report import Figure, arguments, finish, say

from persona_engine.generation import local_generator
from persona_engine.interfaces import AdapterTrainer
from persona_engine.onboarding import question_bank, replies
from persona_engine.types import Conversation, Question, TrainingPair, TrainingTask
from persona_engine.weights import resolve
from persona_lora import Dpo, RobustDpo

NOISE = 0.3
JUDGED = ("playful", "technical")
_SURE = 1.5
"""Logit of a style from which the group's taste is said to be known."""
_SETTINGS: Mapping[str, Any] = {"max_length": 104, "epochs": 3.0, "sft": 0.0, "beta": 0.3}


def measure(_data: Path | None = None, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return what accuracy each method loses by noise; a quick run takes a step for one group."""
    settings = {**_SETTINGS, "steps": 1} if quick else dict(_SETTINGS)
    methods = {"dpo": Dpo(**settings), "robust_dpo": RobustDpo(**settings, noise=NOISE)}
    right: dict[tuple[str, float], list[bool]] = {}
    for group in JUDGED[: 1 if quick else None]:
        questions = _questions(group, seed=seed)
        for name, method in methods.items():
            for noise in (0.0, NOISE):
                found = _judged(method, questions, noise=noise, seed=seed)
                right.setdefault((name, noise), []).extend(found)
                say(f"{group}, {name}, noise {noise}: {np.mean(found):.3f}")
    share = {key: float(np.mean(found)) for key, found in right.items()}
    lost = {name: share[name, 0.0] - share[name, NOISE] for name in methods}
    judged = f"{len(right['dpo', 0.0])} held-out questions"
    figures = {
        f"noise_{name}_{round(100 * noise)}": Figure(share[name, noise], "accuracy", None, judged)
        for name, noise in right
    }
    figures["noise_dpo_lost"] = Figure(lost["dpo"], "accuracy", None, "its run without noise")
    figures["noise_robust_dpo_lost"] = Figure(
        lost["robust_dpo"], "accuracy", max(0.0, lost["dpo"] / 2), "half of what DPO loses"
    )
    return figures


Asked = Sequence[tuple[Question, str, str]]


def _questions(group: str, *, seed: int) -> tuple[Asked, Asked]:
    """Return known and held-out questions on which the group has a say, preferred reply first."""
    people = planted(held_out_share=0.5, seed=seed)
    bank = question_bank()

    def asked(places: Sequence[int]) -> Asked:
        found = []
        for question in (bank[place] for place in places):
            logit = GROUPS[group].get(str(question.style), 0.0)
            if abs(logit) >= _SURE:
                low, high = replies(question)
                found.append((question, *((high, low) if logit > 0 else (low, high))))
        return found

    return asked(people.questions["known"]), asked(people.questions["held_out"])


def _judged(
    method: AdapterTrainer, questions: tuple[Asked, Asked], *, noise: float, seed: int
) -> list[bool]:
    """Train on the known questions; return for each other one whether it is predicted."""
    known, held_out = questions
    turned = np.random.default_rng([seed, 30]).permutation(len(known)) < round(noise * len(known))
    pairs = tuple(
        TrainingPair(_conversation(question), *((b, a) if flip else (a, b)), user=f"user-{n}")
        for n, ((question, a, b), flip) in enumerate(zip(known, turned, strict=True))
    )
    weights = resolve("smollm2-135m-instruct")
    with tempfile.TemporaryDirectory() as folder:
        task = TrainingTask(weights, Path(folder) / "work", pairs, seed=seed)
        trained = method.train(task, progress=_tell)
        generator: Any = local_generator(weights=weights, dtype="float32")
        generator.load_adapter("trained", trained.folder)
    asked = [_conversation(question) for question, _, _ in held_out]
    rewards = []
    for side in (1, 2):
        texts = [each[side] for each in held_out]
        base = generator.log_likelihood(asked, texts)
        rewards.append(generator.log_likelihood(asked, texts, adapter="trained") - base)
    generator.unload_adapter("trained")
    return (rewards[0] > rewards[1]).tolist()


def _conversation(question: Question) -> Conversation:
    return ({"role": "user", "content": question.prompt},)


def _tell(what: str, done: int, total: int) -> None:
    if done % 10 == 0 or done == total:
        say(f"  {what}: {done} of {total}")


def main() -> None:
    """Print the figures."""
    options = arguments(__doc__ or "").parse_args()
    finish(measure(quick=options.quick, seed=options.seed), seed=options.seed, as_json=options.json)


if __name__ == "__main__":
    main()
