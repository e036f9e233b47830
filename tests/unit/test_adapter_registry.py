"""The registry of adapters: what it adds, publishes and deletes, and what it refuses to load."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from persona_engine.adapters.manifest import CONFIG, MANIFEST, WEIGHTS
from persona_engine.adapters.registry import AdapterRegistry, Origin
from persona_engine.errors import ArtefactError, ConflictError, InvalidInputError, NotFoundError
from persona_engine.store import Store
from persona_engine.types import Scope, TrainedAdapter

ORIGIN = Origin("terse", "b1", "dpo", users=("alice",), data="f1", metrics={"win": 0.7})


def trained(folder: Path, value: float = 1.0) -> TrainedAdapter:
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "x"}
    (folder / CONFIG).write_text(json.dumps(config))
    save_file({"a.lora_A.weight": np.full((2, 3), value, np.float32)}, folder / WEIGHTS)
    (folder / "README.md").write_text("PEFT writes one, nobody copies it.")
    return TrainedAdapter(folder, {"lr": 1e-4}, {"loss": 0.5})


@pytest.fixture
def sqlite(tmp_path: Path, sqlite_template: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}") as store:
        store.user(Scope("acme", "alice")).touch()
        yield store


@pytest.fixture
def registry(sqlite: Store, tmp_path: Path) -> AdapterRegistry:
    return AdapterRegistry(sqlite.tenant("acme"), tmp_path / "registry")


@pytest.fixture
def version(registry: AdapterRegistry, tmp_path: Path) -> str:
    return registry.add(trained(tmp_path / "trained"), ORIGIN).version


def folder_of(registry: AdapterRegistry, version: str) -> Path:
    return registry.open(version, base="b1")


def test_what_is_added_is_listed_and_vouched_for(registry, version, tmp_path) -> None:
    (row,) = registry.versions()
    assert (row.version, row.cluster, row.base, row.published) == (version, "terse", "b1", False)
    assert row.meta["metrics"] == {"win": 0.7}
    manifest = registry.verify(version)
    assert manifest.settings == {"trainer": {"lr": 1e-4}, "figures": {"loss": 0.5}}
    assert (manifest.data, manifest.trainer, manifest.version) == ("f1", "dpo", version)
    folder = folder_of(registry, version)
    assert {path.name for path in folder.iterdir()} == {CONFIG, WEIGHTS, MANIFEST}
    assert (folder / WEIGHTS).read_bytes() == (tmp_path / "trained" / WEIGHTS).read_bytes()


def test_adding_again_changes_nothing_and_mends_damage(registry, version, tmp_path) -> None:
    weights = folder_of(registry, version) / WEIGHTS
    weights.write_bytes(b"damaged")
    assert registry.add(trained(tmp_path / "trained"), ORIGIN).version == version
    registry.verify(version)
    assert len(registry.versions()) == 1
    assert [path.name for path in weights.parent.parent.glob(".*")] == [".lock"]


def test_other_tenants_have_other_adapters(registry, version, sqlite, tmp_path) -> None:
    other = AdapterRegistry(sqlite.tenant("../acme"), tmp_path / "registry")
    assert other.versions() == ()
    with pytest.raises(NotFoundError):
        other.open(version, base="b1")
    other.add(trained(tmp_path / "trained"), ORIGIN)
    assert folder_of(other, version) != folder_of(registry, version)
    other.delete(version)
    registry.verify(version)


def test_publish_roll_back_delete(registry, version, tmp_path) -> None:
    changes = []
    registry._changed = lambda: changes.append(1)
    second = registry.add(trained(tmp_path / "second", 2.0), ORIGIN).version
    for each in (version, second):
        registry.publish(each)
    assert registry.rollback("terse").version == version
    with pytest.raises(NotFoundError, match="before"):
        registry.rollback("terse")
    with pytest.raises(ConflictError, match="is published"):
        registry.delete(version)
    folder = folder_of(registry, version)
    registry.delete(version, force=True)
    assert not folder.exists()
    with pytest.raises(NotFoundError, match="no adapter of cluster 'terse' is published"):
        registry.rollback("terse")
    registry.unpublish(second)
    assert len(changes) == 5


def test_rolling_back_to_damaged_files_changes_nothing(registry, version, tmp_path) -> None:
    second = registry.add(trained(tmp_path / "second", 2.0), ORIGIN).version
    for each in (version, second):
        registry.publish(each)
    (folder_of(registry, version) / WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(ArtefactError, match="sha256"):
        registry.rollback("terse")
    assert registry.find(second).published
    registry.delete(version)
    with pytest.raises(NotFoundError, match="before"):
        registry.rollback("terse")


def test_bases_are_kept_apart(registry, version, tmp_path) -> None:
    other = Origin("terse", "b2", "dpo")
    second = registry.add(trained(tmp_path / "second"), other).version
    for each in (version, second):
        registry.publish(each)
    assert all(row.published for row in registry.versions())
    with pytest.raises(ConflictError, match="bases b1, b2"):
        registry.rollback("terse")
    with pytest.raises(ArtefactError, match="trained on base 'b2', the generator is 'b1'"):
        registry.open(second, base="b1")


def damage_extra(folder: Path) -> None:
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04 a pickle")


def damage_link(folder: Path) -> None:
    elsewhere = folder.parent.parent.parent / "elsewhere"
    shutil.move(folder / WEIGHTS, elsewhere)
    (folder / WEIGHTS).symlink_to(elsewhere)


def damage_folder_link(folder: Path) -> None:
    elsewhere = folder.parent.parent.parent / "elsewhere"
    shutil.move(folder, elsewhere)
    folder.symlink_to(elsewhere)


def damage_manifest(folder: Path) -> None:
    path = folder / MANIFEST
    path.write_text(path.read_text().replace("0.7", "0.9"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_extra, "'adapter_model.bin', which is no file of an adapter"),
        (damage_link, "'adapter_model.safetensors', which is a link"),
        (damage_folder_link, "is a link, which may lead outside the registry"),
        (damage_manifest, f"{MANIFEST} has sha256"),
        (lambda folder: (folder / CONFIG).write_text("{}"), f"{CONFIG} has sha256"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"x"), f"{WEIGHTS} has sha256"),
        (lambda folder: (folder / WEIGHTS).unlink(), f"lacks {WEIGHTS}"),
        (shutil.rmtree, "is no folder of the registry"),
    ],
)
def test_nothing_else_is_loaded(registry, version, damage, message) -> None:
    registry.publish(version)
    damage(folder_of(registry, version))
    for refuse in (registry.verify, registry.publish, lambda v: registry.open(v, base="b1")):
        with pytest.raises(ArtefactError, match=message):
            refuse(version)


def test_rows_that_point_elsewhere_are_refused(registry, version, sqlite) -> None:
    from sqlalchemy import create_engine, text

    opened = create_engine(str(sqlite._database._url))
    with opened.begin() as connection:
        connection.execute(text("UPDATE artefact SET path = '../../etc/manifest.json'"))
        connection.execute(text("UPDATE adapter SET artefact = '../../etc/manifest.json'"))
    opened.dispose()
    with pytest.raises(ArtefactError, match=r"points to '../../etc/manifest.json', which is out"):
        registry.verify(version)


def test_a_row_of_another_base_than_the_manifest_is_refused(registry, version, sqlite) -> None:
    from sqlalchemy import create_engine, text

    opened = create_engine(str(sqlite._database._url))
    with opened.begin() as connection:
        connection.execute(text("UPDATE adapter SET base = 'b9'"))
    opened.dispose()
    with pytest.raises(ArtefactError, match="has base 'b1', its row 'b9'"):
        registry.open(version, base="b9")


@pytest.mark.parametrize("bad", ["..", "../../x", "0123456789ABCDEF", "a/b", ""])
def test_versions_that_are_no_ids_name_no_folder(registry, version, bad) -> None:
    with pytest.raises(InvalidInputError, match="version is"):
        registry.delete(bad)
    with pytest.raises((NotFoundError, InvalidInputError)):
        registry.open(bad, base="b1")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / WEIGHTS).rename(f / "adapter_model.bin"), "only adapter_model.bin"),
        (lambda f: (f / WEIGHTS).write_bytes(b"\x80\x04 a pickle"), "that can be read"),
        (lambda f: (f / CONFIG).write_text('{"peft_type": "IA3"}'), "kind 'IA3', expected LORA"),
        (lambda f: (f / CONFIG).unlink(), CONFIG),
    ],
)
def test_other_formats_are_not_added(registry, tmp_path, damage, message) -> None:
    new = trained(tmp_path / "trained")
    damage(new.folder)
    with pytest.raises(ArtefactError, match=message):
        registry.add(new, ORIGIN)
    assert registry.versions() == ()
    assert not (tmp_path / "registry").exists()


def test_a_value_that_cannot_be_stored_leaves_nothing_behind(registry, tmp_path) -> None:
    for bad in (Origin("", "b1", "dpo"), Origin("c", "b1", "dpo", metrics={"x": float("nan")})):
        with pytest.raises(InvalidInputError):
            registry.add(trained(tmp_path / "trained"), bad)
    assert [p for p in (tmp_path / "registry").glob("*/*") if p.name != ".lock"] == []


def test_a_folder_that_cannot_be_written_is_told(registry, tmp_path) -> None:
    (tmp_path / "registry").write_text("a file")
    with pytest.raises(ArtefactError, match="cannot be written"):
        registry.add(trained(tmp_path / "trained"), ORIGIN)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
import persona_engine.adapters.staging as staging
from persona_engine.adapters.registry import AdapterRegistry
from persona_engine.store import Store
from test_adapter_registry import ORIGIN, trained
root, when = Path(sys.argv[1]), sys.argv[2]
store = Store(f"sqlite:///{root}/persona.db")
registry = AdapterRegistry(store.tenant("acme"), root / "registry")
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
if when == "copying":
    staging._sync = lambda folder: die() if folder.name.startswith(".half") else None
elif when == "before the row":
    registry._rows.save_adapter = die
elif when == "before the note goes":
    staging.Staging._settle = die
if when == "deleting":
    version = registry.add(trained(root / "killed", 3.0), ORIGIN).version
    staging.Staging._remove = die
    registry.delete(version)
registry.add(trained(root / "killed", 3.0), ORIGIN)
"""


