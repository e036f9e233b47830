"""What a server tells Prometheus and OpenTelemetry: every step, and neither people nor texts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from persona_engine.errors import ConfigError
from persona_engine.server import ServerSettings, create_app
from persona_engine.server.observe import Metrics, Traces, install, watch
from persona_engine.server.observe.metrics import MOST_TENANTS
from tests.bigram_host import fitted, opened

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STEPS = {"queue", "profile", "encode", "select", "posterior", "route", "decode", "reward"} | {
    "verify",
    "store",
    "database",
}
LOCAL = "http://127.0.0.1"
PATIENCE = 600  # seconds, on a machine that does much else


@pytest.fixture(scope="module")
def engine(tmp_path_factory, sqlite_template, minilm):
    folder = fitted(tmp_path_factory.mktemp("watched"), sqlite_template)
    with opened(
        folder, sentence_encoder=str(minilm), instruction_selector="embedding_selector"
    ) as engine:
        engine.user("u1").instruct("Never mention secret gardens.")
        yield engine


@pytest.fixture(scope="module")
def ask(engine):
    """What a client sends."""
    app = create_app(engine, ServerSettings(insecure_loopback=True, preload=False))
    with TestClient(app, base_url=LOCAL, client=("127.0.0.1", 50_000)) as client:
        (model, *_) = client.get("/v1/models").json()["data"]
    turn = {"role": "user", "content": "Where shall we go tonight ?"}
    return {"model": model["id"], "user": "u1", "messages": [turn]}


def served(engine, **observers):
    """Return a client of a server that is observed."""
    app = create_app(engine, ServerSettings(insecure_loopback=True, preload=False))
    watch(app, engine, **observers)
    return TestClient(app, base_url=LOCAL, client=("127.0.0.1", 50_000))


def samples(text):
    return [each for family in text_string_to_metric_families(text) for each in family.samples]


@pytest.mark.model
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_traced_step_by_step_below_its_caller(engine, ask, stream):
    spans = InMemorySpanExporter()
    with served(engine, traces=Traces(SimpleSpanProcessor(spans))) as client:
        headers = {"traceparent": CALLER}
        done = client.post("/v1/chat/completions", json={**ask, "stream": stream}, headers=headers)
        assert done.status_code == 200, done.text
    found = spans.get_finished_spans()
    names = {span.name.removeprefix("persona.") for span in found}
    assert names >= STEPS, STEPS - names
    trace, caller = int(CALLER.split("-")[1], 16), int(CALLER.split("-")[2], 16)
    assert {span.context.trace_id for span in found} == {trace}
    (request,) = [span for span in found if span.kind.name == "SERVER"]
    assert request.name == "POST /v1/chat/completions"
    assert request.parent.span_id == caller
    by_id = {span.context.span_id: span for span in found}
    assert all(span.parent.span_id in by_id for span in found if span is not request)
    (reply,) = [span for span in found if span.name == "persona.reply"]
    (select,) = [span for span in found if span.name == "persona.select"]
    assert by_id[select.parent.span_id] is reply
    told = "".join(span.to_json() for span in found)
    assert "secret" not in told
    assert "tonight" not in told
    assert '"u1"' not in told


@pytest.mark.model
def test_metrics_tell_every_step_and_request(engine, ask):
    with served(engine, metrics=Metrics()) as client:
        client.post("/v1/chat/completions", json=ask)
        client.post("/v1/chat/completions", json={"messages": 3})
        client.get("/v1/no/such/page/u1")
        page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=")
    found = samples(page.text)
    steps = {
        each.labels["step"]
        for each in found
        if each.name == "persona_step_duration_seconds_count" and each.value
    }
    assert steps >= STEPS | {"reply"}, STEPS - steps
    requests = {
        (each.labels["route"], each.labels["status"][0]): each.value
        for each in found
        if each.name == "persona_http_request_duration_seconds_count"
    }
    assert requests == {
        ("/v1/chat/completions", "2"): 1,
        ("/v1/chat/completions", "4"): 1,
        ("unmatched", "4"): 1,
    }
    assert "u1" not in page.text
    assert "tenant" not in page.text
    sizes = {}
    for each in found:
        sizes[each.name] = sizes.get(each.name, 0) + 1
    assert max(sizes.values()) < 400


def test_tenants_are_told_where_that_is_wanted_and_only_so_many():
    metrics = Metrics(by_tenant=True)
    for number in range(MOST_TENANTS + 20):
        metrics.count("replies", tenant=f"t{number}", personalized=True)
    found = [each for each in samples(metrics.page()[0].decode()) if each.name.endswith("s_total")]
    tenants = {each.labels["tenant"]: each.value for each in found if "tenant" in each.labels}
    assert len(tenants) == MOST_TENANTS + 1
    assert tenants["other"] == 20


def test_the_page_is_for_who_has_the_token(engine):
    with served(engine, metrics=Metrics(), token="secret-token") as client:
        assert client.get("/metrics").status_code == 401
        wrong = {"Authorization": "Bearer secret-tokem"}
        assert client.get("/metrics", headers=wrong).status_code == 401
        right = {"Authorization": "Bearer secret-token"}
        assert client.get("/metrics", headers=right).status_code == 200


def test_without_a_token_it_is_for_this_machine(engine):
    with served(engine, metrics=Metrics()) as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/metrics", headers={"Host": "evil.example"}).status_code == 401
    app = create_app(engine, ServerSettings())
    with pytest.raises(ConfigError, match="metrics are on and host is"):
        install(app, ServerSettings(metrics=True, host="0.0.0.0"), engine)


def test_without_settings_there_is_nothing(engine, monkeypatch):
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    app = create_app(engine, ServerSettings(insecure_loopback=True, preload=False))
    assert not engine._runtime.observation.on
    with TestClient(app, base_url=LOCAL, client=("127.0.0.1", 50_000)) as client:
        assert client.get("/metrics").status_code == 404


def test_an_endpoint_that_is_none_is_refused(engine):
    app = create_app(engine, ServerSettings())
    with pytest.raises(ConfigError, match="otlp_endpoint is 'collector:4318'"):
        install(app, ServerSettings(otlp_endpoint="collector:4318"), engine)


class Collector(ThreadingHTTPServer):
    """Takes what OpenTelemetry sends, as a collector does."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Taking)
        self.names, self.paths, self.came = set(), set(), threading.Event()
        self.services = set()


