"""Every route is called with what its OpenAPI document allows, and with what it forbids."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from persona_engine.server import ServerSettings, create_app
from tests.bigram_host import fitted, opened
from tests.server_thread import listening

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FEW, MANY = 6, 80
"""Cases of each operation and mode."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory, sqlite_template):
    folder = fitted(tmp_path_factory.mktemp("described"), sqlite_template)
    with opened(folder, max_tokens=4) as engine:
        yield engine


@pytest.fixture(scope="module")
def served(engine):
    """Address and key of a server of the tenant of the crowd."""
    key = engine.store.api_keys.create("default", label="tests", scopes=["admin"])
    limits = ServerSettings(preload=False, requests_per_minute=None, chat_seconds=None)
    with listening(create_app(engine, limits)) as url:
        yield url, key.secret


@pytest.fixture(scope="module")
def known(served):
    """Names of things that there are, by the parameter of a path."""
    url, key = served
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=600
    ) as client:
        said = client.post("/api/v1/users/u1/instructions", json={"text": "Be brief."}).json()
        model = client.get("/v1/models").json()["data"][0]["id"]
        turn = {"role": "user", "content": "Where to ?"}
        ask = {"model": model, "messages": [turn], "user": "u1"}
        reply = client.post("/v1/chat/completions", json=ask).json()
        (population,) = client.get("/api/v1/populations").json()
    return {
        "user": "u1",
        "instruction": said["id"],
        "reply": reply["id"],
        "version": population["version"],
        "model": model,
    }


class Caller:
    """Calls operations as the document allows, or forbids, and checks what comes back.

    Args:
        url: The server's.
        key: Sent along.
        known: Names of things that there are, by parameter.
    """

    def __init__(self, url, key, known):
        self.calls = Counter()
        self.faults = []
        self._url, self._known = url, known
        self._headers = {"Authorization": f"Bearer {key}"}

    def call_every_route(self, *, examples):
        """Call each operation so often in each mode."""
        schema = schemathesis.openapi.from_url(f"{self._url}/openapi.json")
        for found in schema.get_all_operations():
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                cases = operation.as_strategy(generation_mode=mode)
                try:
                    self._call(operation, cases, examples)
                except Unsatisfiable:  # nothing about it can be wrong
                    assert mode is GenerationMode.NEGATIVE, operation.label
                except (Exception, BaseExceptionGroup) as fault:
                    self.faults.append(f"{operation.label}: {fault}")

    def _call(self, operation, cases, examples):
        @seed(0)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases, exists=st.booleans())
        def called(case, exists):
            if exists:
                self._of_what_there_is(case)
            response = case.call(base_url=self._url, headers=self._headers)
            self.calls[operation.label] += 1
            case.validate_response(response, checks=CHECKS)

        called()

    def _of_what_there_is(self, case):
        for name in set(case.path_parameters or {}) & set(self._known):
            case.path_parameters[name] = self._known[name]
        if isinstance(case.body, dict) and "messages" in case.body and "model" in case.body:
            case.body["model"] = self._known["model"]


def test_no_route_fails_or_answers_what_its_document_does_not_say(served, known):
    caller = Caller(*served, known)
    caller.call_every_route(examples=FEW)
    assert not caller.faults, "\n\n".join(caller.faults)
    assert caller.calls.total() > 300


@pytest.mark.slow
def test_five_thousand_calls_fail_nowhere(served, known):
    caller = Caller(*served, known)
    caller.call_every_route(examples=MANY)
    assert not caller.faults, "\n\n".join(caller.faults)
    assert caller.calls.total() >= 5_000