@pytest.mark.parametrize(
    ("when", "listed"),
    [("copying", 1), ("before the row", 1), ("before the note goes", 2), ("deleting", 1)],
)
def test_a_killed_writer_leaves_nothing_half_done(registry, version, tmp_path, when, listed):
    root = Path(__file__).parents[2]
    paths = [str(root), str(root / "plugins"), str(Path(__file__).parent)]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), when, *paths]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(registry.versions()) == listed
    for row in registry.versions():
        registry.verify(row.version)
    registry.add(trained(tmp_path / "third", 4.0), ORIGIN)
    (place,) = (tmp_path / "registry").iterdir()
    names = {row.version for row in registry.versions()}
    assert {path.name for path in place.iterdir()} == {".lock", *names}
    assert len(names) == listed + 1


def test_two_hundred_adapters_list_fast(registry, sqlite, version) -> None:
    from persona_engine.store import Artefact, NewAdapter

    for n in range(199):
        file = Artefact(f"x/{n}/{MANIFEST}", "a" * 64, 1)
        new = NewAdapter(f"{n:016x}", f"group-{n % 20}", "b1", file, {"metrics": {"win": 0.7}})
        sqlite.tenant("acme").save_adapter(new, users=["alice"])
    start = time.perf_counter()
    assert len(registry.versions()) == 200
    assert time.perf_counter() - start < 0.1
    assert len(registry.versions("group-3")) == 10


