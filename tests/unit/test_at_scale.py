"""What is done for all users at once: posteriors in bulk, samples, other feature spaces."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from persona_engine import PersonaEngine, crowds
from persona_engine.config import EngineConfig
from persona_engine.errors import InvalidInputError, NoPopulationError
from persona_engine.hookspecs import hookimpl
from persona_engine.learning import past, sample
from persona_engine.store import NewComparison
from persona_engine.testing import BigramGenerator
from persona_engine.types import Scope

WORDS = [word for word in BigramGenerator().words if word.isalpha()]


class Doubled:
    """The bigram model's features, twice as large: another space."""

    fingerprint = "doubled"
    encoded = 0

    def __init__(self, *, weights) -> None:
        self._inner = BigramGenerator().feature_encoder
        self.width = self._inner.width

    def encode(self, prompts, responses):
        type(self).encoded += len(responses)
        if type(self).encoded > self.most:
            raise KeyboardInterrupt
        return 2.0 * self._inner.encode(prompts, responses)

    most = 10**9


def bigram(*, weights):
    return BigramGenerator()


class Host:
    @hookimpl
    def persona_generators(self):
        return {"bigram": bigram}

    @hookimpl
    def persona_encoders(self):
        return {"doubled": Doubled}


@pytest.fixture
def open_engine(tmp_path, sqlite_template):
    shutil.copy(sqlite_template, tmp_path / "persona.db")
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).touch()
    opened = []

    def open_(**settings):
        given = {
            "database": f"sqlite:///{tmp_path}/persona.db",
            "generator": str(tmp_path),
            "generator_plugin": "bigram",
            "sentence_encoder": str(tmp_path),
            "data_folder": tmp_path / "data",
            "population_refresh_seconds": 0.0,
        }
        opened.append(PersonaEngine(config=EngineConfig(**(given | settings)), plugins=[Host()]))
        return opened[-1]

    yield open_
    for engine in opened:
        engine.close()


