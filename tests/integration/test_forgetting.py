"""Forgetting through a whole engine: everywhere, under load, and out of what was learned."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from persona_engine import PersonaEngine
from persona_engine.adapters.work import WorkFolder, mark_of
from persona_engine.config import EngineConfig
from persona_engine.errors import NotFoundError
from persona_engine.features import Text
from persona_engine.hookspecs import hookimpl
from persona_engine.testing import BigramGenerator
from persona_engine.types import Instruction, Scope

SECRET = "xylophone zebra quagmire"
NAME = "somebody-with-a-name"
ASK = [{"role": "user", "content": f"Where ? {SECRET}"}]


class Host:
    @hookimpl
    def persona_generators(self):
        return {"bigram": lambda *, weights: BigramGenerator()}  # noqa: PLW0108


def opened(place: Path, **settings) -> PersonaEngine:
    given = {
        "database": f"sqlite:///{place}/persona.db",
        "generator": str(place),
        "generator_plugin": "bigram",
        "data_folder": place / "data",
        "candidates": 4,
        "max_tokens": 12,
        "population_refresh_seconds": 0.0,
    }
    return PersonaEngine(config=EngineConfig(**{**given, **settings}), plugins=[Host()])


def crowd(people, *, seed: int = 0, each: int = 10):
    """Yield comparisons of people who either love or hate to go home."""
    words = [word for word in BigramGenerator().words if word.isalpha()]
    for user in people:
        rng = np.random.default_rng([seed, *user.encode()])
        for _ in range(each):
            with_home, without = (" ".join(rng.choice(words, 6)) for _ in range(2))
            pair = [f"{with_home} home home", f"{without} think think"]
            side = pair if sum(user.encode()) % 2 else pair[::-1]
            yield {"user": user, "prompt": "Where?", "chosen": side[0], "rejected": side[1]}


def people(count: int) -> list[str]:
    return [f"u{number:02d}" for number in range(count)]


@pytest.fixture
def place(tmp_path, sqlite_template):
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).touch()
    shutil.copy(sqlite_template, tmp_path / "persona.db")
    return tmp_path


def fill(engine: PersonaEngine, name: str) -> str:
    """Leave something of a person everywhere; return a reply's id."""
    person = engine.user(name)
    rows = engine.store.user(Scope("default", name))
    words = " ".join([SECRET, "home home"])
    for number in range(6):
        person.compare(f"{SECRET} {number}", words, f"{SECRET} think")
    person.steer(formality=1)
    reply = person.chat(ASK)
    person.feedback(reply.id, better=f"{SECRET} indeed")
    rows.add_instruction(
        Instruction(
            id=f"i-{name}",
            text=f"Never say {SECRET}.",
            created_at=engine.store.tenant("default").newest_comparison(),
        )
    )
    return reply.id


def where(place: Path, *wanted: str) -> list[tuple[str, str]]:
    return [
        (word, str(each.relative_to(place)))
        for each in sorted(place.rglob("*"))
        if each.is_file()
        for word in wanted
        if word.encode() in each.read_bytes()
    ]


def test_nothing_is_found_in_any_file_afterwards(place) -> None:
    with opened(place) as engine:
        engine.import_comparisons(crowd(people(14)))
        reply = fill(engine, NAME)
        assert engine.fit().published
        engine.user(NAME).neighbours()
        engine.user("u00").neighbours()
        work = WorkFolder(engine._runtime.training_folder / "abc")
        with work.held([mark_of(Scope("default", NAME))]):
            work.checkpoints.mkdir()
            (work.checkpoints / "pairs.jsonl").write_text(SECRET)
        assert {word for word, _ in where(place, SECRET, NAME)} == {SECRET, NAME}

        receipt = engine.user(NAME).forget()

        assert receipt.files == {"training": 1}
        assert receipt.rows["comparison"] == 7
        assert receipt.rows["reply"] == receipt.rows["instruction"] == 1
        assert receipt.index_vectors["users"] == 1
        assert receipt.cached_embeddings >= 3
        assert len(receipt.corrected) == 1
        assert receipt.remains == ()
        assert where(place, SECRET, NAME) == []
        with pytest.raises(NotFoundError):
            engine.user(NAME).explain(reply)
        assert engine.store.check() == ()
    assert where(place, SECRET, NAME) == []


def logits(engine: PersonaEngine) -> np.ndarray:
    """Return what some people and a stranger prefer, ``(people, pairs)``."""
    learner = engine._runtime.learner
    rng = np.random.default_rng(5)
    words = [word for word in BigramGenerator().words if word.isalpha()]
    texts = [Text(" ".join(rng.choice(words, 6)), "Where?") for _ in range(80)]
    features = learner.features.get("default", texts, keep=False)
    found = []
    for name in ("u00", "u01", "stranger"):
        belief = learner.belief(Scope("default", name))
        found.append(belief.logit(features[::2], features[1::2]).mean)
    return np.array(found)


def test_after_the_refit_predictions_are_those_of_a_population_that_never_saw_them(
    place, tmp_path_factory, sqlite_template
) -> None:
    other = tmp_path_factory.mktemp("other")
    for each in place.iterdir():
        shutil.copy(each, other)
    with opened(place) as engine:
        engine.import_comparisons(crowd([*people(14), NAME]))
        engine.fit()
        before = logits(engine)
        receipt = engine.user(NAME).forget()
        corrected = logits(engine)
        report = engine.refit_stale()
        after = logits(engine)
        assert [each.reward_model for each in report.fitted] == ["hierarchical"]
        assert set(report.dropped) == {*receipt.refit, *receipt.corrected.values()}
        assert report.vacuumed
        assert not any(row.stale for row in engine.store.tenant("default").populations())
        assert engine.refit_stale().fitted == ()
    with opened(other) as engine:
        engine.import_comparisons(crowd(people(14)))
        engine.fit()
        never = logits(engine)
    np.testing.assert_allclose(after, never, atol=1e-5)
    assert np.abs(before - never).max() > 0
    assert np.abs(corrected - before).max() > 0


def test_too_few_who_are_left_have_no_population_of_their_own(place) -> None:
    with opened(place) as engine:
        engine.import_comparisons(crowd(people(10)))
        used = engine.fit().population
        engine.user("u03").forget()
        report = engine.refit_stale()
        assert report.fitted == ()
        assert len(report.withdrawn) == 1
        assert engine._runtime.learner.population("default") is None
        assert used not in [row.version for row in engine.store.tenant("default").populations()]


def test_somebody_is_forgotten_while_others_write_and_read(place) -> None:
    with opened(place) as engine:
        engine.import_comparisons(crowd(people(12)))
        engine.fit()
    children = [_child(lambda seed=seed: _keep_busy(place, seed)) for seed in range(2)]
    with opened(place) as engine:
        for name in people(12)[:6]:
            receipt = engine.user(name).forget()
            assert receipt.rows["comparison"] == 10
            assert len(receipt.corrected) == 1
        assert [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children] == [0, 0]
        assert engine.store.check() == ()
        left = engine.store.tenant("default").users()
        assert set(left) >= set(people(12)[6:])
        assert not set(left) & set(people(12)[:6])
        population = engine._runtime.learner.population("default")
        assert population.meta["users"] == 6


def _keep_busy(place: Path, seed: int) -> None:
    with opened(place) as engine:
        for row in crowd([f"writer{seed}", "u10", "u11"], seed=seed, each=12):
            engine.user(row["user"]).compare(row["prompt"], row["chosen"], row["rejected"])
            engine.user("u11").rank("Where?", ["go home", "think"])


def _child(work) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child
