"""Bad input, one table: each has an error that says what and how to mend it, and loses nothing."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from persona_engine import PersonaEngine, errors
from persona_engine.cli.document import read_document
from persona_engine.config import EngineConfig
from persona_engine.errors import (
    ArtefactError,
    ConfigError,
    ConflictError,
    FingerprintMismatchError,
    GenerationError,
    InvalidInputError,
    MissingExtraError,
    NoPopulationError,
    NotFoundError,
    PersonaError,
    PluginError,
    SchemaVersionError,
    ScopeError,
    StoreError,
    StoreUnavailableError,
    WeightsError,
)
from persona_engine.index import VectorCache
from persona_engine.onboarding import question_bank, shipped
from persona_engine.store import Store
from persona_engine.traces import trace_to_json
from persona_engine.types import Instruction, Population, Scope, Trace

ANN, BOB = Scope("default", "ann"), Scope("default", "bob")
BANK = question_bank()
ASK = [{"role": "user", "content": "Why is the sky blue?"}]
NAN, INF = float("nan"), float("inf")
HALF = "half a \ud800 pair"
KEPT = ("replies", "comparisons", "ratings", "instructions")


class World:
    """Ann and Bob, who have a past, and the folder of their database."""

    def __init__(self, folder: Path, smollm2: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.smollm2, self.patch = folder, smollm2, patch
        self.path = folder / "persona.db"
        self.opened: list[PersonaEngine] = []
        self.engine = self.open()
        self.ann, self.bob = self.engine.user("ann"), self.engine.user("bob")

    def open(self, **settings: Any) -> PersonaEngine:
        """Open another engine, on the same database unless told otherwise."""
        defaults = {
            "database": f"sqlite:///{self.path}",
            "generator": str(self.smollm2),
            "data_folder": self.folder / "index",
            "population_refresh_seconds": 0.0,
        }
        self.opened.append(PersonaEngine(config=EngineConfig(**{**defaults, **settings})))
        return self.opened[-1]

    def file(self, name: str, content: bytes) -> Path:
        """Write a file to import."""
        path = self.folder / name
        path.write_bytes(content)
        return path

    @contextmanager
    def changed(self, statement: str, undo: str) -> Iterator[None]:
        """Change the database behind the engine's back, and back again."""
        with closing(sqlite3.connect(self.path)) as raw:
            raw.execute("CREATE TABLE kept AS SELECT * FROM population")
            raw.execute("CREATE TABLE kept_posterior AS SELECT * FROM posterior")
            raw.execute(statement)
            raw.commit()
            try:
                yield
            finally:
                raw.execute(undo)
                raw.execute("DROP TABLE kept")
                raw.execute("DROP TABLE kept_posterior")
                raw.commit()

    def damaged_population(self) -> Any:
        return self.changed(
            "UPDATE population SET state = substr(state, 1, 99)",
            "UPDATE population SET state = (SELECT state FROM kept "
            "WHERE kept.version = population.version AND kept.tenant = population.tenant)",
        )

    def damaged_posteriors(self) -> Any:
        return self.changed(
            "UPDATE posterior SET blob = x'00'",
            "UPDATE posterior SET blob = (SELECT blob FROM kept_posterior AS k "
            "WHERE k.tenant = posterior.tenant AND k.user = posterior.user)",
        )

    def kept(self) -> dict[str, Any]:
        """Return the rows that must outlive every error."""
        users = [self.engine.store.user(scope).export() for scope in (ANN, BOB)]
        return {f"{each['user']} {name}": each[name] for each in users for name in KEPT}


def make_past(folder: Path, smollm2: Path) -> None:
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=str(smollm2),
        data_folder=folder / "index",
    )
    with PersonaEngine(config=config) as engine:
        for scope in (ANN, BOB):
            user, rows = engine.user(scope.user), engine.store.user(scope)
            user.prefer(BANK[0], "a", idempotency_key="first")
            user.prefer(BANK[40], "b")
            rows.add_instruction(
                replace(_wish(), id=f"wish-{scope.user}", text=f"Call me {scope.user}.")
            )
            rows.save_reply(
                f"reply-{scope.user}",
                prompt=ASK,
                text="Because.",
                candidates=["Because.", "Light scatters."],
                trace=trace_to_json(Trace(False, "base")),
            )
            rows.rate(f"reply-{scope.user}", 0.5)