def populate(engine, people=24, each=6):
    """Record comparisons: half the people like home, half thinking."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(people):
        for _ in range(each + 7 * (number == 3)):  # one has said enough to have changed their mind
            start = " ".join(rng.choice(WORDS, 4))
            home, think = f"{start} home home", f"{start} think think"
            chosen, rejected = (home, think) if number % 2 else (think, home)
            rows.append(
                {"user": f"u{number:03d}", "prompt": "", "weight": 1.0 + number % 3}
                | {"chosen": chosen, "rejected": rejected, "tie": bool(rng.random() < 0.1)}
            )
    engine.import_comparisons(rows)


def posteriors(engine):
    learner = engine._runtime.learner
    population = learner.population("default")
    rows = engine.store.tenant("default")
    return dict(rows.iter_posteriors(learner.model.name, population.version))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "half_life_days": 3.0,
            "half_life_answers": 5.0,
            "label_noise": 0.1,
            "source_weights": {"import": 0.5},
        },
    ],
)
def test_everybody_is_inferred_as_they_are_one_by_one(open_engine, monkeypatch, settings):
    monkeypatch.setattr(crowds, "_PAGE", 40)
    engine = open_engine(**settings)
    populate(engine)
    engine.fit()
    told = []
    report = engine.infer_all(progress=lambda *each: told.append(each))
    assert (report.users, report.inferred, report.comparisons) == (24, 24, 24 * 6 + 7)
    assert told[0] == ("inferring", 0, 24)
    assert told[-1] == ("inferring", 24, 24)
    learner = engine._runtime.learner
    population = learner.population("default")
    found = posteriors(engine)
    assert len(found) == 24
    for user, posterior in found.items():
        events = engine.store.user(Scope("default", user)).comparisons()
        wanted = learner.refit(population, learner.evidence("default", events))
        assert posterior.count == wanted.count
        np.testing.assert_allclose(posterior.mean, wanted.mean, atol=1e-3)
        np.testing.assert_allclose(posterior.covariance, wanted.covariance, atol=1e-3)
    assert engine.user("u000").neighbours(3)
    assert engine.infer_all().inferred == 0  # all of them stand already
    engine.user("u001").compare("", f"{WORDS[0]} home", f"{WORDS[0]} think")
    engine.store.user(Scope("default", "u002")).record([NewComparison("", "home", "think")])
    assert engine.infer_all().inferred == 1  # feedback was learned from at once, the import was not


def test_who_said_more_meanwhile_or_was_forgotten_is_left_alone(open_engine):
    engine = open_engine()
    populate(engine)
    engine.fit()
    engine.infer_all()
    rows = engine.store.tenant("default")
    early = posteriors(engine)
    engine.user("u001").compare("", f"{WORDS[0]} home", f"{WORDS[0]} think")
    engine.user("u002").forget()
    late = posteriors(engine)["u001"]
    assert rows.save_posteriors(sorted(early.items())) == 23
    now = posteriors(engine)
    assert now["u001"].count == late.count == early["u001"].count + 1
    assert "u002" not in now
    user = engine.store.user(Scope("default", "u003"))
    version = user.posterior("hierarchical", early["u003"].population)[1]
    assert version == 2  # written over, so that whoever read version 1 notices


def test_without_a_population_there_is_nothing_to_infer_on(open_engine):
    engine = open_engine()
    with pytest.raises(NoPopulationError, match="persona fit"):
        engine.infer_all()


def test_a_fit_reads_a_sample_that_fits_in_memory(open_engine, monkeypatch):
    engine = open_engine()
    populate(engine, people=60)
    learner = engine._runtime.learner
    everybody = past.load_preferences(learner, "default")[0]
    assert len(everybody) == 60
    monkeypatch.setattr(past, "MOST_COMPARISONS", 120)
    names, data, _ = past.load_preferences(learner, "default")
    assert 10 <= len(names) <= 20
    assert len(data) <= 120
    assert list(names) == sorted(names)
    engine.user(names[0]).forget()
    left = past.load_preferences(learner, "default")[0]
    assert set(names) - set(left) == {names[0]}  # everyone else stays, one or two come in
    assert len(set(left) - set(names)) <= 2
    report = engine.fit()
    assert report.users == len(left)


def test_a_sample_is_the_same_in_any_order_and_heeds_its_limit():
    counts = [(f"u{n}", 1 + n % 50) for n in range(500)]
    one = sample.sample_users(iter(counts), most=400)
    assert one == sample.sample_users(reversed(counts), most=400)
    assert sum(dict(counts)[user] for user in one) <= 400
    assert sample.sample_users(counts, most=10**6) is None
    assert sample.sample_users([("ann", 10**7), ("bob", 5)], most=1_001) in (["ann"], ["bob"])
    assert sample.sample_users([], most=1) is None


def test_another_feature_space_is_filled_while_this_one_serves(open_engine, monkeypatch):
    engine = open_engine()
    populate(engine)
    engine.fit()
    before = engine.user("u001").rank("", ["home home", "think think"])
    monkeypatch.setattr(Doubled, "most", 120)
    monkeypatch.setattr(Doubled, "encoded", 0)
    monkeypatch.setattr(crowds, "_PAGE", 30)
    with pytest.raises(KeyboardInterrupt):
        engine.reencode(feature_encoder="doubled")
    assert engine.user("u001").rank("", ["home home", "think think"]) == before
    monkeypatch.setattr(Doubled, "most", 10**9)
    report = engine.reencode(feature_encoder="doubled")
    assert (report.new, report.settings) == ("doubled", {"feature_encoder": "doubled"})
    assert report.encoded < report.texts  # what was done before it was broken off is not done again
    assert report.users == 24
    assert engine.user("u001").rank("", ["home home", "think think"]) == before
    encoded = Doubled.encoded
    with open_engine(feature_encoder="doubled") as moved:
        assert len(posteriors(moved)) == 24
        assert moved.infer_all().inferred == 0
        after = moved.user("u001").rank("", ["home home", "think think"])
        assert after.order == before.order
        assert Doubled.encoded <= encoded + 2  # the candidates
    again = engine.reencode(feature_encoder="doubled")
    assert (again.encoded, again.population) == (0, report.population)


def test_what_was_done_for_many_leaves_no_log_behind(open_engine, tmp_path):
    engine = open_engine()
    log = tmp_path / "persona.db-wal"
    file = tmp_path / "people.csv"
    lines = [f"u{n % 12},p {n},{WORDS[n % 9]} home,{WORDS[n % 9]} think\n" for n in range(300)]
    file.write_text("user,prompt,chosen,rejected\n" + "".join(lines))
    for work in (lambda: engine.import_file(file), engine.fit, engine.infer_all):
        work()
        assert log.stat().st_size == 0  # or who is forgotten first would wait for it


def test_what_is_no_other_space_is_refused(open_engine):
    engine = open_engine()
    with pytest.raises(InvalidInputError, match="nothing is to be changed"):
        engine.reencode()
    with pytest.raises(InvalidInputError, match="stays"):
        engine.reencode(generator=engine.config.generator)
    with pytest.raises(InvalidInputError, match="seed"):
        engine.reencode(feature_encoder="doubled", seed=-1)
