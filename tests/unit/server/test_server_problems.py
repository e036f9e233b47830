"""Errors as HTTP: their status, in the words of whoever asked, and nothing of what is inside."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from persona_engine import errors
from persona_engine.server import problems
from persona_engine.server.problems import Problem, RefusedError
from persona_engine.server.work import BusyError

STATUS = {
    errors.InvalidInputError("x is 1", remedy="pass 2"): (422, "invalid_input"),
    errors.ScopeError("user is ''"): (422, "invalid_input"),
    errors.NotFoundError("no x"): (404, "not_found"),
    errors.ConflictError("taken"): (409, "conflict"),
    errors.FingerprintMismatchError("other"): (409, "conflict"),
    errors.NoPopulationError("none"): (409, "no_population"),
    errors.ArtefactError("damaged"): (409, "damaged_artefact"),
    errors.StoreUnavailableError("/srv/secret.db is locked"): (503, "unavailable"),
    errors.WeightsError("/srv/secret is no model"): (503, "unavailable"),
    errors.GenerationError("/srv/secret broke"): (503, "unavailable"),
    errors.PluginError("/srv/secret plugin"): (500, "internal"),
    BusyError(7): (429, "too_many_requests"),
    TimeoutError(): (504, "timeout"),
    RefusedError(Problem(403, "forbidden", "no")): (403, "forbidden"),
    RuntimeError("/srv/secret"): (500, "internal"),
}


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    problems.install(app)
    raised = {str(number): error for number, error in enumerate(STATUS)}

    @app.get("/api/v1/{number}")
    @app.get("/v1/{number}")
    def fail(number: str, count: int = 0):
        raise raised[number]

    @app.put("/api/v1/")
    @app.put("/v1/")
    def put(body: dict[str, int]) -> None: ...

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("number", range(len(STATUS)), ids=[type(e).__name__ for e in STATUS])
def test_an_error_has_its_status_and_kind_and_tells_nothing_of_the_inside(client, number):
    error = list(STATUS)[number]
    status, kind = STATUS[error]
    answer = client.get(f"/api/v1/{number}")
    body = answer.json()
    assert (answer.status_code, body["type"]) == (status, kind)
    assert set(body) == {"type", "message", "remedy", "request_id"}
    assert body["message"]
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status in {429, 503})


@pytest.mark.parametrize("number", range(len(STATUS)), ids=[type(e).__name__ for e in STATUS])
def test_under_v1_it_speaks_as_openai_does(client, number):
    status, kind = STATUS[list(STATUS)[number]]
    answer = client.get(f"/v1/{number}")
    body = answer.json()["error"]
    assert answer.status_code == (400 if status == 422 else status)
    assert set(body) == {"message", "type", "param", "code"}
    assert body["code"] == kind
    assert "secret" not in answer.text


def test_a_remedy_is_told(client):
    assert client.get("/api/v1/0").json()["remedy"] == "pass 2"
    assert client.get("/v1/0").json()["error"]["message"].endswith("To mend it: pass 2")


def test_a_field_at_fault_is_named(client):
    body = client.get("/api/v1/0?count=many").json()
    assert (body["type"], body["message"].startswith("count: ")) == ("invalid_input", True)
    assert client.get("/v1/0?count=many").json()["error"]["param"] == "count"


def test_a_body_that_is_no_json_is_bad_input(client):
    for path, status in (("/api/v1/", 422), ("/v1/", 400)):
        answer = client.put(path, content=b"\xff", headers={"Content-Type": "application/json"})
        assert answer.status_code == status, answer.text


def test_what_is_not_there_is_a_problem_too(client):
    assert client.get("/nowhere").json()["type"] == "not_found"
    assert client.post("/v1/0").json()["error"]["code"] == "method_not_allowed"
