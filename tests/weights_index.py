"""A package index on loopback that serves one wheel and can misbehave."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from safetensors.numpy import save

FILENAME = "tiny_weights-1.0-py3-none-any.whl"


def model_files() -> dict[str, bytes]:
    """The files of a model too small to be useful."""
    return {
        "config.json": b'{"model_type": "bert"}',
        "model.safetensors": save({"weight": np.arange(6, dtype=np.float32)}),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b'{"tokenizer_class": "BertTokenizer"}',
    }


def wheel_with(files: Mapping[str, bytes], *, padding: int) -> bytes:
    """Return a valid wheel with these files and that many bytes that no compression shrinks."""
    metadata = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
    tags = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members = {f"tiny_weights/{name}": content for name, content in files.items()}
    members["tiny_weights/padding"] = np.random.default_rng(0).bytes(padding)
    members["tiny_weights-1.0.dist-info/METADATA"] = metadata.encode()
    members["tiny_weights-1.0.dist-info/WHEEL"] = tags.encode()
    members["tiny_weights-1.0.dist-info/RECORD"] = b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Index:
    """What the server does and what it has seen."""

    def __init__(self, wheel: bytes, *, silent: bool) -> None:
        self.wheel = wheel
        self.silent = silent
        self.sha256 = hashlib.sha256(wheel).hexdigest()
        self.url = ""
        self.missing = False
        self.break_after: list[int] = []
        self.stall_after: int | None = None
        self.stalled = False
        self.stop = threading.Event()
        self.requests = 0
        self.downloads = 0
        self.ranges: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        index = self.server.index
        index.requests += 1
        if index.silent:
            index.stop.wait()
            self.close_connection = True
        elif index.missing or "tiny" not in self.path:
            self.send_error(404)
        elif self.path.endswith(FILENAME):
            self._send_wheel(index)
        else:
            self._send_listing(index)

    def _send_listing(self, index: Index) -> None:
        files = [{"filename": FILENAME, "url": f"../../{FILENAME}", "hashes": {}}]
        body = json.dumps({"meta": {"api-version": "1.0"}, "name": "tiny-weights", "files": files})
        self._head(200, len(body), "application/vnd.pypi.simple.v1+json")
        self.wfile.write(body.encode())

    def _send_wheel(self, index: Index) -> None:
        start = 0
        asked = self.headers.get("Range")
        if asked is None:
            index.downloads += 1
            self._head(200, len(index.wheel), "application/zip")
        else:
            index.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").split("-")[0])
            last = len(index.wheel) - 1
            span = f"bytes {start}-{last}/{len(index.wheel)}"
            self._head(206, len(index.wheel) - start, "application/zip", span)
        self._send_body(index, start)

    def _send_body(self, index: Index, start: int) -> None:
        if index.break_after:
            self.wfile.write(index.wheel[start : index.break_after.pop(0)])
            self._hang_up()
        elif index.stall_after is not None:
            self.wfile.write(index.wheel[start : index.stall_after])
            index.stalled = True
            index.stop.wait()
            self._hang_up()
        else:
            self.wfile.write(index.wheel[start:])

    def _head(self, status: int, length: int, kind: str, span: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"one"')
        if span is not None:
            self.send_header("Content-Range", span)
        self.end_headers()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, index: Index) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.index = index

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what some tests want."""


@contextmanager
def serve(wheel: bytes, *, silent: bool = False) -> Iterator[Index]:
    """Serve one wheel on loopback while the block runs."""
    index = Index(wheel, silent=silent)
    server = _Server(index)
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