class Taking(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = ExportTraceServiceRequest.FromString(body)
        self.server.paths.add(self.path)
        for resource in request.resource_spans:
            for each in resource.resource.attributes:
                if each.key == "service.name":
                    self.server.services.add(each.value.string_value)
            for scope in resource.scope_spans:
                self.server.names |= {span.name for span in scope.spans}
        self.send_response(200)
        self.end_headers()
        self.server.came.set()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def process(tmp_path, collector):
    """Start `persona serve` with two workers, metrics and a collector; give its address."""
    environment = {
        **os.environ,
        "PERSONA_DATABASE": f"sqlite:///{tmp_path}/persona.db",
        "PERSONA_DATA_FOLDER": str(tmp_path / "data"),
        "PERSONA_SERVER_PRELOAD": "false",
        "PERSONA_SERVER_METRICS": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{LOCAL}:{collector.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    command = "import sys; from persona_engine.cli import main; sys.exit(main())"
    arguments = ["serve", "--port", "0", "--workers", "2", "--insecure-loopback"]
    server = subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield re.search(r"http://\S+", server.stdout.readline())[0]
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
        server.stdout.close()


def test_any_worker_tells_what_all_have_done(process, collector):
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(base_url=process, timeout=PATIENCE) as client:
        while True:
            try:
                client.get("/health").raise_for_status()
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
    asked = 40
    for _ in range(asked):
        with httpx.Client(base_url=process, timeout=PATIENCE) as client:  # connections spread
            client.get("/v1/models").raise_for_status()
    for _ in range(8):
        with httpx.Client(base_url=process, timeout=PATIENCE) as client:
            page = client.get("/metrics").text
        (count,) = [
            each.value
            for each in samples(page)
            if each.name == "persona_http_request_duration_seconds_count"
            and each.labels["route"] == "/v1/models"
        ]
        assert count == asked
    assert collector.came.wait(PATIENCE)
    while "GET /v1/models" not in collector.names and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "GET /v1/models" in collector.names
    assert collector.paths == {"/v1/traces"}
    assert collector.services == {"persona-engine"}
