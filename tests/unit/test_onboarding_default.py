import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from persona_engine.errors import ArtefactError
from persona_engine.onboarding import (
    BankFeatures,
    Crowd,
    DefaultPopulation,
    bank_hash,
    content_key,
    fit_default,
    load_shipped,
    question_bank,
    replies,
    write,
)
from persona_engine.onboarding.abridged import first_sentence
from persona_engine.onboarding.shipped import shipped_root
from persona_engine.store import content_key as store_key
from persona_engine.trust import Calibration
from persona_engine.types import Conversation, Evidence, FloatArray, Population
from persona_hierarchical import Hierarchical

WIDTH = 12
CROWD = Crowd(users=120, answers=16, judged=12, cuts=4)


class StyleEncoder:
    """Features that hold the style of a bank reply, and much that is no style."""

    fingerprint = "styles/12"
    width = WIDTH

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        styles = sorted({str(question.style) for question in question_bank()})
        direction = dict(zip(styles, rng.normal(size=(len(styles), WIDTH)), strict=True))
        self._vectors = {
            reply: direction[str(question.style)] * pole + rng.normal(0.0, 0.3, WIDTH)
            for question in question_bank()
            for pole, reply in zip((-1.0, 1.0), replies(question), strict=True)
        }
        for reply, vector in list(self._vectors.items()):
            if (cut := first_sentence(reply)) is not None:
                self._vectors[cut] = vector - direction["length"] + rng.normal(0.0, 0.3, WIDTH)
        self.encoded = 0

    def encode(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> FloatArray:
        self.encoded += len(responses)
        return np.array([self._vectors[text] for text in responses], np.float32)


@pytest.fixture(scope="module")
def small() -> DefaultPopulation:
    """A default population of few people, in few dimensions."""
    return fit_default(Hierarchical(max_rank=3), StyleEncoder(), seed=3, crowd=CROWD)


@pytest.fixture(scope="module")
def written(small: DefaultPopulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("default")
    write(small, root)
    return root


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    (source,) = written.iterdir()
    return Path(shutil.copytree(source, tmp_path / source.name))


def _manifests() -> list[Path]:
    return sorted(shipped_root().glob("*/manifest.json"))


def test_the_bank_is_encoded_once_and_its_features_found_by_content() -> None:
    encoder = StyleEncoder()
    default = fit_default(
        Hierarchical(max_rank=1), encoder, crowd=Crowd(users=16, answers=4, judged=2)
    )
    cuts = [first_sentence(reply) for question in question_bank() for reply in replies(question)]
    assert encoder.encoded == 256 + sum(cut is not None for cut in cuts)
    assert len(default.features) == 256
    question = question_bank()[5]
    expected = encoder.encode([[]], [question.b])[0]
    assert default.features[content_key(question.prompt, question.b)] == pytest.approx(expected)


def test_equal_seeds_fit_equal_populations(small: DefaultPopulation) -> None:
    again = fit_default(Hierarchical(max_rank=3), StyleEncoder(), seed=3, crowd=CROWD)
    assert again.population.version == small.population.version
    assert again.report == small.report


def test_the_report_judges_people_and_questions_never_seen(small: DefaultPopulation) -> None:
    held_out = small.report["held_out"]
    assert held_out["pooled"] == pytest.approx(0.5, abs=0.03)
    for how in ("active", "random"):
        accuracy = [held_out[how][str(n)]["accuracy"] for n in (0, 1, 2, 4, 8)]
        assert accuracy[0] == pytest.approx(0.5, abs=0.03)
        assert 0.56 < accuracy[4] <= held_out["best_possible"]


def test_it_says_how_far_to_trust_it(small: DefaultPopulation) -> None:
    calibration = Calibration.of(small.population.meta)
    assert calibration is not None
    assert [band.least for band in calibration.bands] == [0, 1, 3, 7]
    stranger, known = calibration.band(0), calibration.band(8)
    assert stranger.rule(0.3).coverage == 0.0
    assert known.rule(0.3).coverage > 0.1


def test_keys_are_the_stores() -> None:
    for prompt, text in [("Hi", "Hello!"), ("Grüße 🌍", 'Say "yes"\n\\'), ("", " ")]:
        assert content_key(prompt, text) == store_key(prompt, text)


def test_what_is_written_is_read_again(small: DefaultPopulation, written: Path) -> None:
    read = load_shipped("hierarchical", "styles/12", root=written)
    assert read is not None
    assert read.population.version == small.population.version
    assert read.report == small.report
    assert read.features.keys() == small.features.keys()
    for key, vector in read.features.items():
        assert vector.dtype == np.float32
        assert vector == pytest.approx(small.features[key], rel=1e-3, abs=1e-3)


def test_writing_again_replaces_the_old_and_leaves_nothing_else(
    small: DefaultPopulation, tmp_path: Path
) -> None:
    folder = write(small, tmp_path)
    other = DefaultPopulation(small.population, small.bank, dict(small.report) | {"seed": 4})
    assert write(other, tmp_path) == folder
    assert list(tmp_path.iterdir()) == [folder]
    read = load_shipped("hierarchical", "styles/12", root=tmp_path)
    assert read is not None
    assert read.report["seed"] == 4


def test_features_too_large_for_float16_are_kept_as_they_are(tmp_path: Path) -> None:
    large = np.full((128, 2), 1e6, np.float32)
    bank = BankFeatures(low=large, high=large + 1.0)
    population = Population("hierarchical", "large/2", {"w": np.zeros(2, np.float32)})
    write(DefaultPopulation(population, bank, {}), tmp_path)
    read = load_shipped("hierarchical", "large/2", root=tmp_path)
    assert read is not None
    assert np.array_equal(read.bank.high, bank.high)


def test_an_unwritable_folder_is_an_artefact_error(
    small: DefaultPopulation, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ArtefactError, match="cannot be written"):
        write(small, tmp_path / "file" / "below")


def test_another_feature_space_has_no_shipped_population() -> None:
    assert load_shipped("hierarchical", "somebody/else/7") is None
    assert load_shipped("no_such_model", "styles/12") is None


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["population.safetensors", "bank_features.safetensors"])
@pytest.mark.parametrize("damage", [_flip_a_bit, Path.unlink, lambda path: path.write_bytes(b"")])
def test_damage_names_the_file_and_the_remedy(folder: Path, name: str, damage: object) -> None:
    damage(folder / name)  # type: ignore[operator]
    with pytest.raises(ArtefactError, match=f"{name}.*onboarding.build"):
        load_shipped("hierarchical", "styles/12", root=folder.parent)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"format": 1}', "\x00"],
    ids=["empty", "list", "cut", "incomplete", "binary"],
)
def test_a_damaged_manifest_names_itself(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ArtefactError, match=r"manifest\.json"):
        load_shipped("hierarchical", "styles/12", root=folder.parent)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("bank", "0" * 64),
        ("reward_model", "other"),
        ("fingerprint", "other"),
        ("version", "0" * 16),
        ("meta", None),
        ("files", {}),
    ],
)
def test_a_manifest_of_something_else_is_refused(folder: Path, key: str, value: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ArtefactError, match=r"manifest\.json"):
        load_shipped("hierarchical", "styles/12", root=folder.parent)


