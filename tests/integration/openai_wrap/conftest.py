"""A server that writes down every byte it is sent, and an engine that knows some people."""

from __future__ import annotations

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from tests.word_counts import WordCountsPlugin


@pytest.fixture(scope="module")
def engine(tmp_path_factory, kitchen_database, minilm):
    """An engine without a model of its own; ann likes it cold, and wants British English."""
    folder = tmp_path_factory.mktemp("wrap")
    shutil.copy(kitchen_database, folder / "persona.db")
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=None,
        feature_encoder="word_counts",
        sentence_encoder=str(minilm),
        data_folder=folder / "index",
        population_refresh_seconds=0.0,
    )
    with PersonaEngine(config=config, plugins=[WordCountsPlugin()]) as engine:
        ann = engine.user("ann")
        ann.instruct("Answer in British English.")
        for day in range(6):
            ann.compare(f"What shall I cook on day {day}?", "cold cold dish", "warm warm dish")
        yield engine


class Recorder:
    """A local server that answers as it is told and keeps what it was sent.

    Attributes:
        texts: The replies, in turn.
        models: What it lists.
        most: Choices that it gives at most; more are refused.
        refused: Words for which a request is refused.
    """

    def __init__(self):
        self.requests = []
        self.texts = ["cold dish"]
        self.models = ["base"]
        self.most = 8
        self.refused = None
        self._guard = threading.Lock()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                recorder.keep(self, b"")
                listed = [{"id": n, "object": "model", "created": 0} for n in recorder.models]
                self.reply(200, {"object": "list", "data": listed})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                recorder.keep(self, body)
                asked = json.loads(body)
                if "input" in asked:
                    self.reply(200, recorder.response())
                elif (asked.get("n") or 1) > recorder.most or (
                    recorder.refused is not None and recorder.refused in body.decode()
                ):
                    self.reply(400, {"error": {"message": "no", "type": "invalid_request_error"}})
                elif asked.get("stream"):
                    self.stream(recorder.chunks(asked))
                else:
                    self.reply(200, recorder.completion(asked))

            def reply(self, status, payload):
                data = json.dumps(payload).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def stream(self, chunks):
                data = "".join(f"data: {json.dumps(each)}\n\n" for each in chunks)
                data = (data + "data: [DONE]\n\n").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def keep(self, handler, body):
        with self._guard:
            self.requests.append((handler.command, handler.path, handler.headers.items(), body))

    def take(self):
        """Return what came since the last time: method, path, headers in their order, body."""
        with self._guard:
            taken, self.requests = self.requests, []
        return taken

    def bodies(self):
        return [json.loads(body) for method, _, _, body in self.take() if method == "POST"]

    def completion(self, asked):
        texts = [self.texts[i % len(self.texts)] for i in range(asked.get("n") or 1)]
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": asked["model"],
            "choices": [
                {
                    "index": i,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text},
                }
                for i, text in enumerate(texts)
            ],
            "usage": {
                "prompt_tokens": 5,
                "completion_tokens": 2 * len(texts),
                "total_tokens": 5 + 2 * len(texts),
            },
        }

    def chunks(self, asked):
        words = self.texts[0].split(" ")
        for place, word in enumerate([*words, None]):
            said = {} if word is None else {"content": word if place == 0 else f" {word}"}
            if place == 0:
                said["role"] = "assistant"
            yield {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": asked["model"],
                "choices": [
                    {"index": 0, "delta": said, "finish_reason": "stop" if word is None else None}
                ],
            }

    def response(self):
        return {
            "id": "resp-1",
            "object": "response",
            "created_at": 1,
            "model": "base",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def recorder():
    server = Recorder()
    yield server
    server.close()
