"""Puts the tools behind the protocol: who may use which, and what becomes of errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

import anyio.to_thread
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import Tool
from pydantic import AnyHttpUrl

from persona_engine import __version__
from persona_engine.engine import PersonaEngine
from persona_engine.errors import PersonaError
from persona_engine.integrations.mcp.access import Access, Accesses, BearerKeys
from persona_engine.integrations.mcp.tools import OFFERS, Offer, Tools
from persona_engine.store import NewAuditEvent, burst_of

# Nobody issues tokens: keys are made by `persona keys`.
_AUTH = AuthSettings(issuer_url=AnyHttpUrl("http://localhost"), resource_server_url=None)
_INSTRUCTIONS = (
    "Keeps what each person wants of replies. Call personal_context before you answer somebody, "
    "and keep to what it says. When they say what they want from now on, call add_instruction; "
    "when they prefer one reply to another, call record_preference."
)


class PersonaServer(MCPServer[Any]):
    """The official SDK's server with the engine's tools; a caller sees those that the key allows.

    Args:
        engine: Knows the people.
        accesses: Finds who calls.
        user: The one person that it is for; None where each call names one.
        per_minute: Calls a minute of keys that have no limit of their own; None for no limit.
    """

    def __init__(
        self,
        engine: PersonaEngine,
        accesses: Accesses,
        *,
        user: str | None = None,
        per_minute: int | None = None,
    ) -> None:
        bearers = accesses if isinstance(accesses, BearerKeys) else None
        super().__init__(
            "persona_engine",
            title="persona_engine",
            instructions=_INSTRUCTIONS,
            version=__version__,
            log_level="WARNING",  # below, the SDK logs what tools answered
            auth=None if bearers is None else _AUTH,
            token_verifier=bearers,
        )
        self._engine = engine
        self._accesses = accesses
        self._user = user
        self._per_minute = per_minute
        for offer in OFFERS:
            self.add_tool(
                self._guarded(offer),
                name=offer.name,
                title=offer.title,
                annotations=offer.annotations,
            )

    async def list_tools(self) -> list[Tool]:
        """List the tools that the caller may use."""
        access = await anyio.to_thread.run_sync(self._accesses.current)
        if access is None:
            return []
        scopes = {offer.name: offer.scope for offer in OFFERS}
        listed = await super().list_tools()
        return [each for each in listed if access.allows(scopes[each.name])]

    def _audit(self, access: Access, offer: Offer, user: str) -> None:
        """Write down what was done; what cannot be told of is not told to the caller, either."""
        detail = {"tool": offer.name}
        event = NewAuditEvent(access.tenant, user, offer.does, detail, actor=access.key)
        self._engine.store.audit([event])

    def _count(self, access: Access) -> None:
        """Let a call of a key through, or say when to come again."""
        per_minute = access.per_minute or self._per_minute
        if per_minute is None:
            return
        drawn = self._engine.store.rates.draw(
            access.key, per_minute=per_minute, burst=burst_of(per_minute), most=1
        )
        if not drawn.granted:
            raise ToolError(
                f"the key made more than {per_minute} calls a minute: "
                f"try again in {max(1, math.ceil(drawn.wait))} s"
            )

    def _guarded(self, offer: Offer) -> Callable[..., Any]:
        """Return a tool that refuses whom its scope does not let in, and says what went wrong.

        The SDK runs it in a thread.
        """
        method = getattr(Tools, offer.name)

        @wraps(method)
        def call(**arguments: Any) -> Any:  # noqa: ANN401  # what the tool takes and returns
            access = self._accesses.current()
            if access is None:
                raise ToolError("the key has expired or been revoked: ask the operator for another")
            if not access.allows(offer.scope):
                raise ToolError(
                    f"the key does not allow {offer.name}, which needs the scope {offer.scope!r}: "
                    "ask the operator for a key that has it"
                )
            self._count(access)
            tools = Tools(self._engine, access.tenant, user=self._user)
            try:
                result = method(tools, **arguments)
                self._audit(access, offer, tools.about(arguments.get("user")))
            except PersonaError as error:
                raise ToolError(str(error)) from error
            return result

        told = signature(method, eval_str=True)
        parameters = [each for name, each in told.parameters.items() if name != "self"]
        vars(call)["__signature__"] = told.replace(parameters=parameters)
        return call


def create_server(
    engine: PersonaEngine,
    accesses: Accesses,
    *,
    user: str | None = None,
    per_minute: int | None = None,
) -> PersonaServer:
    """Return an MCP server of an engine.

    Args:
        engine: Knows the people.
        accesses: `OneKey` for stdio, `BearerKeys` for HTTP.
        user: The one person that it is for; None where each call names one.
        per_minute: Calls a minute of keys that have no limit of their own; None for no limit. A
            call beyond it is told when to come again.

    Raises:
        ScopeError: ``user`` is not a name of 1 to 256 characters.
    """
    if user is not None:
        engine.user(user)
    return PersonaServer(engine, accesses, user=user, per_minute=per_minute)
