"""Finding plugins: entry points in, factories by kind and name out.

Every plugin, first-party or not, is an entry point of the group ``persona_engine``. Each is loaded
on its own: one that fails is recorded with its reason and the others go on. Each call of
`discover` has its own plugin manager, so two engines in one process never share plugins.
"""

from persona_engine.plugins.discovery import discover
from persona_engine.plugins.registry import (
    KINDS,
    PluginKind,
    PluginRecord,
    Plugins,
    PluginStatus,
    canonical,
)

__all__ = [
    "KINDS",
    "PluginKind",
    "PluginRecord",
    "PluginStatus",
    "Plugins",
    "canonical",
    "discover",
]
