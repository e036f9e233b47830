"""``persona steer``: what a person wants of replies, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, UserOption, options_of
from persona_engine.cli.output import print_json, print_table, printable, stdout
from persona_engine.errors import InvalidInputError


def register(app: Commands) -> None:
    """Add the command."""
    app.command("steer")(steer)


def steer(
    context: typer.Context,
    wishes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=STRENGTH…",
            help="Such as concise=+1 humour=-0.5; 1 counts as four answers, 0 takes it back.",
        ),
    ] = None,
    *,
    user: UserOption,
    json: JsonOption = False,
) -> None:
    """Set by hand what a person wants of replies; without a name, show what is set."""
    strengths = parse_wishes(wishes or [])
    with options_of(context).user(user) as person:
        kept = person.steer(**strengths)
    if json:
        print_json({"user": user, "steering": kept})
    elif kept:
        rows = [(name, f"{strength:+g}") for name, strength in kept.items()]
        print_table("Set by hand", ("attribute", "strength"), rows)
    else:
        stdout().print(f"Nothing is set by hand for {printable(user)}.")


def parse_wishes(wishes: Sequence[str]) -> dict[str, float]:
    """Return strengths by name from texts such as ``concise=+1``.

    Raises:
        InvalidInputError: One is no name and number, or a name occurs twice.

    Examples:
        >>> parse_wishes(["concise=+1", "humour=-0.5"])
        {'concise': 1.0, 'humour': -0.5}
    """
    found: dict[str, float] = {}
    for wish in wishes:
        name, equals, number = wish.partition("=")
        try:
            strength = float(number)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise InvalidInputError(
                f"{wish!r} is no wish, expected a name and a number",
                remedy="for example: persona steer concise=+1 humour=-0.5 --user alice",
            )
        if name in found:
            raise InvalidInputError(f"{name!r} is given twice, expected once")
        found[name] = strength
    return found
