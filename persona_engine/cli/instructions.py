"""``persona instruct`` and ``persona instructions``: what a person wants, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, SeedOption, UserOption, options_of
from persona_engine.cli.output import print_json, printable, stdout
from persona_engine.errors import InvalidInputError
from persona_engine.jsonlines import decoded, readable

if TYPE_CHECKING:
    from persona_engine.types import (
        Conversation,
        Instruction,
        InstructionKind,
        InstructionSource,
        Strength,
    )

IdArgument = Annotated[str, typer.Argument(help="Id of the instruction.", metavar="ID")]

group = Commands(
    no_args_is_help=True, help="List, change and suggest a person's standing instructions."
)


def register(app: Commands) -> None:
    """Add the commands."""
    app.command("instruct")(instruct)
    app.add_typer(group, name="instructions")


def instruct(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What the person wants, in words.")],
    *,
    user: UserOption,
    scope: Annotated[str, typer.Option(help="When it applies, in words; always if empty.")] = "",
    kind: Annotated[
        str, typer.Option(help="One of constraint, preference, fact, format.")
    ] = "preference",
    strength: Annotated[str, typer.Option(help="must or prefer.")] = "prefer",
    source: Annotated[str, typer.Option(help="Who says it: user or operator.")] = "user",
    until: Annotated[
        str | None, typer.Option(help="Applies before this time, ISO 8601; UTC unless it says.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Keep a standing instruction; it takes the place of what it contradicts."""
    valid_until = None if until is None else _moment(until)
    with options_of(context).user(user) as person:
        kept = person.instruct(
            text,
            scope=scope,
            kind=cast("InstructionKind", kind),  # the engine checks these
            strength=cast("Strength", strength),
            source=cast("InstructionSource", source),
            valid_until=valid_until,
        )
        replaced = [each for each in person.history() if each.superseded_by == kept.id]
    if json:
        print_json(kept)
        return
    _tell("Kept", kept)
    for each in replaced:
        _tell("It takes the place of", each)


@group.command("list")
def list_instructions(
    context: typer.Context,
    *,
    user: UserOption,
    history: Annotated[
        bool, typer.Option("--history", help="Also superseded, retracted and expired ones.")
    ] = False,
    suggested: Annotated[
        bool, typer.Option("--suggested", help="Those that wait for acceptance instead.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the standing instructions of a person."""
    if history and suggested:
        raise InvalidInputError("--history lists suggested ones too; give one of the two")
    with options_of(context).user(user) as person:
        found = person.instructions()
        if history or suggested:
            found = person.history() if history else person.suggestions()
    if json:
        print_json({"user": user, "instructions": found})
    else:
        print_instructions(found)


@group.command("revise")
def revise(
    context: typer.Context,
    instruction: IdArgument,
    text: Annotated[str, typer.Argument(help="The new words.")],
    *,
    user: UserOption,
    json: JsonOption = False,
) -> None:
    """Put other words in an instruction's place."""
    with options_of(context).user(user) as person:
        _report("Revised", person.revise(instruction, text), json=json)


@group.command("retract")
def retract(
    context: typer.Context, instruction: IdArgument, *, user: UserOption, json: JsonOption = False
) -> None:
    """Take an instruction back, or dismiss a suggested one."""
    with options_of(context).user(user) as person:
        _report("Retracted", person.retract(instruction), json=json)


@group.command("accept")
def accept(
    context: typer.Context, instruction: IdArgument, *, user: UserOption, json: JsonOption = False
) -> None:
    """Put a suggested instruction in force."""
    with options_of(context).user(user) as person:
        _report("In force", person.accept(instruction), json=json)


@group.command("undo")
def undo(
    context: typer.Context, instruction: IdArgument, *, user: UserOption, json: JsonOption = False
) -> None:
    """Undo what last happened to an instruction; what it took the place of is back."""
    with options_of(context).user(user) as person:
        changed = person.undo(instruction)
    if json:
        print_json({"user": user, "instructions": changed})
        return
    for each in changed:
        _tell(f"Now {each.status}", each)


@group.command("listen")
def listen(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON file: a list of OpenAI-style messages.")],
    *,
    user: UserOption,
    json: JsonOption = False,
) -> None:
    """Suggest what the person wished for in a conversation, and learn from their reactions."""
    with readable(file):
        messages = decoded(file.read_bytes(), str(file))
    with options_of(context).user(user) as person:
        heard = person.listen(cast("Conversation", messages))  # the engine checks it
    if json:
        print_json(heard)
        return
    _tell_suggestions(heard.suggested)
    if heard.comparisons:
        several = "reactions" if len(heard.comparisons) > 1 else "reaction"
        stdout().print(f"Learned from {len(heard.comparisons)} {several} to a reply.")


@group.command("induce")
def induce(
    context: typer.Context, *, user: UserOption, seed: SeedOption = 0, json: JsonOption = False
) -> None:
    """Suggest rules that explain the person's choices beyond chance."""
    with options_of(context).user(user) as person:
        found = person.induce(seed=seed)
    if json:
        print_json({"user": user, "suggested": found})
    else:
        _tell_suggestions(found)


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


def _tell_suggestions(found: tuple[Instruction, ...]) -> None:
    if not found:
        stdout().print("Nothing new to suggest.")
    for each in found:
        done = "Suggested" if each.status == "suggested" else "In force"
        rests = f", rests on {len(each.rests_on)}" if each.source == "induced" else ""
        _tell(f"{done} (sure to {each.trust:.2f}{rests})", each)


def _report(done: str, changed: Instruction, *, json: bool) -> None:
    print_json(changed) if json else _tell(done, changed)


def _tell(done: str, instruction: Instruction) -> None:
    line = f"{done} {instruction.id}: {printable(instruction.text)}"
    stdout().print(line, soft_wrap=True)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            f"--until is {text!r}, expected an ISO 8601 time", remedy="for example 2027-01-31"
        ) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
