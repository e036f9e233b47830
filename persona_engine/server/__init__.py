"""The server: PersonaEngine over HTTP, as OpenAI's clients expect it, and as REST.

Nothing here personalises: every route asks `persona_engine.engine.PersonaEngine` or a
`persona_engine.user.User`. Only this package imports FastAPI, Starlette and Uvicorn; it is
installed with ``pip install 'persona-engine[server]'``.
"""

from persona_engine.server.app import create_app
from persona_engine.server.settings import ServerSettings

__all__ = ["ServerSettings", "create_app"]
