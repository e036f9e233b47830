"""``persona chat``: talk with the model as one person, for one turn or as long as you like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, SeedOption, UserOption, options_of
from persona_engine.cli.output import print_json
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from persona_engine.types import Message


def register(app: Commands) -> None:
    """Add the command."""
    app.command("chat")(chat)


def chat(
    context: typer.Context,
    *,
    user: UserOption,
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="One turn instead of a session.")
    ] = None,
    base: Annotated[
        bool, typer.Option("--base", help="The reply that anybody would get, unpersonalised.")
    ] = False,
    candidates: Annotated[int | None, typer.Option(min=1, help="Replies to choose among.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest reply, in tokens.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="0 for the likeliest words.")
    ] = None,
    decoding: Annotated[
        str | None, typer.Option(help="Decoder by name; auto for what the budget is best spent on.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="What a reply may cost: 2x of plain decoding, or 800ms.")
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Chat as one person; /help lists what a session understands."""
    from persona_engine.cli.session import Sampler, Session

    if json and message is None:
        raise InvalidInputError(
            "--json needs --message: a session has no single document",
            remedy='add --message "…", or leave --json out',
        )
    with options_of(context).user(user) as person:
        sampler = Sampler(
            seed=seed,
            candidates=candidates,
            max_tokens=max_tokens,
            temperature=temperature,
            personal=not base,
            decoding=decoding,
            budget=budget,
        )
        if message is None:
            Session(person, sampler).run()
            return
        turn: Message = {"role": "user", "content": message}
        if json:
            print_json({"user": user, "reply": sampler.reply(person, [turn])})
        else:
            sampler.show(person, [turn])