def test_exports_are_what_servers_load(registry, version, tmp_path) -> None:
    target = tmp_path / "served"
    for _ in range(2):  # again, in place of the first
        found = registry.export(version, target, base_model="HuggingFaceTB/SmolLM2-135M-Instruct")
    assert found == target / version
    assert {path.name for path in found.iterdir()} == {CONFIG, WEIGHTS}
    config = json.loads((found / CONFIG).read_text())
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert config["r"] == 2
    with pytest.raises(InvalidInputError, match="base_model is ' '"):
        registry.export(version, target, base_model=" ")
    (found / "notes.txt").write_text("mine")
    with pytest.raises(ArtefactError, match=r"notes\.txt, which is no exported adapter"):
        registry.export(version, target, base_model="x")
    assert (found / "notes.txt").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match=r"is no folder|cannot be written"):
        registry.export(version, tmp_path / "file", base_model="x")


def test_a_steering_vector_is_kept_but_not_exported(registry, tmp_path) -> None:
    steered = trained(tmp_path / "steered")
    (steered.folder / CONFIG).write_text(json.dumps({"peft_type": "STEERING"}))
    version = registry.add(steered, ORIGIN).version
    assert (folder_of(registry, version) / WEIGHTS).is_file()
    with pytest.raises(InvalidInputError, match="STEERING, which servers of LoRA"):
        registry.export(version, tmp_path / "out", base_model="x")
    assert not (tmp_path / "out").exists()
