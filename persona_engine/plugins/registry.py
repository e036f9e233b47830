"""What one engine knows of its plugins: a record of each, and factories of the active ones."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, overload

from persona_engine.errors import ConfigError, PersonaError, PluginError
from persona_engine.interfaces import (
    AdapterTrainer,
    Clusterer,
    Decoder,
    Encoder,
    Generator,
    InstructionMiner,
    InstructionSelector,
    InstructionVerifier,
    PrincipleInducer,
    Redactor,
    RewardModel,
)

PluginKind = Literal[
    "reward_model",
    "encoder",
    "generator",
    "decoder",
    "instruction_selector",
    "instruction_verifier",
    "instruction_miner",
    "principle_inducer",
    "clusterer",
    "adapter_trainer",
    "redactor",
]
PluginStatus = Literal["active", "blocked", "failed"]
Factories = Mapping[tuple[PluginKind, str], Callable[..., Any]]

KINDS: tuple[PluginKind, ...] = get_args(PluginKind)

_INTERFACES: Mapping[PluginKind, type] = {
    "reward_model": RewardModel,
    "encoder": Encoder,
    "generator": Generator,
    "decoder": Decoder,
    "instruction_selector": InstructionSelector,
    "instruction_verifier": InstructionVerifier,
    "instruction_miner": InstructionMiner,
    "principle_inducer": PrincipleInducer,
    "clusterer": Clusterer,
    "adapter_trainer": AdapterTrainer,
    "redactor": Redactor,
}
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """What became of one plugin.

    Args:
        name: Name that it registered; that of its entry point when it never came so far.
        kind: What it is; None when it failed or was blocked before it could say.
        version: Version of its distribution; None for an object that the host gave.
        distribution: Name of its distribution; None for an object that the host gave.
        status: Only ``active`` ones can be created.
        reason: Why it is not active and what to do about it; empty when it is.
        error: What it raised, or None.
    """

    name: str
    kind: PluginKind | None
    version: str | None
    distribution: str | None
    status: PluginStatus
    reason: str = ""
    error: BaseException | None = field(default=None, repr=False, compare=False)


class Plugins:
    """The plugins of one engine.

    Args:
        records: One for each registered name, and one for each entry point that failed before it
            could register any or was blocked.
        factories: Factory of each active plugin, by kind and name.
    """

    def __init__(self, records: Iterable[PluginRecord], factories: Factories) -> None:
        self.records = tuple(records)
        self._factories = dict(factories)

    def names(self, kind: PluginKind) -> tuple[str, ...]:
        """Return the names of the active plugins of a kind, sorted."""
        return tuple(sorted(name for each, name in self._factories if each == kind))

    @overload
    def create(
        self, kind: Literal["reward_model"], name: str, /, **settings: object
    ) -> RewardModel: ...
    @overload
    def create(self, kind: Literal["encoder"], name: str, /, **settings: object) -> Encoder: ...
    @overload
    def create(self, kind: Literal["generator"], name: str, /, **settings: object) -> Generator: ...
    @overload
    def create(self, kind: Literal["decoder"], name: str, /, **settings: object) -> Decoder: ...
    @overload
    def create(
        self, kind: Literal["instruction_selector"], name: str, /, **settings: object
    ) -> InstructionSelector: ...
    @overload
    def create(
        self, kind: Literal["instruction_verifier"], name: str, /, **settings: object
    ) -> InstructionVerifier: ...
    @overload
    def create(
        self, kind: Literal["instruction_miner"], name: str, /, **settings: object
    ) -> InstructionMiner: ...
    @overload
    def create(
        self, kind: Literal["principle_inducer"], name: str, /, **settings: object
    ) -> PrincipleInducer: ...
    @overload
    def create(self, kind: Literal["clusterer"], name: str, /, **settings: object) -> Clusterer: ...
    @overload
    def create(
        self, kind: Literal["adapter_trainer"], name: str, /, **settings: object
    ) -> AdapterTrainer: ...
    @overload
    def create(self, kind: Literal["redactor"], name: str, /, **settings: object) -> Redactor: ...
    @overload
    def create(self, kind: PluginKind, name: str, /, **settings: object) -> object: ...
    def create(self, kind: PluginKind, name: str, /, **settings: object) -> object:
        """Return a new instance of a plugin, made with these settings.

        Raises:
            PluginError: No active plugin has that name (the message lists those that do, and says
                why this one is not active), its factory broke, or what it made is not of that kind.
            ConfigError: The plugin has no such setting, needs another, or refused a value.
        """
        factory = self._factories.get((kind, name))
        if factory is None:
            raise self._unavailable(kind, name)
        _check_settings(factory, kind, name, settings)
        instance = _call(factory, kind, name, settings)
        _check_instance(instance, kind, name)
        return instance

    def _unavailable(self, kind: PluginKind, name: str) -> PluginError:
        inactive = [r for r in self.records if r.status != "active" and r.kind in (kind, None)]
        exact = [r for r in inactive if canonical(r.name) == canonical(name)]
        message = f"no active {kind} is called {name!r}, expected one of {self.names(kind)}"
        for record in exact or inactive:
            message += f"; {record.name!r} is {record.status}: {record.reason}"
        if exact:
            error = PluginError(message)
            error.__cause__ = exact[0].error
            return error
        return PluginError(message, remedy="choose another name, or install its distribution")


def canonical(name: str) -> str:
    """Return a name as block lists and look-ups compare it.

    Examples:
        >>> canonical("Persona_Engine:Best.Of-N")
        'persona-engine:best-of-n'
    """
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _check_settings(
    factory: Callable[..., Any], kind: PluginKind, name: str, settings: Mapping[str, object]
) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # some callables written in C do not tell
        return
    try:
        signature.bind(**settings)
    except TypeError as error:
        raise ConfigError(
            f"{kind} {name!r} cannot be made with the settings {sorted(settings)}: {error}",
            remedy=f"its settings are {signature}",
        ) from None


def _call(
    factory: Callable[..., Any], kind: PluginKind, name: str, settings: Mapping[str, object]
) -> object:
    try:
        return factory(**settings)
    except PersonaError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{kind} {name!r} refused its settings {sorted(settings)}: {error}",
            remedy="correct the value that the message names",
        ) from error
    except Exception as error:
        raise PluginError(
            f"{kind} {name!r} could not be made: {type(error).__name__}: {error}",
            remedy="report it to the authors of the plugin",
        ) from error


def _check_instance(instance: object, kind: PluginKind, name: str) -> None:
    interface = _INTERFACES[kind]
    if kind == "reward_model" and not isinstance(instance, RewardModel):
        missing = ["its base class"]
    else:
        missing = [each for each in _members(interface) if not _has(instance, each)]
    if missing:
        raise PluginError(
            f"the factory of {kind} {name!r} returned {type(instance).__name__!r}, which is no "
            f"{interface.__name__}: it lacks {', '.join(missing)}",
            remedy=f"implement persona_engine.interfaces.{interface.__name__}",
        )
    if isinstance(instance, RewardModel) and instance.name != name:
        raise PluginError(
            f"reward_model {name!r} calls itself {instance.name!r}; populations and posteriors are "
            "stored under the name that it registered",
            remedy=f"set name = {name!r}, or register it as {instance.name!r}",
        )


def _members(interface: type) -> list[str]:
    declared = {**vars(interface), **interface.__annotations__}
    return [name for name in declared if not name.startswith("_")]


def _has(instance: object, member: str) -> bool:
    # getattr would run properties, and a fingerprint may hash a model's files
    return inspect.getattr_static(instance, member, _ABSENT) is not _ABSENT
