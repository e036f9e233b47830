"""``persona feedback`` and ``persona explain``: about one reply, by its id."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, UserOption, options_of
from persona_engine.cli.output import print_json, printable, stdout
from persona_engine.cli.search_tree import search_tree
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from persona_engine.types import Trace

ReplyArgument = Annotated[str, typer.Argument(help="Id of the reply.", metavar="REPLY")]


def register(app: Commands) -> None:
    """Add the commands."""
    app.command("feedback")(give_feedback)
    app.command("explain")(explain)


def give_feedback(
    context: typer.Context,
    reply: ReplyArgument,
    *,
    user: UserOption,
    rating: Annotated[float | None, typer.Option(help="Above 0 for good, below 0 for bad.")] = None,
    better: Annotated[
        str | None, typer.Option(help="The text that the person would have liked.")
    ] = None,
    chosen: Annotated[
        str | None, typer.Option(help="The candidate preferred: its number from 0, or its text.")
    ] = None,
    ranking: Annotated[
        str | None, typer.Option(help="Numbers of candidates, best first, such as 2,0,1.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same feedback counts once.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what a person thinks of a reply: one of --rating, --better, --chosen, --ranking."""
    picked = int(chosen) if chosen is not None and chosen.isdecimal() else chosen
    with options_of(context).user(user) as person:
        learned = person.feedback(
            reply,
            rating=rating,
            better=better,
            chosen=picked,
            ranking=None if ranking is None else _positions(ranking),
            idempotency_key=key,
        )
    if json:
        print_json({"user": user, "reply": reply, "comparisons": learned})
    else:
        stdout().print(f"Kept; {len(learned)} comparisons learned from it.")


def _positions(text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise InvalidInputError(
            f"--ranking is {text!r}, expected numbers with commas between them, such as 2,0,1"
        ) from None


def explain(
    context: typer.Context,
    reply: ReplyArgument,
    *,
    user: UserOption,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with the tree of the search to this file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say in words and numbers why a reply was chosen, and draw how it was searched for."""
    with options_of(context).user(user) as person:
        explanation = person.explain(reply)
    if html is not None:
        _write_page(html, explanation.trace, title=f"Reply {reply}")
    if json:
        print_json(
            {"user": user, "reply": reply, "text": explanation.text, "trace": explanation.trace}
        )
        return
    stdout().print(printable(explanation.text), soft_wrap=True)
    tree = search_tree(explanation.trace)
    if tree is not None:
        stdout().print(tree)


def _write_page(path: Path, trace: Trace, *, title: str) -> None:
    from persona_engine.trace_page import trace_page

    try:
        path.write_text(trace_page(trace, title=title), encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(
            f"--html is {str(path)!r}, which cannot be written: {error}",
            remedy="name a file in a folder that exists",
        ) from error
