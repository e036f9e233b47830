"""The benchmarks run, and print what `Scripts' contract` of the design asks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "benchmarks"

pytestmark = pytest.mark.slow


def run(script: str, *options: str) -> dict:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / script), "--json", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check(result: dict) -> dict:
    assert set(result) == {"ok", "figures", "machine", "seed"}
    assert isinstance(result["ok"], bool)
    assert result["machine"]["cores"] >= 1
    for figure in result["figures"].values():
        assert set(figure) == {"value", "target", "unit", "baseline"}
        assert isinstance(figure["value"], bool | int | float)
    return result["figures"]


@pytest.mark.model
def test_overhead(smollm2, minilm):
    figures = check(run("bench_overhead.py", "--quick"))
    targets = {name: each["target"] for name, each in figures.items() if each["target"] is not None}
    assert targets == {
        "import_over_numpy": 2.0,
        "heavy_modules_loaded": 0,
        "prefer_cached_over_insert": 3.0,
        "personalize_over_encoding": 1.3,
        "select_among_many_over_encoding": 1.5,
        "prefer_new_over_encoding": 1.3,
    }
    assert figures["heavy_modules_loaded"]["value"] == 0
    assert figures["personalize_users"]["value"] == 1_001
    assert all(each["value"] > 0 for name, each in figures.items() if "over" in name)


@pytest.mark.model
def test_demo(smollm2, minilm):
    result = run("bench_demo.py", "--quick", "--seed", "3")
    figures = check(result)
    assert result["seed"] == 3
    assert figures["concise_over_detailed_words"]["target"] == 0.7
    assert figures["replies_checked"]["value"] == 2
    assert figures["instruction_placed"]["value"] == 1.0
    assert figures["base_obeys"]["value"] == 1.0  # six tokens are never forty words


def test_reward_models():
    figures = check(run("bench_reward_models.py", "--quick"))
    targets = {name: each["target"] for name, each in figures.items() if each["target"] is not None}
    assert targets == {
        "infer_ms": 0.3,
        "infer_speedup_over_adam": 500,
        "infer_many_users_per_second": 80_000,
        "gpm_cyclic_accuracy": 0.95,
        "mixture_planted_ari": 0.95,
        "maxmin_minority_gain": 0.20,
    }
    assert figures["mixture_planted_ari"]["value"] >= 0.95
    assert figures["gpm_cyclic_accuracy"]["value"] >= 0.95
    assert figures["infer_ms"]["value"] < figures["lore_infer_ms"]["value"] < 100
    assert figures["infer_speedup_over_adam"]["value"] > 50


@pytest.mark.model
def test_decoding(smollm2, minilm, tmp_path):
    curve, gains = tmp_path / "curve.png", tmp_path / "gains.json"
    figures = check(
        run("bench_decoding.py", "--quick", "--curve", str(curve), "--gains", str(gains))
    )
    targets = {name: each["target"] for name, each in figures.items() if each["target"] is not None}
    assert (
        targets
        | {
            "sessions_8_over_generate": 0.85,
            "sessions_1_over_generate": 1.0,
            "best_of_8_over_generate": 0.9,
            "blockwise_8x16_over_generate": 0.95,
            "speculative_rejection_over_generate": 0.65,
            "token_search_k10_over_generate": 1.5,
            "context_steering_over_generate": 1.1,
            "one_adapter_contrast_over_generate": 1.2,
            "next_turn_over_prefill": 0.35,
            "no_posterior_over_plain": 1.02,
            "no_posterior_same_text": True,
            "memory_over_one_prompt": 1.3,
            "agreement_plain_spearman": 0.95,
            "agreement_block_choice_loss": 0.05,
        }
        == targets
    )
    assert figures["no_posterior_same_text"]["value"] is True
    assert figures["quality_prompts"]["value"] == 2
    assert figures.get("verifiers_prompts", {"value": 1})["value"] == 1  # where the data is
    assert figures["official_args_over_token_search"]["value"] is False
    assert "--args-checkout" in figures["official_args_over_token_search"]["baseline"]
    assert curve.read_bytes().startswith(b"\x89PNG")
    assert "methods" in json.loads(gains.read_text())


@pytest.mark.model
def test_adapters(smollm2, minilm):
    figures = check(run("bench_adapters.py", "--quick", "--only", "layers,quality"))
    assert figures["layers_mlp_middle"] != figures["layers_attention"]
    targets = {name: each["target"] for name, each in figures.items() if each["target"] is not None}
    assert targets == {"adapters_training_minutes": 15.0, "adapters_published": 1}
    assert figures["adapters_published"]["value"] == 0  # one step of one pair
    assert figures["adapter_1_neutral"]["value"] == pytest.approx(1.0, abs=0.05)
    assert figures["newcomers_terse_gain"]["value"] == 0.0
    refused = subprocess.run(
        [sys.executable, str(SCRIPTS / "bench_adapters.py"), "--only", "toes"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])},
    )
    assert "--only names 'toes', expected some of clusters, layers" in refused.stderr


def test_a_missed_target_is_told(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    from report import Figure, summary

    def ok(*figures: Figure) -> bool:
        return summary({str(n): each for n, each in enumerate(figures)}, seed=0)["ok"]

    assert ok(
        Figure(1.3, "ratio", 1.3), Figure(9.0, "ratio"), Figure(True, "bool", True, "", "exactly")
    )
    assert not ok(Figure(1.3, "ratio", 1.3), Figure(1.31, "ratio", 1.3))
    assert not ok(Figure(0.8, "share", 0.9, sense="at least"))
    assert not ok(Figure(False, "bool", True, sense="exactly"))


def test_asking_well(tmp_path, monkeypatch):
    monkeypatch.setenv("PERSONA_DATA", str(tmp_path / "none"))
    curve = tmp_path / "curve.png"
    options = ("--quick", "--only", "active", "--curve", str(curve))
    figures = check(run("bench_onboarding.py", *options))
    targets = {name: each["target"] for name, each in figures.items() if each["target"] is not None}
    assert targets.keys() == {"bank_bald_worth_random", "bank_bald_accuracy"}
    assert targets["bank_bald_worth_random"] == 8
    assert figures["bank_bald_accuracy"]["value"] > 0.55
    assert curve.read_bytes().startswith(b"\x89PNG")


@pytest.mark.model
def test_server(smollm2, minilm):
    figures = check(run("bench_server.py", "--quick", "--only", "overhead,soak,memory,kills"))
    targets = {name: each["target"] for name, each in figures.items() if each["target"] is not None}
    assert targets == {
        "overhead_ms": 8.0,
        "soak_errors": 0,
        "memory_errors": 0,
        "kills_acknowledged": 1,
        "kills_lost": 0,
        "kills_start_s": 5.0,
    }
    for name in ("soak_errors", "memory_errors", "kills_lost"):
        assert figures[name]["value"] == 0
