"""What may be named as ``model``: the generator, and the adapters that a tenant has in use."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from persona_engine.config import is_address
from persona_engine.engine import PersonaEngine
from persona_engine.errors import NotFoundError
from persona_engine.server.schemas.models import Model

OWNER = "persona_engine"


def generator_name(engine: PersonaEngine) -> str | None:
    """Return what clients call the generator, or None where there is none."""
    name = engine.config.generator
    if name is None:
        return None
    if is_address(name):  # URL#MODEL
        return name.partition("#")[2] or urlsplit(name).hostname
    return Path(name).name


def models(engine: PersonaEngine, tenant: str) -> list[Model]:
    """Return what a tenant may name, the generator first."""
    name = generator_name(engine)
    if name is None:
        return []
    found = [Model(id=name, created=0, owned_by=OWNER)]
    for row in engine.adapters(tenant=tenant).versions():
        if row.published:
            made = int(row.created_at.timestamp())
            found.append(Model(id=row.version, created=made, owned_by=f"cluster:{row.cluster}"))
    return found


def model(engine: PersonaEngine, tenant: str, name: str) -> Model:
    """Return what a name stands for.

    Raises:
        NotFoundError: For nothing of this tenant's.
    """
    known = models(engine, tenant)
    for each in known:
        if each.id == name:
            return each
    raise NotFoundError(
        f"the model {name!r} does not exist", remedy="name one of those that /v1/models lists"
    )
