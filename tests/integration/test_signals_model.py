"""The miner on the real sentence encoder: its fit, and the committed conversations."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from persona_signals.classifier import fit

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from instructions_mining import measure, read_conversations


@pytest.mark.model
def test_mining_reads_the_person_and_nobody_else(minilm):
    figures = measure(Path(), quick=True, seed=0)
    assert figures["mining_from_others"].holds
    assert figures["mining_precision"].value >= 0.8
    assert figures["mining_recall"].value >= 0.65
    assert figures["mining_milliseconds"].holds
    assert figures["mining_reaction_side"].value >= 0.8


def test_the_conversations_are_as_many_as_promised():
    rows = read_conversations()
    groups = [row["group"] for row in rows]
    assert groups.count("wish") >= 100
    assert groups.count("none") >= 100
    assert groups.count("adversarial") >= 50
    for row in rows:
        assert bool(row["wishes"]) == (row["group"] == "wish")
        for each in row["wishes"]:
            message = row["messages"][each["turn"]]
            assert message["role"] == "user"
            assert each["quote"] in message["content"]


def test_the_fit_finds_what_separates():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    weights, bias = fit(x, y, np.ones(60, np.float32), classes=2, l2=0.1)
    assert ((x @ weights + bias).argmax(axis=1) == y).mean() > 0.95
