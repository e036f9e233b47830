"""OpenTelemetry traces: a span for each request and each of the engine's steps.

They go to the collector that the operator names, and nowhere else. Neither users nor texts are in
them, nor messages of errors, which may hold either.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from persona_engine.errors import ConfigError, MissingExtraError
from persona_engine.observing import Attribute

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PATH = "/v1/traces"
_SERVICE = "persona-engine"


class Traces:
    """An observer that writes spans.

    Sampling and the service's attributes are OpenTelemetry's: ``OTEL_TRACES_SAMPLER``,
    ``OTEL_SERVICE_NAME`` and so on.

    Args:
        processor: Takes the spans.
        tenants: Whether the tenant is told.

    Raises:
        MissingExtraError: The OpenTelemetry SDK is not installed.
    """

    def __init__(self, processor: SpanProcessor, *, tenants: bool = False) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create()
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": _SERVICE}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("persona_engine")
        self._propagator = TraceContextTextMapPropagator()
        self._tenants = tenants

    @contextmanager
    def span(self, step: str, **attributes: Attribute) -> Iterator[None]:
        """Write a span of a step, below the one around it."""
        with self._tracer.start_as_current_span(
            f"persona.{step}",
            attributes=self._named(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                _fail(span, type(error).__name__)
                raise

    def took(self, step: str, seconds: float, **attributes: Attribute) -> None:
        """Write a span that ends now."""
        end = time.time_ns()
        span = self._tracer.start_span(
            f"persona.{step}",
            attributes=self._named(attributes),
            start_time=end - round(seconds * 1e9),
        )
        span.end(end)

    def count(self, what: str, amount: float = 1, **attributes: Attribute) -> None:
        """Add an event to the span around it."""
        from opentelemetry.trace import get_current_span

        told = self._named({what: amount, **attributes})
        get_current_span().add_event(f"persona.{what}", told)

    @contextmanager
    def request(self, headers: Mapping[str, str], method: str) -> Iterator[Span]:
        """Write the span of a request, below the caller's that its ``traceparent`` names.

        Args:
            headers: Of the request.
            method: Its method.
        """
        from opentelemetry.trace import SpanKind

        with self._tracer.start_as_current_span(
            method,
            context=self._propagator.extract(headers),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def _named(self, attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
        return {
            f"persona.{name}": value
            for name, value in attributes.items()
            if name != "tenant" or self._tenants
        }


def answered(span: Span, method: str, route: str | None, status: int) -> None:
    """Complete the span of a request.

    Args:
        span: It.
        method: Of the request.
        route: The pattern of the path that was asked for; None for one that nothing matched.
        status: Of the response.
    """
    if route is not None:
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        _fail(span, str(status))


def configured(endpoint: str | None, *, tenants: bool) -> Traces | None:
    """Return what sends spans to a collector by OTLP over HTTP, or None where none is named.

    Args:
        endpoint: The collector's address, such as ``http://localhost:4318``; if omitted, what
            ``OTEL_EXPORTER_OTLP_ENDPOINT`` or ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` say.
            ``OTEL_SDK_DISABLED=true`` and ``OTEL_TRACES_EXPORTER=none`` turn it off.
        tenants: Whether the tenant is told.

    Raises:
        ConfigError: The address is no URL.
        MissingExtraError: The OpenTelemetry SDK is not installed.
    """
    named = endpoint or any(os.environ.get(each) for each in _ENDPOINTS)
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not named or off or os.environ.get("OTEL_TRACES_EXPORTER", "").strip() == "none":
        return None
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise ConfigError(
            f"otlp_endpoint is {endpoint!r}, expected the URL of a collector",
            remedy="for example http://localhost:4318",
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "traces need the OpenTelemetry SDK and its OTLP exporter, which are not installed",
            remedy="pip install 'persona-engine[observe]', or unset otlp_endpoint",
        ) from error
    address = None if endpoint is None else endpoint.rstrip("/").removesuffix(_PATH) + _PATH
    return Traces(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)), tenants=tenants)


def _fail(span: Span, kind: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
