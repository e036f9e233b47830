"""``persona instruct`` and ``persona instructions``: what a person wants, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, UserOption, options_of
from persona_engine.cli.output import print_json, printable, stdout
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from persona_engine.types import Instruction, InstructionKind, Strength


def register(app: Commands) -> None:
    """Add the commands."""
    app.command("instruct")(instruct)
    app.command("instructions")(list_instructions)


def instruct(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="What the person wants, in words.")] = None,
    *,
    user: UserOption,
    scope: Annotated[str, typer.Option(help="When it applies, in words; always if empty.")] = "",
    kind: Annotated[
        str, typer.Option(help="One of constraint, preference, fact, format.")
    ] = "preference",
    strength: Annotated[str, typer.Option(help="must or prefer.")] = "prefer",
    until: Annotated[
        str | None, typer.Option(help="Applies before this time, ISO 8601; UTC unless it says.")
    ] = None,
    revise: Annotated[
        str | None, typer.Option(metavar="ID", help="Replace this instruction by TEXT.")
    ] = None,
    retract: Annotated[
        str | None, typer.Option(metavar="ID", help="Take this instruction back.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Keep a standing instruction of a person, or revise or retract one."""
    _check_usage(text, revise, retract)
    valid_until = None if until is None else _moment(until)
    with options_of(context).user(user) as person:
        if retract is not None:
            done, kept = "Retracted", person.retract(retract)
        elif revise is not None:
            done, kept = "Revised", person.revise(revise, text or "")
        else:
            done = "Kept"
            kept = person.instruct(
                text or "",
                scope=scope,
                kind=cast("InstructionKind", kind),  # the engine checks both
                strength=cast("Strength", strength),
                valid_until=valid_until,
            )
    if json:
        print_json(kept)
    else:
        stdout().print(f"{done} {kept.id}: {printable(kept.text)}", soft_wrap=True)


def list_instructions(
    context: typer.Context,
    *,
    user: UserOption,
    history: Annotated[
        bool, typer.Option("--history", help="Also superseded, retracted and expired ones.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the standing instructions of a person."""
    with options_of(context).user(user) as person:
        found = person.history() if history else person.instructions()
    if json:
        print_json({"user": user, "instructions": found})
    else:
        print_instructions(found)


def print_instructions(found: tuple[Instruction, ...]) -> None:
    """Print instructions, each with its id and what is known about it."""
    console = stdout()
    if not found:
        console.print("No standing instructions.")
        return
    console.print("Standing instructions", style="bold")
    for each in found:
        until = f", until {each.valid_until:%Y-%m-%d %H:%M %Z}" if each.valid_until else ""
        facts = (each.status, each.scope or "always", each.strength, each.kind, each.source)
        console.print(printable(f"  {each.text}"), soft_wrap=True)
        console.print(printable(f"    {each.id}: {', '.join(facts)}{until}"), soft_wrap=True)


def _check_usage(text: str | None, revise: str | None, retract: str | None) -> None:
    if retract is not None and (text is not None or revise is not None):
        raise InvalidInputError("--retract takes neither a text nor --revise")
    if retract is None and text is None:
        raise InvalidInputError(
            "no text given", remedy='say what the person wants: persona instruct "Answer briefly."'
        )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            f"--until is {text!r}, expected an ISO 8601 time", remedy="for example 2027-01-31"
        ) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
