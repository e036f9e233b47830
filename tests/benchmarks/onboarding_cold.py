"""Cold start: what descriptions of newcomers are worth where they tell something, and where not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import Figure, say

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.features import Text
from persona_engine.onboarding import STYLES, probability_of_a, question_bank
from persona_engine.onboarding.synthetic_users import ARCHETYPES, AXES
from persona_engine.user import User

WORDS = {
    "busy professional": ("executive, back-to-back meetings", "lawyer with no spare minute"),
    "curious learner": ("student who reads everything", "lifelong learner, loves lectures"),
    "friendly chatter": ("chatty, sociable hairdresser", "outgoing barista, loves company"),
    "expert": ("professor of physics", "senior research scientist"),
    "anxious beginner": ("nervous first-time computer user", "pensioner afraid of technology"),
    "careful official": ("civil servant in a ministry", "tax inspector, by the rules"),
    "storyteller": ("novelist and bard", "writes fairy tales"),
    "planner": ("project manager, lists for everything", "wedding planner with checklists"),
    "sceptic": ("investigative journalist, doubts all", "fact checker, trusts nothing"),
    "minimalist": ("zen minimalist, owns ten things", "monk who speaks little"),
    "collaborator": ("team coach and mediator", "facilitator of workshops"),
    "joker": ("stand-up comedian", "clown at children's parties"),
}
ANSWERS = 8
_SPREAD = 0.5


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return how well newcomers are predicted who have not answered anything."""
    told = _newcomers(quick=quick, seed=seed, shuffled=False)
    silent = _newcomers(quick=quick, seed=seed, shuffled=True)
    say(f"cold start: {told}, descriptions that say nothing: {silent}")
    return {
        "cold_start_accuracy": Figure(
            told["described"], "share before any answer", told["prior"], "the prior", "at least"
        ),
        "cold_start_without_neighbours": Figure(
            told["stranger"], "share before any answer", told["prior"], "the prior", "exactly"
        ),
        "cold_start_of_meaningless_descriptions": Figure(
            silent["described"],
            "share before any answer",
            round(silent["prior"] - 0.005, 4),
            f"the prior {silent['prior']}",
            "at least",
        ),
    }


def _newcomers(*, quick: bool, seed: int, shuffled: bool) -> dict[str, float]:
    rng = np.random.default_rng([seed, 8_001])
    known, new = (36, 12) if quick else (120, 60)
    with tempfile.TemporaryDirectory() as place:
        config = EngineConfig(database=f"sqlite:///{place}/persona.db", data_folder=Path(place))
        with PersonaEngine(config=config) as engine:
            for number in range(known):
                kind, tastes = _person(rng)
                user = engine.user(f"known-{number}")
                _answer(user, tastes, rng)
                user.cold_start(traits=_words(kind, rng, shuffled=shuffled))
            right: dict[str, list[float]] = {"described": [], "stranger": [], "prior": []}
            for number in range(new):
                kind, tastes = _person(rng)
                described = {"described": _words(kind, rng, shuffled=shuffled), "stranger": "zzz 7"}
                for name, found in right.items():
                    user = engine.user(f"{name}-{number}")
                    if name in described:
                        user.cold_start(traits=described[name])
                    found.append(_accuracy(engine, user, tastes))
    return {name: round(float(np.mean(each)), 4) for name, each in right.items()}


def _person(rng: np.random.Generator) -> tuple[str, NDArray[np.float64]]:
    """Return a kind of person and the tastes ``(1, 16)`` of one of them."""
    kind = str(rng.choice(list(ARCHETYPES)))
    tastes = np.zeros(len(STYLES))
    for axis, place in ARCHETYPES[kind].items():
        for style, loading in AXES[axis].items():
            tastes[list(STYLES).index(style)] += 2.5 * place * loading
    return kind, (tastes + rng.normal(0.0, _SPREAD, len(STYLES)))[None]


def _words(kind: str, rng: np.random.Generator, *, shuffled: bool) -> str:
    drawn = str(rng.choice(list(WORDS))) if shuffled else kind
    return str(rng.choice(WORDS[drawn]))


def _answer(user: User, tastes: NDArray[np.float64], rng: np.random.Generator) -> None:
    asked = [question_bank()[place] for place in rng.permutation(len(question_bank()))[:ANSWERS]]
    likely = probability_of_a(tastes, asked)[0]
    for question, p in zip(asked, likely, strict=True):
        user.prefer(question, "a" if rng.random() < p else "b")


def _accuracy(engine: PersonaEngine, user: User, tastes: NDArray[np.float64]) -> float:
    learner = engine._runtime.learner
    belief = learner.belief(user.scope)
    assert belief is not None
    texts = [Text(side, each.prompt) for each in question_bank() for side in (each.a, each.b)]
    features = learner.features.get(user.scope.tenant, texts)
    logit = belief.logit(features[0::2], features[1::2]).mean
    says = 0.5 + 0.5 * np.sign(np.where(np.abs(logit) < 1e-6, 0.0, logit))
    likely = probability_of_a(tastes, question_bank())[0]
    return float((says * likely + (1.0 - says) * (1.0 - likely)).mean())