def test_a_bank_of_the_wrong_shape_is_refused(folder: Path) -> None:
    from safetensors.numpy import save

    content = save({"low": np.zeros((3, 2), np.float16), "high": np.zeros((3, 2), np.float16)})
    (folder / "bank_features.safetensors").write_bytes(content)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["bank_features.safetensors"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(manifest))
    with pytest.raises(ArtefactError, match="bank_features"):
        load_shipped("hierarchical", "styles/12", root=folder.parent)


@pytest.mark.parametrize("manifest", _manifests(), ids=lambda path: path.parent.name)
def test_what_is_shipped_is_of_this_bank_and_works(manifest: Path) -> None:
    about = json.loads(manifest.read_text())
    assert about["bank"] == bank_hash()
    default = load_shipped(about["reward_model"], about["fingerprint"])
    assert default is not None
    model, population = Hierarchical(), default.population
    prior = model.infer(population, Evidence.empty(default.bank.low.shape[1]))
    logit = model.logit(population, prior, default.bank.high, default.bank.low)
    assert np.isfinite(logit.mean).all()
    assert (logit.std > 0.1).all()


def test_the_default_generators_population_is_shipped_small_and_good() -> None:
    reports = [json.loads(path.read_text()) for path in _manifests()]
    (about,) = [each for each in reports if each["reward_model"] == "hierarchical"]
    held_out = about["report"]["held_out"]
    assert held_out["active"]["4"]["accuracy"] > held_out["pooled"] + 0.07
    assert held_out["active"]["4"]["strong_tastes"] > 0.75
    assert sum(path.stat().st_size for path in shipped_root().rglob("*")) < 1_500_000


def test_importing_loads_numpy_only() -> None:
    heavy = "('torch', 'transformers', 'sqlalchemy', 'faiss', 'safetensors')"
    code = f"import sys, persona_engine.onboarding; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
