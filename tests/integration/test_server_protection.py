"""A real server of two processes: keys, revoking, rates, stored answers, the trail and the log."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.server_process import run, serving

NO_MODEL = {"PERSONA_SERVER_PRELOAD": "false"}
LIMITED = {**NO_MODEL, "PERSONA_SERVER_MOST_MESSAGES": "2", "PERSONA_SERVER_MOST_TOKENS": "16"}
TEXT = "My divorce costs me my sleep, so be kind."


def made(database: str, *options: str) -> dict[str, dict[str, str]]:
    return json.loads(run("--database", database, "keys", "create", "k", *options, "--json"))


def bearer(key) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['secret']}"}


def test_no_start_without_authentication(tmp_path):
    database = f"sqlite:///{tmp_path}/persona.db"
    for options, what in (
        ([], "no key exists that is valid"),
        (["--insecure-loopback", "--host", "0.0.0.0"], "which others can reach"),
    ):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            run("--database", database, "serve", "--port", "0", *options)
        assert caught.value.returncode == 2
        assert what in caught.value.stderr


def test_two_processes_are_one_server(tmp_path):
    database = f"sqlite:///{tmp_path}/persona.db"
    run("--database", database, "db", "upgrade")
    admin = made(database, "--scope", "admin")
    scarce = made(database, "--scope", "feedback", "--per-minute", "120")
    with serving(tmp_path, "--workers", "2", env=LIMITED) as served:

        def get(path, key, **headers):  # a new connection each, so that both processes answer
            return httpx.get(f"{served.url}{path}", headers={**bearer(key), **headers}, timeout=120)

        def post(path, key, body, **headers):
            headers = {**bearer(key), **headers}
            return httpx.post(f"{served.url}{path}", json=body, headers=headers, timeout=120)

        assert httpx.get(f"{served.url}/api/v1/users", timeout=120).status_code == 401
        assert get("/api/v1/users", admin).json() == {"users": [], "next": None}

        wish = {"text": TEXT}
        twins = ["/api/v1/users/ada/instructions"] * 6
        with ThreadPoolExecutor(6) as threads:
            key = {"Idempotency-Key": "one", "X-Request-ID": "twin-1"}
            answers = list(threads.map(lambda path: post(path, admin, wish, **key), twins))
        assert {each.status_code for each in answers} <= {201, 409}
        again = post(twins[0], admin, wish, **key)
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
        assert len(get(twins[0], admin).json()) == 1

        with ThreadPoolExecutor(8) as threads:
            statuses = list(
                threads.map(lambda _: get("/api/v1/users/ada", scarce).status_code, range(60))
            )
        assert set(statuses) == {200, 429}
        assert 18 <= statuses.count(200) < 50  # a burst of 20, and two a second meanwhile

        long = {"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "a"}]}
        for body, what in (
            ({**long, "messages": long["messages"] * 3}, "3 messages, expected at most 2"),
            ({**long, "max_tokens": 17}, "max_tokens is 17, expected at most 16"),
        ):
            refused = post("/v1/chat/completions", admin, body)
            assert refused.status_code == 400
            assert what in refused.json()["error"]["message"]

        second = made(database, "--scope", "admin")
        assert [get("/api/v1/users", second).status_code for _ in range(6)] == [200] * 6
        run("--database", database, "keys", "revoke", second["key"]["id"])
        assert [get("/api/v1/users", second).status_code for _ in range(6)] == [401] * 6

        assert get("/api/v1/users/ada/export", admin).status_code == 200
    trail = json.loads(run("--database", database, "audit", "list", "--limit", "500", "--json"))
    events = trail["events"]
    assert [each["action"] for each in events if each["actor"] == admin["key"]["id"]].count(
        "export"
    ) == 1
    assert "twin-1" in {each["request"] for each in events}
    assert "divorce" not in json.dumps(events)
    log = served.log.read_text()
    assert "Started server process" in log
    assert "divorce" not in log
    assert admin["secret"] not in log


def test_what_keys_cannot_do_at_the_terminal(tmp_path):
    database = f"sqlite:///{tmp_path}/persona.db"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run("--database", database, "keys", "revoke", "0123456789abcdef")
    assert caught.value.returncode == 3
