"""The official SDK's client, as the tests of `persona mcp` use it."""

from __future__ import annotations

import anyio
from mcp import Client

CHAT = {"personal_context"}
READS = {"list_instructions", "get_profile"}
WRITES = {"add_instruction", "revise_instruction", "retract_instruction", "record_preference"}
FEEDBACK = READS | WRITES
ADMIN = {"forget_user"}
PATIENCE = 600  # seconds, on a machine that does much else


def key(store, *scopes, tenant="default", **settings):
    return store.api_keys.create(tenant, label="assistant", scopes=scopes, **settings)


def talk(server, conversation):
    """Run a conversation of the SDK's client with a server, and return what it returns."""

    async def run():
        with anyio.fail_after(PATIENCE):
            async with Client(server) as client:
                return await conversation(client)

    return anyio.run(run)


async def told(client, tool, **arguments):
    """Return what a tool returns, as values."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    return result.structured_content


async def refusal(client, tool, **arguments):
    """Return what a tool says that refuses."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return result.content[0].text
