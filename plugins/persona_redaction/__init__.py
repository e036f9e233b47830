"""Takes e-mail addresses, phone numbers, payment cards and keys out of texts."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Redactor
from persona_redaction.redactor import KINDS, PersonalData

__all__ = ["KINDS", "PersonalData"]


@hookimpl
def persona_redactors() -> Mapping[str, Callable[..., Redactor]]:
    """Register ``personal_data``."""
    return {PersonalData.name: PersonalData}
