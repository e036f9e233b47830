"""What is asked of populations and adapters."""

from __future__ import annotations

from persona_engine.server.schemas.texts import Asked, Name


class Rollback(Asked):
    """Which cluster's adapter is to be the one before.

    Attributes:
        cluster: Its name.
        base: Hash of the base model; may be omitted where adapters of one base are published.
    """

    cluster: Name
    base: Name | None = None
