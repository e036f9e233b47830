"""Whether scores read while decoding rank candidates as those of texts encoded afterwards do.

While decoding, a text follows the prompt as it was sent, with a block of instructions in it, or is
read with an adapter; rewards were learned on replies to plain prompts by the base model. Rewards
are the engine's, of people who answered questions. Candidates are 12 samples of one prompt;
Spearman's rank correlation is taken for each prompt and person, and averaged. With a block or an
adapter, decoders end by encoding the best candidates again
(`persona_engine.decoding.plain_reading`): what then counts is by how much the candidate that they
choose falls short of the one that all encoded plainly would have chosen.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from decoding_adapter import TRAINED, train_adapter
from decoding_models import GENERATOR, generator
from decoding_people import people
from report import Figure, say

from persona_engine.belief import Belief
from persona_engine.config import EngineConfig
from persona_engine.decoding import Objective
from persona_engine.decoding.plain_reading import read_plainly
from persona_engine.engine import PersonaEngine
from persona_engine.instructions.render import render_instructions
from persona_engine.onboarding import question_bank
from persona_engine.types import (
    Conversation,
    FloatArray,
    Instruction,
    Prompt,
    Reading,
    Sampling,
)

SAMPLES, MAX_TOKENS, PEOPLE, PROMPTS = 12, 64, 4, 8
QUICK = (4, 8, 2, 1)
INSTRUCTIONS = (
    "Answer in British English.",
    "I am vegan: no meat, fish, eggs or dairy in recipes.",
    "Keep paragraphs short.",
)
LEAST, MOST_LOST = 0.95, 0.05


@dataclass(frozen=True)
class Grown:
    """Finished candidates as decoders hand them to `read_plainly`.

    Args:
        plain: The conversation without the block.
        texts: What they say.
        read: Features ``(n, D)`` as decoding reads them.
        again: Features of the texts, encoded as replies to the plain conversation.
        log_probs: Of the candidates.
        token_counts: Of the candidates.
    """

    plain: Conversation
    texts: tuple[str, ...]
    read: FloatArray
    again: FloatArray
    log_probs: FloatArray
    token_counts: tuple[int, ...]

    def features(self) -> FloatArray:
        return self.read


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the rank correlations.

    Args:
        data: Not read.
        quick: Few short samples of one prompt: a smoke run.
        seed: Of people, answers and samples.
    """
    samples, tokens, count, prompts = QUICK if quick else (SAMPLES, MAX_TOKENS, PEOPLE, PROMPTS)
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(
            database=f"sqlite:///{folder}/persona.db", data_folder=folder, generator=GENERATOR
        )
        with PersonaEngine(config=config) as engine:
            crowd = people(count, prompts, seed=seed)
            beliefs = []
            for person in crowd:
                user = person.join(engine, seed=seed)
                beliefs.append(engine._runtime.learner.belief(user.scope))
            everyone = [each for each in beliefs if each is not None]
            say("  training an adapter")
            train_adapter(crowd[0], Path(folder) / "adapter", quick=quick, seed=seed)
            for place in crowd[0].prompts:
                plain: Conversation = [{"role": "user", "content": question_bank()[place].prompt}]
                ways = {
                    "plain": Reading(plain),
                    "block": Reading(_with_block(plain)),
                    "adapter": Reading(plain, adapter=TRAINED),
                }
                for name, way in ways.items():
                    say(f"  {name}: {plain[0]['content'][:60]}")
                    done = _grown(plain, way, samples, tokens, seed + place)
                    read, again = done.features(), done.again
                    found[name] += [_correlation(each, read, again) for each in everyone]
                    if name != "plain":
                        found[f"{name} as read"] += [_loss(each, read, again) for each in everyone]
                        found[f"{name} corrected"] += [
                            _corrected_loss(each, done) for each in everyone
                        ]
    return _figures({name: float(np.mean(each)) for name, each in found.items()})


def _figures(found: Mapping[str, float]) -> dict[str, Figure]:
    return {
        "agreement_plain_spearman": Figure(
            found["plain"], "rank correlation", LEAST, sense="at least"
        ),
        **_corrected("block", found, f"{len(INSTRUCTIONS)} instructions in the prompt"),
        **_corrected("adapter", found, "an adapter that one person's answers trained"),
    }


def _corrected(name: str, found: Mapping[str, float], what: str) -> dict[str, Figure]:
    return {
        f"agreement_{name}_spearman": Figure(
            found[name], "rank correlation", baseline=f"{what}, before correction"
        ),
        f"agreement_{name}_choice_loss": Figure(
            found[f"{name} corrected"],
            "sd of the reward",
            MOST_LOST,
            f"{found[f'{name} as read']:.3f} by the features as read",
        ),
    }


def _with_block(plain: Conversation) -> Conversation:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    wishes = [Instruction(str(place), text, now) for place, text in enumerate(INSTRUCTIONS)]
    done = render_instructions(plain, wishes, budget=256, count_tokens=generator().count_tokens)
    return done.messages


def _grown(plain: Conversation, way: Reading, samples: int, tokens: int, seed: int) -> Grown:
    branches = generator().prefill_each([Prompt((way,))] * samples, seed=seed)
    while not all((result := branches.step(Sampling(max_tokens=tokens))).finished):
        pass
    said = [place for place, text in enumerate(result.texts) if text.strip()]
    texts = tuple(result.texts[place] for place in said)
    return Grown(
        plain,
        texts,
        branches.features()[said],
        generator().feature_encoder.encode([plain] * len(texts), texts),
        branches.log_probs[said],
        tuple(branches.token_counts[place] for place in said),
    )


def _corrected_loss(belief: Belief, done: Grown) -> float:
    corrected = read_plainly(
        done.texts, done, belief, Objective(), bare=done.plain, generator=generator()
    )
    return _loss(belief, corrected, done.again)


def _loss(belief: Belief, read: FloatArray, again: FloatArray) -> float:
    """Return by how many sd of the rewards the choice falls short of the best as read again."""
    rewards = belief.score(again).mean
    chosen = int(belief.score(read).mean.argmax())
    return float((rewards.max() - rewards[chosen]) / rewards.std())


def _correlation(belief: Belief, read: FloatArray, again: FloatArray) -> float:
    ranks = [np.argsort(np.argsort(belief.score(each).mean)) for each in (read, again)]
    return float(np.corrcoef(*ranks)[0, 1])
