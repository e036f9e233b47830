"""A local server of chat completions whose manners a test decides."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from persona_openai_compatible import OpenAICompatible


class Letters:
    """An encoder that counts letters; it knows which prompts it was given."""

    fingerprint = "letters-1"
    width = 2

    def __init__(self):
        self.prompts = []

    def encode(self, prompts, responses):
        self.prompts += [[each["content"] for each in prompt] for prompt in prompts]
        return np.array([[r.count("a"), r.count("b")] for r in responses], np.float32)


class Scripted:
    """Speaks the words of a reply in turn; the number of a reply is its seed, or its place in n.

    Attributes:
        several: What becomes of ``n``: ``taken``, ``ignored`` or ``refused``.
        log_probs: What becomes of ``logprobs``: ``given``, ``ignored`` or ``refused``.
        failing: Status of every answer, and after how many words a stream breaks off.
        gate: Waited for before the third word.
    """

    def __init__(self):
        self.requests, self.headers = [], []
        self.several = self.log_probs = "taken"
        self.status, self.breaks_after, self.error_chunk = None, None, False
        self.models = ["tiny"]
        self.gate = threading.Event()
        self.gate.set()
        self.left = threading.Event()
        self._guard = threading.Lock()
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                if scripted.models is None:
                    return self.reply(500, {"error": {"message": "no list"}})
                listed = [{"id": n, "object": "model", "created": 0} for n in scripted.models]
                return self.reply(200, {"object": "list", "data": listed})

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with scripted._guard:
                    scripted.requests.append(asked)
                    scripted.headers.append(dict(self.headers))
                status, words = scripted.judge(asked)
                if status != 200:
                    return self.reply(status, {"error": {"message": words}})
                return self.speak(asked)

            def reply(self, status, payload):
                data = json.dumps(payload).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(data)

            def speak(self, asked):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    for number, chunk in enumerate(scripted.chunks(asked)):
                        if number == scripted.breaks_after:
                            if scripted.error_chunk:
                                self.send({"error": {"message": "out of memory"}})
                            return
                        if number >= 2:
                            scripted.gate.wait(20)
                        self.send(chunk)
                    self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    scripted.left.set()

            def send(self, payload):
                self.wfile.write(f"data: {json.dumps(payload)}\n\n".encode())
                self.wfile.flush()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def judge(self, asked):
        if self.status is not None:
            return self.status, "as the test wants it"
        if asked["model"] not in ("tiny", *(self.models or ())):
            return 404, f"there is no model {asked['model']}"
        if self.several == "refused" and asked.get("n", 1) > 1:
            return 400, "n must be 1"
        if self.log_probs == "refused" and "logprobs" in asked:
            return 422, "logprobs is unknown"
        if asked["temperature"] > 2:
            return 400, "temperature is too high"
        return 200, ""

    def chunks(self, asked):
        count = asked.get("n", 1) if self.several == "taken" else 1
        words = {i: self.words(asked, i) for i in range(count)}
        for place in range(max(map(len, words.values())) + 1):
            for index, said in words.items():
                if place > len(said):
                    continue
                ended = place == len(said)
                choice = {"index": index, "delta": {} if ended else {"content": said[place]}}
                choice["finish_reason"] = "stop" if ended else None
                if not ended and "logprobs" in asked and self.log_probs == "taken":
                    told = {"token": said[place], "logprob": -0.5, "top_logprobs": []}
                    choice["logprobs"] = {"content": [told], "refusal": None}
                yield {
                    "id": "1",
                    "object": "chat.completion.chunk",
                    "created": 0,
                    "model": asked["model"],
                    "choices": [choice],
                }

    def words(self, asked, index):
        number = asked["seed"] + index
        said = [f"reply {number}", " a" * (number % 3), " b", " and", " more", " of", " it."]
        return [each for each in said if each][: asked["max_tokens"]]

    def close(self):
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def scripted():
    server = Scripted()
    yield server
    server.close()


@pytest.fixture
def letters():
    return Letters()


@pytest.fixture
def generator_of(scripted, letters):
    """Make generators on the server."""

    def make(model="#tiny", **settings):
        given = {"retries": 0, "timeout": 10.0, **settings}
        return OpenAICompatible(address=scripted.url + model, encoder=letters, **given)

    return make
