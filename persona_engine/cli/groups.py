"""Typer classes of this command line: global options anywhere, errors without tracebacks.

The context that Typer passes is its own class or click's, by its version; hence ``Any``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from persona_engine.cli.exits import errors_reported
from persona_engine.cli.options import hoisted, options_of

Function = TypeVar("Function", bound=Callable[..., Any])


class RootGroup(TyperGroup):
    """The command ``persona``: its options may stand before or after the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Read the arguments with global options first."""
        return super().parse_args(ctx, hoisted(args))


class ReportingCommand(TyperCommand):
    """A command whose errors become a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command."""
        with errors_reported(debug=options_of(ctx).debug):
            return super().invoke(ctx)


class Commands(typer.Typer):
    """A group of commands, each of which reports its errors."""

    def command(self, *names: Any, **settings: Any) -> Callable[[Function], Function]:  # noqa: ANN401
        """Register a command."""
        return super().command(*names, **{"cls": ReportingCommand, **settings})
