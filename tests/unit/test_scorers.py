"""What small learned scorers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from persona_engine.errors import ArtefactError, FingerprintMismatchError
from persona_engine.scorers import Networks, check_encoder, read_scorer, unit, write_scorer

MEMBERS, FEATURES, HIDDEN = 3, 5, 4


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {
        "p_shift": (FEATURES,),
        "p_scale": (FEATURES,),
        "p_in": (MEMBERS, FEATURES + 1, HIDDEN),
        "p_out": (MEMBERS, HIDDEN + 1),
        "p_line": (MEMBERS, FEATURES),
        "p_platt": (2,),
    }
    return {name: rng.standard_normal(s).astype(np.float32) for name, s in shapes.items()}


def test_the_mean_over_members_is_calibrated() -> None:
    a = arrays()
    x = np.random.default_rng(1).standard_normal((7, FEATURES)).astype(np.float32)
    z = np.clip((x - a["p_shift"]) * a["p_scale"], -5, 5)
    each = [
        np.tanh(z @ w[:-1] + w[-1]) @ v[:-1] + v[-1] + z @ u
        for w, v, u in zip(a["p_in"], a["p_out"], a["p_line"], strict=True)
    ]
    expected = a["p_platt"][0] * np.mean(each, axis=0) + a["p_platt"][1]
    assert Networks.of(a, "p").log_odds(x) == pytest.approx(expected, abs=1e-5)


def test_parts_of_all_columns_add_up() -> None:
    networks = Networks.of(arrays(), "p")
    x = np.random.default_rng(1).standard_normal((7, FEATURES)).astype(np.float32)
    left, right = networks.begin(x[:, :2], slice(2)), networks.begin(x[:, 2:], slice(2, None))
    parts = [a + b for a, b in zip(left, right, strict=True)]
    assert networks.finish(*parts) == pytest.approx(networks.log_odds(x), abs=1e-5)


def test_features_far_off_count_as_five_deviations() -> None:
    networks = Networks.of(arrays(), "p")
    far = np.full((1, FEATURES), 1e9, np.float32)
    assert networks.log_odds(far) == pytest.approx(networks.log_odds(10 * far))


def test_a_missing_array_is_named() -> None:
    with pytest.raises(KeyError, match="p_in"):
        Networks.of({}, "p")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    described, values = tmp_path / "new" / "s.json", tmp_path / "new" / "s.safetensors"
    write_scorer({"name": "é"}, {"w": np.arange(3, dtype=np.float16)}, described, values)
    names, found = read_scorer(lambda n, a: (n, a), described, values, train="it")
    assert names == {"name": "é"}
    assert found["w"].dtype == np.float32
    assert found["w"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("damage", ["missing", "no json", "no arrays", "no key"])
def test_a_damaged_file_says_what_to_do(tmp_path: Path, damage: str) -> None:
    described, values = tmp_path / "s.json", tmp_path / "s.safetensors"
    write_scorer({}, {"w": np.zeros(1, np.float32)}, described, values)
    if damage == "missing":
        values.unlink()
    elif damage == "no json":
        described.write_text("{")
    elif damage == "no arrays":
        values.write_bytes(b"no")
    with pytest.raises(ArtefactError, match="python -m it"):
        read_scorer(lambda names, _: names["fingerprint"], described, values, train="python -m it")


def test_another_encoder_is_refused() -> None:
    with pytest.raises(FingerprintMismatchError, match="sentence/b"):
        check_encoder("sentence/b", "sentence/a", scorer="it", remedy="train it anew")
    check_encoder(None, "sentence/a", scorer="it", remedy="train it anew")


def test_zeros_have_no_direction() -> None:
    assert unit(np.array([[0.0, 0.0], [0.0, 2.0]])).tolist() == [[0.0, 0.0], [0.0, 1.0]]
