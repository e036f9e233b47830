"""What must not be kept is in no file of the database, whichever way a text came in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from persona_engine import EngineConfig, PersonaEngine
from persona_engine.errors import PluginError
from persona_engine.hookspecs import hookimpl
from persona_engine.store import ImportedComparison, NewComparison, as_it_is
from persona_engine.types import Scope

MAIL, PHONE = "ada@example.org", "+44 20 7946 0958"
TEXT = f"Write to {MAIL} or call {PHONE}."
ALICE = Scope("default", "alice")


@pytest.fixture
def engine(store_url):
    with PersonaEngine(config=EngineConfig(database=store_url, redactors=["personal_data"])) as it:
        yield it


def stored(engine: PersonaEngine) -> str:
    """Return all that the tables hold."""
    with engine.store._database.read() as connection:
        found = []
        for table in ("reply", "comparison", "instruction", "trait", "idempotency", "audit_event"):
            found += connection.exec_driver_sql(f"SELECT * FROM {table}").all()
    return repr(found)


def check_nothing_is_kept(engine: PersonaEngine) -> None:
    kept = stored(engine)
    assert "[e-mail]" in kept
    assert "[phone]" in kept
    assert MAIL not in kept
    assert "7946" not in kept


def test_instructions(engine):
    alice = engine.user("alice")
    wish = alice.instruct(TEXT, scope=f"if I ask for {MAIL}")
    assert wish.text == "Write to [e-mail] or call [phone]."
    assert alice.instructions() == (wish,)
    assert alice.revise(wish.id, f"Never call {PHONE}.").text == "Never call [phone]."
    check_nothing_is_kept(engine)


def test_replies_of_the_host_and_feedback_on_them(engine):
    rows = engine.store.user(ALICE)
    trace = {
        "candidates": [{"text": TEXT, "total": 1.0}],
        "instructions": [{"instruction": {"id": "2127365000", "text": TEXT}, "reason": TEXT}],
        "search": {"blocks": [{"candidates": [{"text": MAIL}], "note": PHONE}]},
    }
    rows.save_reply(
        "r1",
        prompt=[{"role": "user", "content": TEXT}],
        text=TEXT,
        candidates=[TEXT, "No."],
        trace=trace,
    )
    reply = rows.reply("r1")
    assert reply.candidates[0] == "Write to [e-mail] or call [phone]."
    assert reply.trace["instructions"][0]["instruction"]["id"] == "2127365000"  # an id is no phone
    assert trace["candidates"][0]["text"] == TEXT  # the caller's own
    check_nothing_is_kept(engine)


def test_comparisons(engine):
    alice = engine.user("alice")
    learned = engine.store.user(ALICE).record([NewComparison(TEXT, TEXT, "No.")])
    assert learned[0].chosen == "Write to [e-mail] or call [phone]."
    again = engine.store.user(ALICE).record(
        [NewComparison(TEXT, "Yes.", "No.")], idempotency_key="k"
    )
    same = engine.store.user(ALICE).record(
        [NewComparison(TEXT, "Yes.", "No.")], idempotency_key="k"
    )
    assert again == same
    assert len(alice.comparisons()) == 2
    check_nothing_is_kept(engine)


def test_imports_and_descriptions(engine, tmp_path):
    new = NewComparison(TEXT, "Yes.", "No.")
    engine.store.tenant("default").import_comparisons([ImportedComparison("bob", new, "key")])
    engine.store.user(ALICE).describe({"traits": TEXT})
    plain = tmp_path / "plain.db"
    with PersonaEngine(f"sqlite:///{plain}") as other:
        other.user("alice").instruct(TEXT)
        document = json.loads(json.dumps(other.user("alice").export()))
    engine.user("alice").import_(document)
    assert engine.user("alice").import_(document) == 0
    check_nothing_is_kept(engine)


def test_no_file_holds_it(tmp_path, sqlite_template):
    file = Path(shutil.copy(sqlite_template, tmp_path))
    config = EngineConfig(database=f"sqlite:///{file}", redactors=["personal_data"])
    with PersonaEngine(config=config) as engine:
        engine.user("alice").instruct(TEXT)
        engine.store.flush_log()
    everything = b"".join(each.read_bytes() for each in tmp_path.glob(f"{file.name}*"))
    assert b"[e-mail]" in everything
    assert MAIL.encode() not in everything


def test_it_is_off_by_default(store_url):
    with PersonaEngine(store_url) as engine:
        assert engine.store.redact is as_it_is
        assert engine.user("alice").instruct(TEXT).text == TEXT


class Fails:
    """A redactor that breaks on a word."""

    name = "fails"

    def redact(self, text: str) -> str:
        if "secret" in text:
            raise ValueError(text)
        return "" if "nothing" in text else text


class FailsPlugin:
    @hookimpl
    def persona_redactors(self):
        return {"fails": Fails}


@pytest.mark.parametrize("text", ["Keep my secret.", "Leave nothing of it."])
def test_what_cannot_be_redacted_is_not_stored(tmp_path, sqlite_template, text):
    url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}"
    config = EngineConfig(database=url, redactors=["fails"])
    with PersonaEngine(config=config, plugins=[FailsPlugin()]) as engine:
        alice = engine.user("alice")
        with pytest.raises(PluginError, match="redactor 'fails'") as caught:
            alice.instruct(text)
        assert text not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert alice.instructions() == ()
        with pytest.raises(PluginError, match="redactor 'fails'"):
            engine.store.user(ALICE).record([NewComparison("p", text, "No.")])
        assert engine.store.user(ALICE).comparisons() == ()


def test_an_unknown_redactor_is_refused_at_the_start(tmp_path, sqlite_template):
    url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}"
    with pytest.raises(PluginError, match="no active redactor is called 'nobody'"):
        PersonaEngine(config=EngineConfig(database=url, redactors=["nobody"]))
