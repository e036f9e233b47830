"""All that can be known and said of people over REST, on the kit's bigram model."""

from __future__ import annotations

import json
import threading

import pytest
from fastapi.testclient import TestClient

from persona_engine.server import ServerSettings, create_app
from persona_engine.testing import BigramGenerator
from tests.bigram_host import fitted, opened

ASK = [{"role": "user", "content": "Where shall we go ?"}]
PAIR = {"prompt": "Where to ?", "chosen": "home home", "rejected": "think think"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory, sqlite_template):
    folder = fitted(tmp_path_factory.mktemp("rest"), sqlite_template)
    with opened(folder, max_tokens=6) as engine:
        yield engine


@pytest.fixture(scope="module")
def client(engine):
    key = engine.store.api_keys.create("default", label="tests", scopes=["admin"]).secret
    app = create_app(engine, ServerSettings(preload=False, requests_per_minute=None))
    headers = {"Authorization": f"Bearer {key}"}
    with TestClient(app, headers=headers) as client:
        yield client


def ok(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def chatted(client, **given):
    model = ok(client.get("/v1/models"))["data"][0]["id"]
    asked = {"model": model, "messages": ASK, **given}
    return ok(client.post("/v1/chat/completions", json=asked))


def test_instructions_are_said_revised_retracted_and_undone(client):
    path = "/api/v1/users/writer/instructions"
    said = ok(client.post(path, json={"text": "Be brief.", "strength": "must"}), 201)
    assert said["strength"] == "must"
    again = ok(client.post(f"{path}/{said['id']}/revise", json={"text": "Be very brief."}))
    assert [each["id"] for each in ok(client.get(path))] == [again["id"]]
    assert ok(client.post(f"{path}/{again['id']}/retract"))["status"] == "retracted"
    assert ok(client.get(path)) == []
    assert ok(client.post(f"{path}/{again['id']}/undo"))[0]["status"] == "active"
    history = ok(client.get(path, params={"which": "all"}))
    assert {each["status"] for each in history} == {"active", "superseded"}
    assert ok(client.get(path, params={"which": "suggested"})) == []
    assert client.post(f"{path}/{said['id']}/revise", json={"text": "No."}).status_code == 409


def test_a_reply_is_explained_and_takes_all_four_kinds_of_feedback(client):
    reply = chatted(client, user="u1", persona={"candidates": 4})
    path = f"/api/v1/users/u1/replies/{reply['id']}"
    told = ok(client.get(path))
    assert told["trace"]["candidates"][0]["text"] == reply["choices"][0]["message"]["content"]
    for given in ({"rating": 1}, {"better": "home ."}, {"chosen": 1}, {"ranking": [1, 0]}):
        assert isinstance(ok(client.post(f"{path}/feedback", json=given), 201), list)
    assert client.post(f"{path}/feedback", json={}).status_code == 422
    assert client.post(f"{path}/feedback", json={"rating": 1, "chosen": 0}).status_code == 422
    assert client.post(f"{path}/feedback", json={"chosen": 99}).status_code == 422


def test_a_comparison_with_a_key_is_recorded_once(client):
    path, headers = "/api/v1/users/once/comparisons", {"Idempotency-Key": "order-1"}
    first, again = (ok(client.post(path, json=PAIR, headers=headers), 201) for _ in range(2))
    assert first == again
    assert len(ok(client.get(path))) == 1
    other = client.post(path, json={**PAIR, "chosen": "river"}, headers=headers)
    assert 400 <= other.status_code < 500


def test_comparisons_are_paged_newest_first(client):
    path = "/api/v1/users/pager/comparisons"
    for number in range(3):
        ok(client.post(path, json={**PAIR, "chosen": f"home {number}"}), 201)
    pages = [ok(client.get(path, params={"count": 2, "skip": skip})) for skip in (0, 2)]
    assert [each["chosen"] for page in pages for each in page] == ["home 2", "home 1", "home 0"]


def test_onboarding_asks_what_teaches_and_does_not_ask_twice(client):
    asked = ok(client.get("/api/v1/users/newcomer/question"))
    question = asked["question"]["id"]
    skipped = ok(client.get("/api/v1/users/newcomer/question", params={"skipped": question}))
    assert skipped["question"]["id"] != question
    given = {"question": question, "choice": "a"}
    answer = ok(client.post("/api/v1/users/newcomer/answers", json=given), 201)
    assert answer["question"] == question
    skip = {"question": question, "choice": "skip"}
    assert ok(client.post("/api/v1/users/newcomer/answers", json=skip), 201) is None
    assert ok(client.get("/api/v1/users/newcomer/question"))["question"]["id"] != question
    nothing = {"question": "no-such", "choice": "a"}
    assert client.post("/api/v1/users/newcomer/answers", json=nothing).status_code == 404


def test_a_profile_is_told_moved_and_forgotten_with_a_receipt(client):
    path = "/api/v1/users/mover"
    ok(client.post(f"{path}/comparisons", json=PAIR), 201)
    assert ok(client.put(f"{path}/steering", json={"strengths": {"concise": 1}})) == {
        "length": -1.0
    }
    ok(client.put(f"{path}/description", json={"locale": "de-AT"}))
    profile = ok(client.get(path))
    assert (profile["comparisons"], profile["traits"]) == (1, {"locale": "de-AT"})
    document = ok(client.get(f"{path}/export"))
    receipt = ok(client.delete(path))
    assert receipt["rows"]["comparison"] == 1
    assert len(receipt["sha256"]) == 64
    assert client.get(path).status_code == 404
    rows = ok(client.post(f"{path}/import", json={"document": document}))["rows"]
    assert rows > 0
    assert ok(client.get(path))["comparisons"] == 1
    assert client.post(f"{path}/import", json={"document": {"format": "x"}}).status_code == 422


def test_candidates_of_the_host_are_ranked_and_its_messages_personalised(client):
    asked = {"prompt": "Where to ?", "candidates": ["think think", "home home"]}
    assert ok(client.post("/api/v1/users/u1/rank", json=asked))["order"] in ([0, 1], [1, 0])
    told = ok(client.post("/api/v1/users/u1/personalize", json={"messages": ASK}))
    assert told["messages"] == ASK


def test_listening_suggests_and_accepting_puts_in_force(client):
    said = "From now on, never use emojis. Where to ?"
    heard = ok(
        client.post(
            "/api/v1/users/talker/listen",
            json={"messages": [{"role": "user", "content": said}]},
        )
    )
    (suggested,) = heard["suggested"]
    path = f"/api/v1/users/talker/instructions/{suggested['id']}/accept"
    assert ok(client.post(path))["status"] == "active"
    assert client.post(path).status_code == 409


def test_many_users_are_imported_and_listed_page_by_page(client):
    rows = [{"user": f"many{number}", **PAIR} for number in range(3)]
    assert ok(client.post("/api/v1/comparisons", json={"rows": rows})) == {"rows": 3}
    page = ok(client.get("/api/v1/users", params={"containing": "many", "count": 2}))
    rest = ok(client.get("/api/v1/users", params={"containing": "many", "after": page["next"]}))
    assert page["users"] + rest["users"] == ["many0", "many1", "many2"]
    assert rest["next"] is None
    assert client.post("/api/v1/comparisons", json={"rows": [{"user": "x"}]}).status_code == 422


def test_populations_are_listed_published_and_rolled_back(client):
    (population,) = ok(client.get("/api/v1/populations"))
    path = f"/api/v1/populations/{population['version']}/publish"
    assert ok(client.post(path))["published"]
    assert client.post("/api/v1/populations/rollback").status_code == 404
    assert client.post("/api/v1/populations/none/publish").status_code == 404
    assert ok(client.get("/api/v1/clusters")) is None


def test_adapters_that_are_not_there_are_not_found(client):
    assert ok(client.get("/api/v1/adapters")) == []
    for method, path in (
        ("GET", "/0" * 1),
        ("DELETE", "/0123456789abcdef"),
        ("POST", "/0123456789abcdef/publish"),
        ("POST", "/0123456789abcdef/unpublish"),
    ):
        assert client.request(method, f"/api/v1/adapters{path}").status_code == 404
    assert client.post("/api/v1/adapters/rollback", json={"cluster": "x"}).status_code == 404


def test_the_evaluation_report_is_shown_where_there_is_one(engine, client, tmp_path):
    assert client.get("/api/v1/evaluation").status_code == 404
    report = tmp_path / "results.json"
    report.write_text(json.dumps({"rows": [{"method": "x"}]}))
    settings = client.app.state.settings
    client.app.state.settings = settings.model_copy(update={"evaluation": report})
    try:
        assert ok(client.get("/api/v1/evaluation"))["rows"] == [{"method": "x"}]
        report.write_text("nothing")
        assert client.get("/api/v1/evaluation").status_code == 409
    finally:
        client.app.state.settings = settings


def test_a_full_queue_is_answered_with_a_time_to_come_again(engine):
    key = engine.store.api_keys.create("default", label="tests", scopes=["admin"]).secret
    small = ServerSettings(preload=False, chats=1, waiting_chats=0)
    headers = {"Authorization": f"Bearer {key}"}
    with TestClient(create_app(engine, small), headers=headers) as client:
        model = ok(client.get("/v1/models"))["data"][0]["id"]
        asked = {"model": model, "messages": ASK, "n": 2}
        for stream in (False, True):
            full = client.post("/v1/chat/completions", json={**asked, "stream": stream})
            assert full.status_code == 429, full.text
            assert int(full.headers["Retry-After"]) >= 1
            assert full.json()["error"]["type"] == "rate_limit_error"
        assert client.post("/v1/chat/completions", json={**asked, "n": 1}).status_code == 200


def test_what_takes_too_long_is_a_timeout(engine, monkeypatch):
    told, prefill = threading.Event(), BigramGenerator.prefill_each

    def waiting(self, prompts, *, seed):
        assert told.wait(30)
        return prefill(self, prompts, seed=seed)

    monkeypatch.setattr(BigramGenerator, "prefill_each", waiting)
    key = engine.store.api_keys.create("default", label="tests", scopes=["admin"]).secret
    short = ServerSettings(preload=False, chat_seconds=0.05)
    headers = {"Authorization": f"Bearer {key}"}
    with TestClient(create_app(engine, short), headers=headers) as client:
        model = ok(client.get("/v1/models"))["data"][0]["id"]
        try:
            late = client.post("/v1/chat/completions", json={"model": model, "messages": ASK})
        finally:
            told.set()
    assert late.status_code == 504
    assert late.json()["error"]["code"] == "timeout"


def test_an_app_says_when_it_is_ready(engine):
    with TestClient(create_app(engine, ServerSettings(preload=False))) as client:
        assert ok(client.get("/health")) == {"status": "ok"}
        for _ in range(200):
            answer = client.get("/ready")
            if answer.status_code == 200:
                break
        assert answer.json() == {"ready": True, "reason": None}
