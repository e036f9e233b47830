"""An MCP server, so that any assistant can keep to what a person wants.

It needs ``pip install 'persona-engine[mcp]'``. `persona mcp` starts it over stdio or HTTP; a host
that has an engine already makes its own with `create_server`.
"""

from persona_engine.integrations.mcp.access import Access, BearerKeys, OneKey
from persona_engine.integrations.mcp.server import PersonaServer, create_server

__all__ = ["Access", "BearerKeys", "OneKey", "PersonaServer", "create_server"]
