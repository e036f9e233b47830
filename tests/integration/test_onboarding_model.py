"""Getting to know a person with the real models, as the README shows it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.onboarding import blends, content_key, load_blend_features
from persona_engine.types import Evidence

pytestmark = pytest.mark.model

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def engine(tmp_path_factory, sqlite_template, smollm2, minilm):
    folder = tmp_path_factory.mktemp("onboarding")
    shutil.copy(sqlite_template, folder / "persona.db")
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=str(smollm2),
        sentence_encoder=str(minilm),
        data_folder=folder,
    )
    with PersonaEngine(config=config) as engine:
        yield engine


def test_the_readmes_way_runs(engine, capsys):
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
        if "bob.onboard(" in block
    ]
    exec(compile(code, "README.md", "exec"), {"engine": engine})  # it is our own README
    assert re.match(r"(questions|until) 0\.\d+\n", capsys.readouterr().out)
    assert engine.user("bob").profile().traits["locale"] == "de-AT"


def test_the_shipped_features_of_blends_are_the_encoders(engine):
    encoder = engine._runtime.features.encoder
    shipped = load_blend_features(encoder.fingerprint)
    asked = blends()[0]
    prompt = [{"role": "user", "content": asked.prompt}]
    fresh = encoder.encode([prompt, prompt], [asked.a, asked.b])
    kept = np.stack([shipped[content_key(asked.prompt, each)] for each in (asked.a, asked.b)])
    scale = np.abs(fresh[0] - fresh[1]).max()
    assert np.abs((kept[0] - kept[1]) - (fresh[0] - fresh[1])).max() < 0.05 * scale


def test_people_described_alike_speak_for_a_newcomer(engine):
    said = {
        "brief": "overworked surgeon, no time, hates chatter",
        "long": "retired hobby historian",
    }
    for name, traits in said.items():
        for number in range(3):
            user = engine.user(f"{name}{number}", tenant="hospital")
            user.cold_start(traits=f"{traits}, {number}")
            for asked in blends()[:4]:
                side = asked.poles.get("length")
                if side is not None:
                    short = "a" if side == "b" else "b"
                    user.prefer(asked, short if name == "brief" else side)
    newcomer = engine.user("new", tenant="hospital")
    found = newcomer.cold_start(traits="surgeon without time for chatter")
    assert found
    assert {each.user[:-1] for each in found} == {"brief"}
    belief = engine._runtime.learner.belief(newcomer.scope)
    assert belief.informed
    assert belief.posterior.count == 0
    length = next(each for each in newcomer.profile().tastes if each.style == "length")
    assert length.mean < 0.0
    stranger = engine.user("stranger", tenant="hospital")
    assert stranger.cold_start(traits="likes trains") == ()
    learner = engine._runtime.learner
    prior = learner.model.infer(learner.population("hospital"), Evidence.empty(577))
    assert np.array_equal(learner.belief(stranger.scope).posterior.mean, prior.mean)
