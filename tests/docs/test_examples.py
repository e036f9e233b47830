"""The examples run as they are."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest
from fastapi.testclient import TestClient
from nbclient import NotebookClient

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig

EXAMPLES = Path(__file__).parents[2] / "examples"
CHAT = EXAMPLES / "fastapi_chat"
NOTEBOOK = EXAMPLES / "notebook" / "comparisons_to_adapter.ipynb"
SECONDS = 900  # most that one cell may take, on a machine that does much else


@pytest.fixture(scope="module")
def chat():
    """The module of the chat example."""
    spec = importlib.util.spec_from_file_location("fastapi_chat_example", CHAT / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def engine(tmp_path_factory, smollm2, minilm):
    folder = tmp_path_factory.mktemp("chat")
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        data_folder=folder / "data",
        generator=str(smollm2),
        sentence_encoder=str(minilm),
        max_tokens=6,
        candidates=3,
    )
    with PersonaEngine(config=config) as engine:
        yield engine


@pytest.fixture
def visitor(chat, engine):
    """A browser that has opened the page."""
    with TestClient(chat.create_app(engine)) as client:
        assert client.get("/").headers["content-type"].startswith("text/html")
        yield client


def say(*texts):
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def test_the_chat_is_short_and_takes_nothing_from_elsewhere():
    files = [path for path in CHAT.iterdir() if path.is_file()]
    assert {path.name for path in files} == {"app.py", "page.html"}
    assert sum(len(path.read_text().splitlines()) for path in files) < 150
    page = (CHAT / "page.html").read_text()
    assert not re.search(r"https?://|src=|@import|href=\"(?!data:)", page)


@pytest.mark.model
def test_thumbs_and_choices_are_learned_from(visitor, engine):
    left, right = visitor.post("/chat", json=say("How do I keep basil alive?")).json()
    assert left["text"] != right["text"]
    choice = {"reply": left["id"], "better": right["text"]}
    assert visitor.post("/feedback", json=choice).json() == {"learned": 1}
    (reply,) = visitor.post("/chat", json=say("Hello", "Name a fruit.")).json()
    done = visitor.post("/feedback", json={"reply": reply["id"], "rating": -1})
    assert done.status_code == 200
    assert visitor.get(f"/why/{reply['id']}").json()["text"]
    me = engine.user(visitor.cookies["visitor"])
    assert me.profile().comparisons == 1 + done.json()["learned"]


@pytest.mark.model
def test_a_visitor_has_no_part_in_anothers_replies(chat, engine, visitor):
    reply = visitor.post("/chat", json=say("Hi", "Hello")).json()[0]["id"]
    with TestClient(chat.create_app(engine)) as stranger:
        assert stranger.post("/chat", json=say("Hello")).status_code == 422  # not even a cookie
        stranger.get("/")
        assert stranger.get(f"/why/{reply}").status_code == 404
        stolen = stranger.post("/feedback", json={"reply": reply, "rating": 1})
        assert stolen.status_code == 404
    wrong = visitor.post("/feedback", json={"reply": reply, "rating": 1, "better": "x"})
    assert (wrong.status_code, "exactly one" in wrong.json()["detail"]) == (400, True)


@pytest.mark.model
@pytest.mark.slow
def test_the_notebook_runs(tmp_path, smollm2, minilm, monkeypatch):
    monkeypatch.setenv("PERSONA_NOTEBOOK_FOLDER", str(tmp_path))
    monkeypatch.setenv("PERSONA_GENERATOR", str(smollm2))
    monkeypatch.setenv("PERSONA_SENTENCE_ENCODER", str(minilm))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # committed without
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3")
    client.execute(cwd=str(tmp_path))
    said = [
        "".join(each.get("text", "") for each in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    assert "768 comparisons" in said[1]
    accuracy = dict(re.findall(r"(\w+ +after \d): (0\.\d+) right", said[2]))
    assert float(accuracy["hierarchical   after 8"]) > 0.75
    assert abs(float(accuracy["bradley_terry  after 8"]) - 0.5) < 0.12
    assert re.search(r"concise-\w+: 18 people", said[3])
    assert re.search(r"^(not )?published because", said[4])
    assert said[5].count("person-0") == 2
