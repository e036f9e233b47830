"""Prometheus metrics of the engine's steps and of the server's requests."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from persona_engine.errors import MissingExtraError
from persona_engine.observing import Attribute

if TYPE_CHECKING:
    from prometheus_client import Counter

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
MOST_TENANTS = 100
OTHER = "other"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
_KINDS = ("operation", "decoder", "lane")
_COUNTED = {
    "replies": ("persona_replies", "Replies that were given.", ("personalized",)),
    "tokens": ("persona_read_tokens", "Tokens that decoding read, of all candidates.", ()),
    "comparisons": ("persona_comparisons", "Comparisons that were learned from.", ()),
}


class Metrics:
    """An observer that counts and times; `page` is what Prometheus scrapes.

    With several worker processes each writes its numbers to files of the folder that the variable
    ``PROMETHEUS_MULTIPROC_DIR`` names (see `shared_by_workers`), and any worker's page tells the
    sum of all. No label holds a user or a text.

    Args:
        by_tenant: Whether what replies count is told by tenant: of the first `MOST_TENANTS`, the
            others together. Whoever reads the page then learns who the tenants are.

    Raises:
        MissingExtraError: prometheus-client is not installed.
    """

    def __init__(self, *, by_tenant: bool = False) -> None:
        client = _client()
        self._registry = registry = client.CollectorRegistry()
        self._tenant = ("tenant",) if by_tenant else ()
        self._tenants: set[str] = set()
        self._guard = threading.Lock()
        self.steps = client.Histogram(
            "persona_step_duration_seconds",
            "Wall time of a step; kind is the operation, decoder or lane.",
            ("step", "kind"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._errors = client.Counter(
            "persona_step_errors", "Steps that an error ended.", ("step", "kind"), registry=registry
        )
        self._counted = {
            what: client.Counter(name, says, (*labels, *self._tenant_of(what)), registry=registry)
            for what, (name, says, labels) in _COUNTED.items()
        }
        self._events = client.Counter(
            "persona_events", "Whatever else happened.", ("event",), registry=registry
        )
        self._requests = client.Histogram(
            "persona_http_request_duration_seconds",
            "Wall time of a request, to the end of its response; route is the path's pattern.",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._running = client.Gauge(
            "persona_http_requests_in_progress",
            "Requests that are being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        if FOLDER not in os.environ:
            client.ProcessCollector(registry=registry)

    def span(self, step: str, **attributes: Attribute) -> AbstractContextManager[object]:
        """Return what times a step."""
        return _Timed(self, step, _kind(attributes))

    def took(self, step: str, seconds: float, **attributes: Attribute) -> None:
        """Take a step's time."""
        self.steps.labels(step, _kind(attributes)).observe(seconds)

    def failed(self, step: str, kind: str) -> None:
        """Count a step that an error ended."""
        self._errors.labels(step, kind).inc()

    def count(self, what: str, amount: float = 1, **attributes: Attribute) -> None:
        """Count what happened."""
        counter = self._counted.get(what)
        if counter is None:
            self._events.labels(what).inc(amount)
            return
        told = {name: str(attributes.get(name, "")).lower() for name in _COUNTED[what][2]}
        if self._tenant_of(what):
            told["tenant"] = self._bounded(str(attributes.get("tenant", "")))
        self._labelled(counter, told).inc(amount)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as running."""
        self._running.inc()
        try:
            yield
        finally:
            self._running.dec()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Take a request that was answered."""
        known = method if method in _METHODS else OTHER
        self._requests.labels(known, route, str(status)).observe(seconds)

    def page(self) -> tuple[bytes, str]:
        """Return what Prometheus reads, and its content type."""
        client, registry = _client(), self._registry
        if FOLDER in os.environ:
            from prometheus_client.multiprocess import MultiProcessCollector

            _leave_out_the_dead()
            registry = client.CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return client.generate_latest(registry), client.CONTENT_TYPE_LATEST

    def _tenant_of(self, what: str) -> tuple[str, ...]:
        return self._tenant if what != "comparisons" else ()

    def _bounded(self, tenant: str) -> str:
        with self._guard:
            if len(self._tenants) < MOST_TENANTS:
                self._tenants.add(tenant)
            return tenant if tenant in self._tenants else OTHER

    @staticmethod
    def _labelled(counter: Counter, told: dict[str, str]) -> Counter:
        return counter.labels(**told) if told else counter


class _Timed:
    """One step that is being timed."""

    __slots__ = ("_kind", "_metrics", "_started", "_step")

    def __init__(self, metrics: Metrics, step: str, kind: str) -> None:
        self._metrics, self._step, self._kind = metrics, step, kind

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        seconds = time.perf_counter() - self._started
        self._metrics.steps.labels(self._step, self._kind).observe(seconds)
        if kind is not None and issubclass(kind, Exception):
            self._metrics.failed(self._step, self._kind)


@contextmanager
def shared_by_workers(wanted: bool, /) -> Iterator[None]:
    """Give worker processes that start meanwhile a folder in which their metrics add up.

    Enter it in the process that starts them, before it does.

    Args:
        wanted: Whether there are metrics at all.
    """
    if not wanted or FOLDER in os.environ:  # then it is the operator's own
        yield
        return
    with tempfile.TemporaryDirectory(prefix="persona-metrics-") as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


def _leave_out_the_dead() -> None:
    """Take workers that were killed out of what is counted as running; what they did stays."""
    for file in Path(os.environ[FOLDER]).glob("gauge_live*_*.db"):
        try:
            os.kill(int(file.stem.rpartition("_")[2]), 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)
        except PermissionError:  # somebody else's, but there
            continue


def _kind(attributes: dict[str, Attribute]) -> str:
    return next((str(attributes[name]) for name in _KINDS if name in attributes), "")


def _client() -> ModuleType:
    try:
        import prometheus_client
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "metrics need prometheus-client, which is not installed",
            remedy="pip install 'persona-engine[observe]', or set metrics to false",
        ) from error
    return prometheus_client
