"""What the prefix value head is worth: what beginnings of replies tell of how people like them.

    python tests/benchmarks/bench_prefix_value.py --json [--cache FOLDER] [--quick]

Rolls out the trainer's requests (about a minute of one core each, once; ``--cache`` keeps them),
leaves a fifth of the requests out of each of five fits, and compares with the final reward of the
replies to those, for synthetic people whom the shipped population was not fitted to.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded

import numpy as np
from report import Figure, arguments, finish, say

from persona_engine.decoding import PrefixValue
from persona_engine.generation import local_generator
from persona_engine.interfaces import Generator
from persona_engine.onboarding import load_shipped, question_bank
from persona_engine.onboarding.synthetic_users import draw_tastes, probability_of_high
from persona_engine.plugins import discover
from persona_engine.types import Evidence, FloatArray
from persona_engine.weights import resolve
from persona_token_search.rollouts import Rollouts, roll_out
from persona_token_search.train import PROMPTS, REPLIES, TOKENS, Moments, fit, moments

LENGTHS = (8, 16, 32, 64)
FIRST_BLOCK = 16  # tokens, after which branches are first compared
PEOPLE, ANSWERS, FOLDS = 24, 32, 5


class People:
    """Synthetic people, known by some answers to the bank.

    Args:
        fingerprint: Feature space.
        seed: Draws people and answers; none of the shipped fit.
    """

    def __init__(self, fingerprint: str, *, seed: int) -> None:
        self._model = discover().create("reward_model", "hierarchical")
        shipped = load_shipped("hierarchical", fingerprint)
        assert shipped is not None, "the package ships one for the default feature space"
        self._population = shipped.population
        rng = np.random.default_rng([seed, 99])
        tastes = draw_tastes(PEOPLE, rng=rng)
        likely = probability_of_high(tastes, [str(each.style) for each in question_bank()])
        high, low = shipped.bank.high, shipped.bank.low
        self._posteriors = []
        for person in range(PEOPLE):
            asked = rng.permutation(len(high))[:ANSWERS]
            liked = (rng.random(ANSWERS) < likely[person, asked])[:, None]
            evidence = Evidence(
                np.where(liked, high[asked], low[asked]), np.where(liked, low[asked], high[asked])
            )
            self._posteriors.append(self._model.infer(self._population, evidence))

    def rewards(self, features: FloatArray) -> FloatArray:
        """Return what each person thinks of each reply, ``(U, n)``."""
        return self._model.score(self._population, self._posteriors, features).mean


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Return the mean over people of the correlation over replies of ``(U, n)`` rewards."""
    a, b = (each - each.mean(1, keepdims=True) for each in (a, b))
    norms = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
    return float(((a * b).sum(1) / np.maximum(norms, 1e-12)).mean())


def with_states(features: FloatArray, states: FloatArray) -> FloatArray:
    """Return features whose mean hidden state is another."""
    return np.hstack([states, features[:, states.shape[1] :]]).astype(np.float32)


def judged(rollouts: Rollouts, head: PrefixValue, people: People) -> dict[str, float]:
    """Return correlations over the replies to one request."""
    found = {}
    width = head.into.shape[0]
    for tokens in LENGTHS:
        kept = rollouts.growing(tokens)
        if len(kept) < 5:
            continue
        said, final = rollouts.features[tokens - 1][kept], rollouts.features[-1][kept]
        newest, rest = rollouts.newest(tokens, width), rollouts.rest(tokens, width)
        wanted, follows = people.rewards(final), people.rewards(with_states(said, rest))
        foreseen = head.foresee(said, newest, tokens=tokens)
        for name, features, against in (
            ("whole_without_head", said, wanted),
            ("whole_with_head", foreseen, wanted),
            ("rest_from_token_itself", with_states(said, newest), follows),
            ("rest_from_all_tokens", said, follows),
            ("rest_from_token_by_head", with_states(said, head.rest(newest)), follows),
        ):
            found[f"{name}_{tokens}"] = correlation(people.rewards(features), against)
    return found


def measure(
    generator: Generator, *, prompts: int, replies: int, cache: Path | None, seed: int
) -> dict[str, Figure]:
    """Return the figures."""
    encoder = generator.feature_encoder
    people = People(encoder.fingerprint, seed=seed)
    rolled = []
    for each in roll_out(generator, prompts=prompts, replies=replies, tokens=TOKENS, cache=cache):
        rolled.append(each)
        say(f"rolled out {len(rolled)} of {prompts}")
    parts: list[Moments] = [moments(each, encoder.width - 1) for each in rolled]
    rows = []
    for fold in range(min(FOLDS, prompts)):
        learned = [part for place, part in enumerate(parts) if place % FOLDS != fold]
        head = fit(learned, fingerprint=encoder.fingerprint)
        rows += [judged(each, head, people) for each in rolled[fold::FOLDS]]
    names = dict.fromkeys(name for row in rows for name in row)
    means = {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}
    return {name: figure(name, means) for name in means}


def figure(name: str, means: dict[str, float]) -> Figure:
    """Return one figure; the head must not be worse than doing without, from the first block on."""
    rivals = {"whole_with_head": "whole_without_head"}
    rivals["rest_from_token_by_head"] = "rest_from_token_itself"
    kind, _, tokens = name.rpartition("_")
    if kind not in rivals or int(tokens) < FIRST_BLOCK:
        return Figure(round(means[name], 3), "correlation")
    rival = round(means[f"{rivals[kind]}_{tokens}"], 3)
    return Figure(round(means[name], 3), "correlation", rival, rivals[kind], sense="at least")


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "")
    options.add_argument("--cache", type=Path, help="folder to keep rollouts in")
    asked = options.parse_args()
    prompts, replies = (4, 6) if asked.quick else (PROMPTS, REPLIES)
    generator = local_generator(weights=resolve("smollm2-135m-instruct"))
    figures = measure(
        generator, prompts=prompts, replies=replies, cache=asked.cache, seed=asked.seed
    )
    finish(figures, seed=asked.seed, as_json=asked.json)


if __name__ == "__main__":
    main()