def _wish() -> Instruction:
    return Instruction("w", "Be brief.", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Path:
    folder = tmp_path_factory.mktemp("past")
    make_past(folder, smollm2)
    return folder / "persona.db"


@pytest.fixture
def world(
    tmp_path: Path, past: Path, smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    shutil.copy(past, tmp_path / "persona.db")
    made = World(tmp_path, smollm2, monkeypatch)
    yield made
    for engine in made.opened:
        engine.close()


@dataclass(frozen=True)
class Case:
    """What is done, the class of the error, and what message and remedy hold."""

    name: str
    do: Callable[[World], object]
    error: type[PersonaError]
    says: str
    remedy: str | None = None


def message(**changes: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": "Hi", **changes}]


def pair(**changes: object) -> dict[str, object]:
    return {"user": "ann", "prompt": "p", "chosen": "a", "rejected": "b", **changes}


def exported(w: World, **changes: object) -> dict[str, Any]:
    return {**w.ann.export(), **changes}


def first(w: World, section: str, **changes: object) -> dict[str, Any]:
    """Return Ann's document with the first row of a section changed."""
    document = w.ann.export()
    document[section][0].update(changes)
    return document


def import_file(w: World, content: bytes, name: str = "pairs.jsonl") -> object:
    return w.engine.import_file(w.file(name, content))


def in_child(work: Callable[[], object]) -> None:
    """Run in a forked child and raise here what it raised there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "AssertionError\0nothing was raised\0"
        try:
            work()
        except PersonaError as error:
            said = f"{type(error).__name__}\0{error.message}\0{error.remedy or ''}"
        except BaseException as error:
            said = f"AssertionError\0{error!r}\0"
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        kind, text, remedy = pipe.read().split("\0")
    raise getattr(errors, kind, AssertionError)(text, **({"remedy": remedy} if remedy else {}))


def fill_the_disk(w: World, answer: Callable[[PersonaEngine, int], object]) -> None:
    def work() -> None:
        engine = w.open()
        size = w.path.stat().st_size + 200_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        for number in range(10_000):
            answer(engine, number)

    in_child(work)


def damage_shipped(w: World, name: str, change: Callable[[bytes], bytes]) -> object:
    """Open an engine whose package data are damaged, and ask for a new tenant."""
    root = w.folder / "default_population"
    shutil.copytree(shipped.shipped_root(), root)
    (path,) = root.glob(f"*/{name}")
    path.write_bytes(change(path.read_bytes()))
    w.patch.setattr(shipped, "shipped_root", lambda: root)
    return w.open().user("new", tenant="new").neighbours()


def newer_schema(w: World) -> object:
    with w.changed(
        "UPDATE alembic_version SET version_num = '9999'",
        f"UPDATE alembic_version SET version_num = '{w.engine.store.head()}'",
    ):
        return w.open()


def locked(w: World) -> object:
    w.patch.setattr("persona_engine.store.database.BUSY_SECONDS", 0.05)
    engine = w.open()
    with closing(sqlite3.connect(w.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        return engine.user("ann").prefer(BANK[5], "a")


def another_programs(w: World) -> object:
    with closing(sqlite3.connect(w.folder / "other.db")) as raw:
        raw.execute("CREATE TABLE shopping (item TEXT)")
    return w.open(database=f"sqlite:///{w.folder}/other.db")


def mismatched(w: World) -> object:
    learner = w.engine._runtime.learner
    belief = learner.belief(ANN)
    other = Population(
        belief.population.reward_model,
        "another/space",
        belief.population.arrays,
        belief.population.meta,
    )
    features = np.zeros((1, learner.features.width), np.float32)
    return learner.model.score(other, [belief.posterior], features)


def without(w: World, module: str) -> World:
    w.patch.setitem(sys.modules, module, None)
    return w


def with_damage(damage: Any, do: Callable[[], object]) -> object:
    with damage:
        return do()


def twice(w: World) -> object:
    stream = w.ann.stream(ASK)
    stream.close()
    return list(stream)


NAMES = [
    Case("empty user", lambda w: w.engine.user(""), ScopeError, "user is ''", "stable id"),
    Case("user None", lambda w: w.engine.user(None), ScopeError, "user is None"),
    Case("user a number", lambda w: w.engine.user(7), ScopeError, "user is 7"),
    Case("endless user", lambda w: w.engine.user("x" * 257), ScopeError, "1 to 256"),
    Case("user with NUL", lambda w: w.engine.user("a\0b"), ScopeError, "'a\\x00b'"),
    Case("user of two lines", lambda w: w.engine.user("a\nb"), ScopeError, "'a\\nb'"),
    Case("user half a pair", lambda w: w.engine.user(HALF), ScopeError, "\\ud800"),
    Case("blank tenant", lambda w: w.engine.user("a", tenant=" "), ScopeError, "tenant is ' '"),
    Case("doctor's tenant", lambda w: w.engine.doctor(tenant=""), ScopeError, "tenant is ''"),
    Case("fit's tenant", lambda w: w.engine.fit(tenant=""), ScopeError, "tenant is ''"),
]

ONBOARDING = [
    *(
        Case(f"{n!r} questions", lambda w, n=n: w.ann.onboard(questions=n), InvalidInputError, says)
        for n, says in [(0, "is 0"), (True, "is True"), ("4", "is '4'"), (1.5, "1.5"), (NAN, "nan")]
    ),
    Case(
        "unknown question",
        lambda w: w.ann.prefer("length-99", "a"),
        NotFoundError,
        "'length-99'",
        "onboard()",
    ),
    Case("question None", lambda w: w.ann.prefer(None, "a"), InvalidInputError, "asked is None"),
    Case("side c", lambda w: w.ann.prefer(BANK[1], "c"), InvalidInputError, "choice is 'c'"),
    Case("side 0", lambda w: w.ann.prefer(BANK[1], 0), InvalidInputError, "choice is 0"),
    Case(
        "blank key",
        lambda w: w.ann.prefer(BANK[1], "a", idempotency_key=""),
        InvalidInputError,
        "idempotency_key is ''",
    ),
    Case(
        "key used for another answer",
        lambda w: w.ann.prefer(BANK[0], "b", idempotency_key="first"),
        ConflictError,
        "'first'",
        "new key",
    ),
]

COMPARING = [
    *(
        Case(
            f"compare with {name}",
            lambda w, given=given: w.ann.compare(
                **{"prompt": "p", "chosen": "a", "rejected": "b", **given}
            ),
            InvalidInputError,
            says,
        )
        for name, given, says in [
            ("chosen blank", {"chosen": " \n"}, "blank"),
            ("rejected None", {"rejected": None}, "None"),
            ("chosen bytes", {"chosen": b"a"}, "b'a'"),
            ("chosen huge", {"chosen": "x" * 1_000_001}, "1,000,001 characters"),
            ("prompt huge", {"prompt": "x" * 10_000_001}, "10,000,001 characters"),
            ("chosen NUL", {"chosen": "a\0"}, "NUL"),
            ("rejected half a pair", {"rejected": HALF}, "character 7"),
            ("prompt half a pair", {"prompt": HALF}, "character 7"),
            ("prompt None", {"prompt": None}, "None"),
            ("prompt empty", {"prompt": []}, "[]"),
            ("no user turn", {"prompt": message(role="assistant")}, "no user turn"),
            ("weight NaN", {"weight": NAN}, "weight is nan"),
            ("weight inf", {"weight": INF}, "weight is inf"),
            ("weight negative", {"weight": -0.5}, "weight is -0.5"),
            ("weight huge", {"weight": 1e300}, "weight is 1e+300"),
            ("weight bool", {"weight": True}, "weight is True"),
            ("weight text", {"weight": "1"}, "weight is '1'"),
        ]
    ),
]

FEEDBACK = [
    *(
        Case(
            f"feedback on {name}",
            lambda w, reply=reply: w.ann.feedback(reply, rating=1),
            kind,
            says,
        )
        for name, reply, kind, says in [
            ("an unknown reply", "nowhere", NotFoundError, "'nowhere'"),
            ("another's reply", "reply-bob", NotFoundError, "'reply-bob'"),
            ("no reply", None, InvalidInputError, "None"),
            ("half a pair", HALF, InvalidInputError, "\\ud800"),
        ]
    ),
    Case(
        "feedback from another tenant",
        lambda w: w.engine.user("ann", tenant="other").feedback("reply-ann", rating=1),
        NotFoundError,
        "'reply-ann'",
    ),
    *(
        Case(
            f"feedback {given!r:.40}",
            lambda w, given=given: w.ann.feedback("reply-ann", **given),
            InvalidInputError,
            says,
        )
        for given, says in [
            ({}, "exactly one"),
            ({"rating": 1, "chosen": 0}, "exactly one"),
            ({"rating": NAN}, "rating is nan"),
            ({"rating": -INF}, "rating is -inf"),
            ({"rating": 1.5}, "rating is 1.5"),
            ({"rating": True}, "rating is True"),
            ({"rating": "good"}, "rating is 'good'"),
            ({"better": ""}, "better is ''"),
            ({"better": "Because. "}, "the reply itself"),
            ({"better": HALF}, "surrogate"),
            ({"better": 3}, "better is 3"),
            ({"chosen": 2}, "chosen is 2"),
            ({"chosen": -1}, "chosen is -1"),
            ({"chosen": False}, "chosen is False"),
            ({"chosen": "Neither."}, "'Neither.'"),
        ]
    ),
    Case("explain", lambda w: w.ann.explain("reply-bob"), NotFoundError, "'reply-bob'"),
]

INSTRUCTIONS = [
    *(
        Case(
            f"instruct {name}",
            lambda w, given=given: w.ann.instruct(**{"text": "Be brief.", **given}),
            InvalidInputError,
            says,
        )
        for name, given, says in [
            ("blank", {"text": "\u200b "}, "blank"),
            ("endless", {"text": "x" * 2_001}, "2,001 characters"),
            ("bell", {"text": "ring \a"}, "U+0007"),
            ("half a pair", {"text": HALF}, "position 7"),
            ("bytes", {"text": b"x"}, "bytes"),
            ("kind", {"kind": "wish"}, "'wish'"),
            ("strength", {"strength": 1}, "strength is 1"),
            ("no zone", {"valid_until": datetime(2030, 1, 1)}, "2030-01-01"),
            ("time as text", {"valid_until": "tomorrow"}, "'tomorrow'"),
            ("scope endless", {"scope": "x" * 201}, "201 characters"),
        ]
    ),
    Case("revise unknown", lambda w: w.ann.revise("x", "y"), NotFoundError, "'x'", "list"),
    Case("revise another's", lambda w: w.ann.revise("wish-bob", "y"), NotFoundError, "'wish-bob'"),
    Case("retract another's", lambda w: w.ann.retract("wish-bob"), NotFoundError, "'wish-bob'"),
    Case("revise to nothing", lambda w: w.ann.revise("wish-ann", " "), InvalidInputError, "blank"),
    Case("find nothing", lambda w: w.ann.find_instructions(" "), InvalidInputError, "' '"),
    Case(
        "find none",
        lambda w: w.ann.find_instructions("x", count=0),
        InvalidInputError,
        "count is 0",
    ),
    Case("find half", lambda w: w.ann.find_instructions(HALF), InvalidInputError, "surrogate"),
]

CHATTING = [
    *(
        Case(
            f"{way} {name}",
            lambda w, way=way, bad=bad: getattr(w.ann, way)(bad),
            InvalidInputError,
            says,
        )
        for way in ("chat", "stream", "personalize")
        for name, bad, says in [
            ("nothing", [], "[]"),
            ("text", "Hello", "'Hello'"),
            ("bytes", b"Hello", "Hello"),
            ("a number in a list", [3], "message 0 is 3"),
            ("unknown role", message(role="robot"), "'robot'"),
            ("no content", message(content=None), "content None"),
            ("huge content", message(content="x" * 1_000_001), "1,000,001"),
            ("half a pair", message(content=HALF), "surrogate"),
            ("NUL", message(content="\0"), "NUL"),
            ("an object for a name", message(name=object()), "JSON"),
        ]
    ),
    *(
        Case(
            f"chat {given}",
            lambda w, given=given: w.ann.chat(ASK, **given),
            InvalidInputError,
            says,
        )
        for given, says in [
            ({"candidates": 0}, "candidates is 0"),
            ({"candidates": True}, "candidates is True"),
            ({"candidates": 1e9}, "candidates is 1000000000.0"),
            ({"max_tokens": 0}, "max_tokens is 0"),
            ({"max_tokens": 1.5}, "max_tokens is 1.5"),
            ({"max_tokens": True}, "max_tokens is True"),
            ({"temperature": NAN}, "temperature is nan"),
            ({"temperature": "hot"}, "temperature is 'hot'"),
            ({"temperature": -1}, "temperature is -1"),
            ({"seed": -1}, "seed is -1"),
            ({"seed": None}, "seed is None"),
        ]
    ),
    *(
        Case(
            f"rank {name}",
            lambda w, prompt=prompt, bad=bad: w.ann.rank(prompt, bad),
            InvalidInputError,
            says,
        )
        for name, prompt, bad, says in [
            ("nothing", "p", [], "[]"),
            ("a text", "p", "abc", "'abc'"),
            ("a blank", "p", ["a", " "], "blank"),
            ("None", "p", [None], "None"),
            ("half a pair", "p", [HALF], "surrogate"),
            ("no prompt", [], ["a"], "[]"),
            ("half a prompt", HALF, ["a"], "surrogate"),
            ("prompt None", None, ["a"], "None"),
        ]
    ),
    Case("no neighbours", lambda w: w.ann.neighbours(0), InvalidInputError, "count is 0"),
    Case("neighbours nan", lambda w: w.ann.neighbours(NAN), InvalidInputError, "count is nan"),
    Case("a closed stream", twice, GenerationError, "closed"),
]

IMPORTS = [
    *(
        Case(
            f"import row with {name}",
            lambda w, bad=bad: w.engine.import_comparisons([pair(user="new"), bad]),
            kind,
            says,
        )
        for name, bad, kind, says in [
            ("no mapping", 3, InvalidInputError, "row 2 is 3"),
            ("no chosen", {"user": "a", "prompt": "p"}, InvalidInputError, "row 2 lacks 'chosen'"),
            ("NaN weight", pair(weight=NAN), InvalidInputError, "row 2: weight is nan"),
            ("bool weight", pair(weight=True), InvalidInputError, "row 2: weight is True"),
            ("NUL", pair(prompt="\0"), InvalidInputError, "row 2: prompt"),
            ("half a pair", pair(chosen=HALF), InvalidInputError, "row 2: "),
            ("blank user", pair(user=""), ScopeError, "row 2: user is ''"),
            ("list for a user", pair(user=[1]), ScopeError, "row 2: user is [1]"),
        ]
    ),
    *(
        Case(
            f"import file with {name}",
            lambda w, content=content, file=file: import_file(w, content, file),
            InvalidInputError,
            says,
        )
        for name, content, file, says in [
            ("bad UTF-8", b'{"user": "\xff"}', "p.jsonl", "byte 0xff at position 10"),
            ("bad JSON", b"{", "p.jsonl", "line 1 is not JSON"),
            ("NaN", b'{"user": NaN}', "p.jsonl", "NaN is no JSON number"),
            ("nothing", b"", "p.jsonl", "no comparison"),
            ("no archive", b"{}", "p.jsonl.gz", "cannot be read"),
            ("half an archive", gzip.compress(b"{}")[:-3], "p.jsonl.gz", "cannot be read"),
            (
                "half a pair",
                b'{"user":"a","prompt":"p","chosen":"\\ud800","rejected":"b"}',
                "p.jsonl",
                "surrogate",
            ),
        ]
    ),
    Case(
        "import a folder",
        lambda w: w.engine.import_file(w.folder, format="jsonl"),
        InvalidInputError,
        "Is a directory",
    ),
    Case(
        "import a list",
        lambda w: w.ann.import_(read_document(w.file("a.json", b"[]"))),
        InvalidInputError,
        "JSON list",
        "persona export",
    ),
    *(
        Case(f"import {name}", lambda w, make=make: w.bob.import_(make(w)), kind, says)
        for name, make, kind, says in [
            ("None", lambda w: None, InvalidInputError, "not an export"),
            ("no export", lambda w: {}, InvalidInputError, "not an export"),
            ("version 2", lambda w: exported(w, version=2), InvalidInputError, "version 2"),
            ("text", lambda w: exported(w, ratings="x"), InvalidInputError, "ratings is a str"),
            (
                "a NaN rating",
                lambda w: first(w, "ratings", value=NAN),
                InvalidInputError,
                "ratings[0]: rating is nan",
            ),
            (
                "yesterday",
                lambda w: first(w, "comparisons", created_at="yesterday"),
                InvalidInputError,
                "'yesterday'",
            ),
            (
                "a reply that is not there",
                lambda w: exported(w, replies=[]),
                InvalidInputError,
                "'reply-ann'",
            ),
            (
                "an id twice",
                lambda w: exported(w, instructions=w.ann.export()["instructions"] * 2),
                InvalidInputError,
                "occurs twice",
            ),
            (
                "a bad status",
                lambda w: first(w, "instructions", status="maybe"),
                InvalidInputError,
                "'maybe'",
            ),
        ]
    ),
    Case(
        "import other content",
        lambda w: w.ann.import_(first(w, "comparisons", chosen="other")),
        ConflictError,
        "other content",
        "forget",
    ),
]

SETTINGS = [
    Case(
        "too few to fit", lambda w: w.engine.fit(), InvalidInputError, "4 comparisons", "--default"
    ),
    Case("fit's seed", lambda w: w.engine.fit(seed=-1), InvalidInputError, "seed is -1"),
    Case("default's seed", lambda w: w.engine.fit_default(seed=1.5), InvalidInputError, "1.5"),
    Case(
        "unknown reward model",
        lambda w: w.open(reward_model="astrology"),
        PluginError,
        "'astrology'",
        "install",
    ),
    Case(
        "unknown reward model to fit",
        lambda w: w.engine.fit(reward_model="astrology"),
        PluginError,
        "'astrology'",
    ),
    Case(
        "blocked reward model",
        lambda w: w.open(blocked_plugins=("hierarchical",)),
        PluginError,
        "'hierarchical' is blocked",
    ),
    Case(
        "unknown decoder",
        lambda w: w.open(decoder="oracle").user("ann").chat(ASK, personal=False),
        PluginError,
        "'oracle'",
    ),
    Case(
        "unknown selector",
        lambda w: w.open(instruction_selector="oracle")._runtime.selector,
        PluginError,
        "'oracle'",
    ),
    Case(
        "unknown feature encoder",
        lambda w: w.open(feature_encoder="oracle").user("ann").neighbours(),
        PluginError,
        "'oracle'",
    ),
    Case(
        "unknown plugin setting",
        lambda w: w.open(plugin_settings={"best_of_n": {"speed": 9}})._runtime.decoders.named(
            "best_of_n"
        ),
        ConfigError,
        "['speed']",
        "settings are",
    ),
    Case(
        "bad plugin setting",
        lambda w: w.open(plugin_settings={"applicability": {"threshold": NAN}})._runtime.selector,
        ConfigError,
        "threshold is nan",
    ),
    Case(
        "selector of another encoder",
        lambda w: (
            w.open(
                plugin_settings={"applicability": {"fingerprint": "another/space"}}
            )._runtime.selector
        ),
        FingerprintMismatchError,
        "another/space",
    ),
    Case(
        "posterior of another space", mismatched, FingerprintMismatchError, "another/space", "fit"
    ),
    Case(
        "no generator",
        lambda w: w.open(generator=None).user("ann").chat(ASK),
        ConfigError,
        "generator is None",
        "rank()",
    ),
    Case(
        "no weights",
        lambda w: w.open(generator="/no/such/weights").user("ann").chat(ASK),
        WeightsError,
        "/no/such/weights",
    ),
    Case(
        "a file for weights",
        lambda w: w.open(generator=str(w.path)).user("ann").chat(ASK),
        WeightsError,
        "persona.db",
    ),
    Case("unknown setting", lambda w: w.open(colour="blue"), ConfigError, "colour is 'blue'"),
    Case("bool candidates", lambda w: w.open(candidates=True), ConfigError, "candidates is True"),
    Case("no URL", lambda w: w.open(database="persona.db"), ConfigError, "'persona.db'"),
    Case("no SQL", lambda w: w.open(database="redis://x"), ConfigError, "redis"),
    Case("in memory", lambda w: w.open(database="sqlite:///:memory:"), ConfigError, "no file"),
]

SURROUNDINGS = [
    Case(
        "missing folder",
        lambda w: w.open(database=f"sqlite:///{w.folder}/no/persona.db"),
        StoreUnavailableError,
        "no/persona.db",
        "create the folder",
    ),
    Case(
        "a file for a folder",
        lambda w: w.open(database=f"sqlite:///{w.path}/persona.db"),
        StoreUnavailableError,
        "persona.db/persona.db",
        "folder",
    ),
    Case(
        "a folder for a database",
        lambda w: w.open(database=f"sqlite:///{w.folder}"),
        StoreUnavailableError,
        "unable to open",
        "readable",
    ),
    Case(
        "read-only database",
        lambda w: (
            w.open(database=f"sqlite:///file:{w.path}?mode=ro&uri=true")
            .user("ann")
            .prefer(BANK[9], "a")
        ),
        StoreUnavailableError,
        "readonly",
        "writable",
    ),
    Case(
        "no database",
        lambda w: w.open(database=f"sqlite:///{w.file('x.db', b'shopping ' * 999)}"),
        StoreError,
        "not a database",
        "backup",
    ),
    Case("another program's", another_programs, StoreError, "shopping", "another file"),
    Case("newer schema", newer_schema, SchemaVersionError, "'9999'", "newer persona-engine"),
    Case("locked", locked, StoreUnavailableError, "locked", "another process"),
    Case(
        "no server",
        lambda w: w.open(database="postgresql://me:secret@127.0.0.1:1/none"),
        StoreUnavailableError,
        "127.0.0.1",
        "server is up",
    ),
    Case(
        "no driver",
        lambda w: without(w, "psycopg").open(database="postgresql://me@host/name"),
        MissingExtraError,
        "psycopg",
        "persona-engine[postgres]",
    ),
    Case(
        "no faiss",
        lambda w: VectorCache(
            without(w, "faiss").folder, tenant="t", kind="users", fingerprint="f", backend="faiss"
        ),
        MissingExtraError,
        "faiss",
        "persona-engine[local]",
    ),
    Case(
        "full disk while answering",
        lambda w: fill_the_disk(
            w, lambda engine, n: engine.user(f"user {n}").prefer(BANK[n % 128], "a")
        ),
        StoreUnavailableError,
        "disk",
        "disk",
    ),
    Case(
        "full disk while importing",
        lambda w: fill_the_disk(
            w,
            lambda engine, n: engine.import_comparisons([pair(prompt="x" * 50_000)] * 3),
        ),
        StoreUnavailableError,
        "disk",
        "disk",
    ),
    Case(
        "damaged population",
        lambda w: with_damage(w.damaged_population(), lambda: w.open().user("ann").neighbours()),
        ArtefactError,
        "population is damaged",
        "persona fit",
    ),
    Case(
        "damaged posterior",
        lambda w: with_damage(w.damaged_posteriors(), lambda: w.open().user("cat").neighbours()),
        ArtefactError,
        "posterior is damaged",
        "persona fit",
    ),
    Case(
        "damaged shipped manifest",
        lambda w: damage_shipped(w, "manifest.json", lambda content: content[:50]),
        ArtefactError,
        "manifest.json",
        "install persona-engine again",
    ),
    Case(
        "shipped manifest of another bank",
        lambda w: damage_shipped(
            w, "manifest.json", lambda content: content.replace(b'"bank": "', b'"bank": "0')
        ),
        ArtefactError,
        "bank is '0",
        "install persona-engine again",
    ),
    Case(
        "damaged shipped arrays",
        lambda w: damage_shipped(
            w, "population.safetensors", lambda content: content[:-1] + b"\x55"
        ),
        ArtefactError,
        "sha256",
        "install persona-engine again",
    ),
    Case(
        "no population",
        lambda w: (
            w.patch.setattr(shipped, "shipped_root", lambda: w.folder / "none"),
            list(w.open().user("new", tenant="new").neighbours()),
        ),
        NoPopulationError,
        "no population",
        "persona fit --default",
    ),
]

CASES = [
    *NAMES,
    *ONBOARDING,
    *COMPARING,
    *FEEDBACK,
    *INSTRUCTIONS,
    *CHATTING,
    *IMPORTS,
    *SETTINGS,
    *SURROUNDINGS,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_named_and_nothing_is_lost(world: World, case: Case) -> None:
    before, known = world.kept(), world.engine.store.tenant("default").users()

    with pytest.raises(PersonaError) as caught:
        case.do(world)

    assert type(caught.value) is case.error, repr(caught.value)
    assert case.says in caught.value.message
    assert case.remedy is None or case.remedy in str(caught.value.remedy)
    assert len(caught.value.message) < 2_000
    after = world.kept()
    assert {name: rows[: len(before[name])] for name, rows in after.items()} == before
    assert world.engine.store.check() == ()
    if "full disk" not in case.name:
        assert after == before
        assert world.engine.store.tenant("default").users() == known


def test_the_table_is_long_enough() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("damage", ["garbage", "cut", "missing", "a file for the folder"])
def test_a_useless_index_costs_a_rebuild_and_nothing_else(world: World, damage: str) -> None:
    wanted = world.ann.neighbours()
    (path,) = (world.folder / "index").glob("*/*/users.index")
    if damage == "garbage":
        path.write_bytes(b"\xff" * 500)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        shutil.rmtree(world.folder / "index")
    if damage == "a file for the folder":
        (world.folder / "index").write_bytes(b"")
    engine = world.open()
    assert engine.user("ann").neighbours() == wanted
    assert [each.user for each in wanted] == ["bob"]
    assert engine.user("bob").forget().rows["comparison"] == 2
    assert engine.user("ann").neighbours() == ()


def test_feedback_outlives_a_damaged_population(world: World) -> None:
    with world.damaged_population():
        world.open().user("ann").prefer(BANK[9], "a")
        checks = {check.name: check for check in world.open().doctor()}
        assert not checks["population of tenant default"].ok
        assert checks["population of tenant default"].remedy
        assert not checks["database"].ok
    assert world.ann.profile().comparisons == 3
    assert world.engine.store.check() == ()


def test_without_faiss_the_neighbours_are_the_same(world: World) -> None:
    wanted = world.ann.neighbours()
    engine = without(world, "faiss").open()
    found = engine.user("ann").neighbours()
    assert [each.user for each in found] == [each.user for each in wanted] == ["bob"]


def test_store_opens_where_an_engine_failed(world: World) -> None:
    with pytest.raises(PluginError):
        world.open(reward_model="astrology")
    with Store(f"sqlite:///{world.path}") as store:
        assert store.check() == ()
