"""Server processes: told to stop, left by clients, several over one database, and refused."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.server_process import run, serving, start, until_ready

MODEL = "smollm2-135m-instruct"
OPEN = "--insecure-loopback"
NO_MODEL = {"PERSONA_SERVER_PRELOAD": "false"}
LONG = [{"role": "user", "content": "List all animals, with a paragraph on each."}]

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """A server that loads no model, as nothing needs one."""
    with serving(tmp_path_factory.mktemp("light"), OPEN, env=NO_MODEL) as served:
        yield served


def asked(**given):
    return {"model": MODEL, "messages": LONG, "temperature": 1.0, **given}


def test_a_server_that_is_told_to_stop_finishes_what_runs(tmp_path):
    with serving(tmp_path, OPEN) as served:
        url = f"{served.url}/v1/chat/completions"
        body = asked(max_tokens=12, stream=True, user="ann")
        with httpx.stream("POST", url, json=body, timeout=300) as answer:
            lines = answer.iter_lines()
            first = next(lines)
            served.process.send_signal(signal.SIGTERM)
            rest = [line for line in lines if line]
        assert first.startswith("data: ")
        assert rest[-1] == "data: [DONE]"
        last = json.loads(rest[-2].removeprefix("data: "))
        assert last["choices"][0]["finish_reason"] in {"stop", "length"}
        assert served.process.wait(300) == 0
    with serving(tmp_path, OPEN) as served:  # what was finished is kept
        reply = httpx.get(f"{served.url}/api/v1/users/ann/replies/{last['id']}", timeout=300)
        assert reply.status_code == 200


def hang_up(url, body):
    """Leave in the middle of a reply: after its first words, or before they are shown."""
    if body["stream"]:
        with httpx.stream("POST", url, json=body, timeout=300) as answer:
            next(answer.iter_lines())
        return
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json=body, timeout=httpx.Timeout(300, read=0.1))


def test_a_client_that_hangs_up_stops_the_work(tmp_path):
    """With one place and no queue, the next request is taken only once the place is free."""
    env = {"PERSONA_SERVER_CHATS": "1", "PERSONA_SERVER_WAITING_CHATS": "0"}
    with serving(tmp_path, OPEN, env=env) as served:
        url = f"{served.url}/v1/chat/completions"
        for stream in (True, False):
            endless = asked(max_tokens=30_000, stream=stream)
            hang_up(url, endless)
            deadline = time.monotonic() + 120
            while True:
                answer = httpx.post(url, json=asked(max_tokens=1), timeout=300)
                if answer.status_code == 200:
                    break
                assert answer.status_code == 429
                assert time.monotonic() < deadline
                time.sleep(0.2)


def test_two_processes_serve_one_database(tmp_path):
    with serving(tmp_path, OPEN, "--workers", "2", env=NO_MODEL) as served:
        path = f"{served.url}/api/v1/users/shared/instructions"
        for number in range(1, 31):
            with httpx.Client(timeout=300) as client:  # a connection of its own
                said = client.post(path, json={"text": f"Mention the number {number}."})
                assert said.status_code == 201, said.text
                history = client.get(path, params={"which": "all"}).json()
                assert len(history) == number
        children = _children(served.process.pid)
        assert len(children) >= 2
        assert served.end() == 0
    deadline = time.monotonic() + 60
    while any(map(_alive, children)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_without_keys_nothing_is_served_but_on_loopback_where_that_is_asked_for(tmp_path):
    for options in ([], [OPEN, "--host", "0.0.0.0"]):
        with pytest.raises(AssertionError, match="did not start"):
            start(tmp_path, *options)
    run("--database", f"sqlite:///{tmp_path}/persona.db", "keys", "create", "k", "--scope", "chat")
    served = start(tmp_path, env=NO_MODEL)
    try:
        until_ready(served)
        assert httpx.get(f"{served.url}/v1/models").status_code == 401
    finally:
        assert served.end() == 0
        served.process.stdout.close()


def test_a_port_that_is_taken_is_named(tmp_path, light):
    port = light.url.rsplit(":", 1)[1]
    with pytest.raises(AssertionError, match=f"port {port}"):
        start(tmp_path, OPEN, "--port", port)


def test_hundreds_of_requests_at_once_are_answered(light):
    answers = []

    def ask(number):
        path = f"{light.url}/api/v1/users/u{number}/instructions"
        answers.append(httpx.post(path, json={"text": "Be brief."}, timeout=300))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(100)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {each.status_code for each in answers} == {201}


def _children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in found.split()]


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
