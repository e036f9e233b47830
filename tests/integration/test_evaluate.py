"""`persona evaluate` as people call it: on a file of theirs, interrupted, and called again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from persona_engine.cli.app import app

ROOT = Path(__file__).parents[2]
USERS, EACH = 40, 24
METHODS = ["bradley_terry", "hierarchical"]
SHOTS = [0, 2, 8]


# What runs in the background of a shell is told to ignore interrupts, and its children inherit it.
RUN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from persona_engine.cli import main
main()
"""


def command(*options):
    return [sys.executable, "-c", RUN, *options]


def environment():
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def persona(*options):
    return CliRunner().invoke(app, list(options))


@pytest.fixture
def files(tmp_path):
    """Comparisons of people half of whom like what the other half dislike, and their features."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 4)).astype(np.float32)
    texts = [f"text {n}" for n in range(len(values))]
    rows = []
    for user in range(USERS):
        taste = np.array([1.0, 3.0 if user % 2 else -3.0, 0.0, 0.0])
        for when in range(EACH):
            a, b = rng.choice(len(values), 2, replace=False)
            if values[b] @ taste > values[a] @ taste:
                a, b = b, a
            row = {"user": f"u{user}", "prompt": "", "chosen": texts[a], "rejected": texts[b]}
            rows.append({**row, "time": when, "group": ["even", "odd"][user % 2]})
    (tmp_path / "planted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    np.savez(tmp_path / "own.npz", texts=texts, features=values)
    return tmp_path


def call(files, *more):
    return [
        "evaluate",
        *("--comparisons", str(files / "planted.jsonl"), "--features", str(files / "own.npz")),
        *("--method", "hierarchical", "--shots", "0,2,8", "--seeds", "2"),
        *("--out", str(files / "out"), "--json", *more),
    ]


def cells(files):
    folder = files / "out" / "cells"
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def results(done):
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["results"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_goes_on_where_it_was(files, how):
    with subprocess.Popen(
        command(*call(files)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as running:
        deadline = time.monotonic() + 120
        while not cells(files) and time.monotonic() < deadline:
            time.sleep(0.005)
        running.send_signal(how)
        _, said = running.communicate(timeout=60)
    before = cells(files)
    assert 1 <= len(before) < 4
    if how == signal.SIGINT:
        assert running.returncode == 130
        assert "the same command goes on from there" in said.decode()
    rows = results(persona(*call(files)))
    assert {name: cells(files)[name] for name in before} == before
    assert len(cells(files)) == 4

    assert [(row["method"], row["shots"]) for row in rows] == [
        (method, shots) for method in METHODS for shots in SHOTS
    ]
    figures = {(row["method"], row["shots"]): row for row in rows}
    assert figures["hierarchical", 8]["accuracy"] > figures["bradley_terry", 8]["accuracy"] + 0.2
    for row in rows:
        assert (row["dataset"], row["status"], row["seeds"]) == ("planted", "ok", 2)
        assert row["users"] == 12
        assert 0.0 <= row["worst_decile"] <= row["accuracy"]
        assert 0.0 <= row["worst_group"] <= 1.0
        assert 0.0 <= row["ece"] <= 0.5
        assert row["accuracy_se"] >= 0.0
        assert row["adapt_ms"] > 0.0
        assert row["fit_s"] > 0.0
    out = files / "out"
    assert json.loads((out / "results.json").read_text())["results"] == rows
    for picture in ("few-shot.png", "reliability.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")


def test_tables_votes_and_groups(tmp_path):
    rng = np.random.default_rng(0)
    lines = {"items": [], "votes": [], "groups": []}
    for item in range(30):
        lines["items"].append({"item": str(item), "text": f"Statement {item}."})
    for user in range(30):
        lines["groups"].append({"user": f"p{user}", "group": str(user % 2)})
        for item in range(30):
            vote = int(rng.choice([1, -1])) * (1 if (item + user) % 2 else -1)
            lines["votes"].append({"user": f"p{user}", "item": str(item), "vote": vote})
    for name, rows in lines.items():
        path = tmp_path / f"town.{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    np.savez(tmp_path / "own.npz", ids=[str(n) for n in range(30)], features=np.eye(30))
    done = persona(
        "evaluate",
        *("--votes", str(tmp_path / "town.votes.jsonl")),
        *("--items", str(tmp_path / "town.items.jsonl")),
        *("--groups", str(tmp_path / "town.groups.jsonl")),
        *("--features", str(tmp_path / "own.npz"), "--method", "bradley_terry"),
        *("--disjoint", "items", "--seeds", "1", "--out", str(tmp_path / "out")),
    )
    assert done.exit_code == 0, done.stderr
    assert "town: few-shot, items-disjoint" in done.stdout
    assert "bradley_terry" in done.stdout
    assert "Written to" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ([], 2, "expected one of --comparisons and --votes"),
        (["--votes", "v.jsonl"], 2, "no --items"),
        (["--comparisons", "none.jsonl"], 2, "none.jsonl cannot be read"),
        (["--comparisons", "c.jsonl", "--items", "i.jsonl"], 2, "--items goes with --votes"),
        (["--comparisons", "c.jsonl", "--shots", "many"], 2, "--shots is 'many'"),
        (["--comparisons", "c.jsonl", "--method", "none"], 7, "called 'none'"),
        (["--comparisons", "c.jsonl", "--encoder", "sentence+x"], 2, "encoder is 'sentence+x'"),
        (["--comparisons", "c.jsonl", "--encoder", "none"], 7, "called 'none'"),
        (
            ["--comparisons", "c.jsonl", "--encoder", "sentence", "--features", "f.npz"],
            2,
            "one of --encoder and --features",
        ),
    ],
)
def test_what_cannot_be_is_told_and_leaves_nothing(tmp_path, monkeypatch, options, code, says):
    monkeypatch.chdir(tmp_path)
    row = {"user": "a", "prompt": "", "chosen": "x", "rejected": "y"}
    Path("c.jsonl").write_text(json.dumps(row))
    done = persona("evaluate", *options)
    assert done.exit_code == code
    assert says in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]


def test_pictures_are_left_out_where_matplotlib_is_missing(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = persona(*call(files), "--method", "bradley_terry")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["results"]
    assert "pip install 'persona-engine[local]'" in done.stderr
    assert not list((files / "out").glob("*.png"))


def test_all_leaves_out_what_asks_the_language_model_unless_it_is_named():
    from persona_engine.cli.evaluate import _methods
    from persona_engine.plugins import discover

    plugins = discover()
    known = plugins.names("reward_model")
    slow = [name for name in known if hasattr(plugins.create("reward_model", name), "asking")]
    everything = _methods(["all"], plugins, "hierarchical")
    assert everything[0] == "bradley_terry"
    assert sorted(everything) == sorted(set(known) - set(slow))
    assert sorted(_methods(["all", *slow], plugins, "hierarchical")) == sorted(known)
    assert _methods([], plugins, "hierarchical") == ["bradley_terry", "hierarchical"]
    assert _methods(["hierarchical, bradley_terry"], plugins, "x") == [
        "bradley_terry",
        "hierarchical",
    ]


@pytest.mark.model
def test_prompts_that_nobody_learned_from_by_a_method_that_reads_prompts_and_attributes(
    minilm, tmp_path, monkeypatch
):
    monkeypatch.setenv("PERSONA_SENTENCE_ENCODER", str(minilm))
    short = {"tea": "Boil water.", "rice": "Steam it.", "bread": "Bake it."}
    rows = [
        {
            "user": f"u{user}",
            "prompt": f"How do I make {dish}, version {number}?",
            "chosen": answer
            if user % 2
            else f"{answer} Take your time, and enjoy each step of it.",
            "rejected": f"{answer} Take your time, and enjoy each step of it."
            if user % 2
            else answer,
        }
        for user in range(16)
        for dish, answer in short.items()
        for number in range(4)
    ]
    path = tmp_path / "dishes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = persona(
        *("evaluate", "--comparisons", str(path), "--encoder", "sentence", "--json"),
        *("--method", "attributes", "--disjoint", "prompts", "--shots", "0,4", "--seeds", "1"),
        *("--out", str(tmp_path / "out")),
    )
    figures = {(row["method"], row["shots"]): row for row in results(done)}
    assert {row["status"] for row in figures.values()} == {"ok"}, figures
    assert figures["attributes", 4]["accuracy"] > figures["bradley_terry", 4]["accuracy"] + 0.2
    (kept,) = (tmp_path / "out" / "features").iterdir()
    with np.load(kept) as archive:
        assert len(archive["keys"]) > 2 * 128  # the bank's replies too
