"""persona_engine: personalization for LLM chat products.

Preference posteriors, standing instructions and reward-guided decoding behind one store and one
API. Importing this package loads none of torch, transformers, faiss and sqlalchemy; they are loaded
when an engine needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from persona_engine.config import EngineConfig
    from persona_engine.engine import PersonaEngine, User
    from persona_engine.errors import PersonaError
    from persona_engine.types import Message, Personalization, Profile, Question, Ranking, Reply

__version__ = "0.1.0"
__all__ = [
    "EngineConfig",
    "Message",
    "PersonaEngine",
    "PersonaError",
    "Personalization",
    "Profile",
    "Question",
    "Ranking",
    "Reply",
    "User",
    "__version__",
]

_HOMES = {
    "EngineConfig": "config",
    "PersonaEngine": "engine",
    "User": "engine",
    "PersonaError": "errors",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'persona_engine' has no attribute {name!r}")
    return getattr(import_module(f"persona_engine.{_HOMES.get(name, 'types')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
