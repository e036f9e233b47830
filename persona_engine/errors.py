"""The one tree of errors that the engine raises.

::

    PersonaError
    ├── InvalidInputError (ValueError)      a value that cannot be used
    │   ├── ScopeError                      tenant or user missing or malformed
    │   └── ConfigError                     a setting that cannot be used
    ├── NotFoundError (LookupError)         no such thing in this scope
    ├── ConflictError                       somebody else wrote first, or a key was reused
    ├── FingerprintMismatchError            learned in another feature space
    ├── NoPopulationError                   no reward model has been published yet
    ├── StoreError                          the database refused
    │   ├── SchemaVersionError              older or newer than this code
    │   └── StoreUnavailableError           unreachable, locked, read-only or full
    ├── ArtefactError                       a file is missing, damaged or foreign
    ├── WeightsError                        model weights could not be found or verified
    ├── GenerationError                     the language model could not answer
    ├── PluginError                         a plugin could not be loaded or broke its contract
    │   └── ConformanceError (AssertionError)   a check of the conformance kit failed
    └── MissingExtraError (ImportError)     an optional dependency is not installed

Each message names the value at fault and what was expected; ``remedy`` says what to do.
"""

from __future__ import annotations


class PersonaError(Exception):
    """Base of every error that the engine raises on purpose.

    Args:
        message: What is wrong, with the offending value and what was expected.
        remedy: What the reader can do about it; printed after the message.

    Examples:
        >>> print(PersonaError("tenant is ''", remedy="pass a name"))
        tenant is ''. To mend it: pass a name
    """

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(
            message if remedy is None else f"{message.rstrip('.')}. To mend it: {remedy}"
        )


class InvalidInputError(PersonaError, ValueError):
    """A value that the engine cannot use."""


class ScopeError(InvalidInputError):
    """Tenant or user is missing, empty or malformed."""


class ConfigError(InvalidInputError):
    """A setting that the engine cannot use."""


class NotFoundError(PersonaError, LookupError):
    """Nothing of that id in this tenant and user; somebody else's id looks the same."""


class ConflictError(PersonaError):
    """Another writer came first, or an idempotency key was reused for other content."""


class FingerprintMismatchError(PersonaError):
    """Two values were learned in different feature spaces and must not be mixed."""


class NoPopulationError(PersonaError):
    """No population is published for this reward model and feature space."""


class StoreError(PersonaError):
    """The database refused an operation."""


class SchemaVersionError(StoreError):
    """The database schema is older or newer than this code understands."""


class StoreUnavailableError(StoreError):
    """The database cannot be reached or written: unreachable, locked, read-only or full."""


class ArtefactError(PersonaError):
    """A file is missing, damaged, or not what its manifest says."""


class WeightsError(PersonaError):
    """Model weights could not be found, fetched or verified."""


class GenerationError(PersonaError):
    """The language model could not answer."""


class PluginError(PersonaError):
    """A plugin could not be loaded, is blocked, or broke its contract."""


class ConformanceError(PluginError, AssertionError):
    """A check of the conformance kit failed for a plugin."""


class MissingExtraError(PersonaError, ImportError):
    """An optional dependency is not installed; the remedy names the pip command."""
