"""Global options, the options that several commands share, and the engine that they describe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persona_engine.cli.progress import ProgressCallback, console_progress

if TYPE_CHECKING:
    from persona_engine.config import EngineConfig
    from persona_engine.engine import PersonaEngine, User

UserOption = Annotated[str, typer.Option("--user", "-u", help="Whom this is about.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Decides every random draw.", min=0)]

GLOBAL_WITH_VALUE = ("--database", "--tenant", "--config", "--generator")
GLOBAL_FLAGS = ("--debug",)


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """What stands before (or after) any command.

    Args:
        database: Store URL, or None for the configured one.
        tenant: Whose users are meant.
        config: TOML file with settings, or None.
        generator: Language model by name or path, or None for the configured one.
        debug: Whether errors come with a traceback.
    """

    database: str | None = None
    tenant: str = "default"
    config: Path | None = None
    generator: str | None = None
    debug: bool = False

    def settings(self, **overrides: object) -> EngineConfig:
        """Return the settings: options win over the TOML file, which wins over the environment.

        Raises:
            ConfigError: A setting cannot be used.
        """
        from persona_engine.config import EngineConfig

        given = {"database": self.database, "generator": self.generator, **overrides}
        values: dict[str, Any] = {name: each for name, each in given.items() if each is not None}
        if self.config is not None:
            return EngineConfig.from_toml(self.config, **values)
        return EngineConfig(**values)

    def engine(self, progress: ProgressCallback, **overrides: object) -> PersonaEngine:
        """Open the engine that the options describe; a context manager.

        Args:
            progress: Told of weights that are fetched and of features that are computed.
            overrides: Settings that win over the options.
        """
        from persona_engine.engine import PersonaEngine

        settings = self.settings(**overrides)
        return PersonaEngine(settings.database, config=settings, progress=progress)

    @contextmanager
    def user(self, name: str) -> Iterator[User]:
        """Open the engine and give one user of the tenant."""
        with console_progress() as progress, self.engine(progress) as engine:
            yield engine.user(name, tenant=self.tenant)


def options_of(context: typer.Context) -> GlobalOptions:
    """Return the global options that a command was called with."""
    found = context.obj
    return found if isinstance(found, GlobalOptions) else GlobalOptions()


def hoisted(arguments: Sequence[str]) -> list[str]:
    """Move global options before the command, so that they may stand anywhere.

    Examples:
        >>> hoisted(["chat", "--user", "alice", "--tenant", "acme"])
        ['--tenant', 'acme', 'chat', '--user', 'alice']
    """
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            rest += [argument, *waiting]
            break
        name, has_value, _ = argument.partition("=")
        if argument in GLOBAL_FLAGS or (has_value and name in GLOBAL_WITH_VALUE):
            front.append(argument)
        elif argument in GLOBAL_WITH_VALUE and waiting:
            front += [argument, waiting.pop(0)]
        else:
            rest.append(argument)
    return front + rest
