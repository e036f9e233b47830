"""Settings of a server, checked at start, from arguments, the environment or a TOML file."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from persona_engine.config import Settings

_ORIGIN = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$"


class ServerSettings(Settings):
    """Settings of one server.

    Every field may be given as an argument, as an environment variable with the prefix
    ``PERSONA_SERVER_`` (``PERSONA_SERVER_PORT=9000``), or in the table ``[server]`` of the file
    that ``persona --config`` names; arguments win.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 for any that is free.
        workers: Processes that serve, each with a model of its own, over one database.
        insecure_loopback: Whether requests need no key; only where ``host`` is a loopback address.
        chats: Replies that one process generates at the same time.
        batch_rows: Rows that these read together at each token, where the engine's own
            ``batch_rows`` is not set; a row is a candidate of one of them.
        waiting_chats: Replies that may wait for that; beyond, requests are answered with 429.
        calls: Other requests that one process works on at the same time.
        waiting_calls: Other requests that may wait for that.
        chat_seconds: Longest time that a request for replies may take, waiting included; None for
            no limit.
        shutdown_seconds: How long requests may go on once the server is told to stop.
        preload: Whether the model is loaded at start, and not by the first request that needs it.
        most_replies: Largest ``n`` of a request for replies.
        https: Whether clients reach the server by https, through a proxy that ends it: browsers are
            told to keep to it, and cookies never travel without.
        requests_per_minute: Of each key that has no limit of its own; None for no limit.
        most_messages: Longest conversation of a request for replies.
        most_tokens: Longest reply that a request may ask for.
        most_body_bytes: Largest body of a request.
        most_import_bytes: Largest body of an import.
        body_seconds: Time in which a body must arrive.
        idempotency_hours: How long the answer to a request with an `Idempotency-Key` is kept.
        session_hours: How long one is logged in to the console.
        embed_origins: Origins whose pages may show the pages under ``/embed`` in a frame, such as
            ``https://chat.example``.
        evaluation: File ``results.json`` of `persona evaluate` that admins are shown, if any.
        metrics: Whether ``/metrics`` tells Prometheus what was done and how long it took.
        metrics_token: What ``/metrics`` wants to hear as bearer token; without one it is served on
            loopback addresses only.
        otlp_endpoint: Collector that OpenTelemetry traces are sent to, such as
            ``http://localhost:4318``; what ``OTEL_EXPORTER_OTLP_ENDPOINT`` says if omitted, and
            nowhere where that is not set either.
        observe_tenants: Whether metrics and traces name the tenant.
        link_seconds: How long a link to the onboarding page may be used.
        link_secret: What such links are signed with; made anew at each start if omitted, and to be
            set where servers on several hosts share the work.

    Examples:
        >>> ServerSettings(port=9000).port
        9000
    """

    model_config = SettingsConfigDict(env_prefix="PERSONA_SERVER_")

    table: ClassVar[str | None] = "server"

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    workers: int = Field(default=1, ge=1, le=64)
    insecure_loopback: bool = False
    chats: int = Field(default=16, ge=1, le=256)
    batch_rows: int = Field(default=128, ge=0, le=4_096)
    waiting_chats: int = Field(default=64, ge=0, le=10_000)
    calls: int = Field(default=8, ge=1, le=256)
    waiting_calls: int = Field(default=512, ge=0, le=10_000)
    chat_seconds: float | None = Field(default=120.0, gt=0.0)
    shutdown_seconds: float = Field(default=30.0, ge=0.0)
    preload: bool = True
    most_replies: int = Field(default=8, ge=1, le=64)
    https: bool = False
    requests_per_minute: int | None = Field(default=6_000, ge=1, le=1_000_000)
    most_messages: int = Field(default=1_000, ge=1)
    most_tokens: int = Field(default=32_768, ge=1)
    most_body_bytes: int = Field(default=1 << 20, ge=1 << 10)
    most_import_bytes: int = Field(default=64 << 20, ge=1 << 10)
    body_seconds: float = Field(default=30.0, gt=0.0)
    idempotency_hours: float = Field(default=24.0, gt=0.0, le=24.0 * 365)
    session_hours: float = Field(default=8.0, gt=0.0, le=24.0 * 30)
    embed_origins: tuple[Annotated[str, Field(pattern=_ORIGIN)], ...] = ()
    evaluation: Path | None = None
    metrics: bool = False
    metrics_token: SecretStr | None = None
    otlp_endpoint: str | None = None
    observe_tenants: bool = False
    link_seconds: float = Field(default=900.0, gt=0.0, le=86_400.0)
    link_secret: SecretStr = Field(
        default_factory=lambda: SecretStr(secrets.token_urlsafe(32)), min_length=16
    )
