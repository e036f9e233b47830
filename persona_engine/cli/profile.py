"""``persona profile``: what is known about a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.instructions import print_instructions
from persona_engine.cli.options import JsonOption, UserOption, options_of
from persona_engine.cli.output import jsonable, print_json, print_table, printable, stdout

if TYPE_CHECKING:
    from persona_engine.types import Neighbour, Profile


def register(app: Commands) -> None:
    """Add the command."""
    app.command("profile")(show_profile)


def show_profile(
    context: typer.Context,
    *,
    user: UserOption,
    neighbours: Annotated[
        int, typer.Option(min=0, help="Also list this many people with the nearest taste.")
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Show instructions, tastes and comparisons of a person."""
    with options_of(context).user(user) as person:
        profile = person.profile()
        near = person.neighbours(neighbours) if neighbours else ()
    if json:
        print_json({**jsonable(profile), "neighbours": near})
    else:
        _print_profile(profile)
        if neighbours:
            _print_neighbours(near)


def _print_profile(profile: Profile) -> None:
    since = f", since {profile.created_at:%Y-%m-%d}" if profile.created_at else ", not seen yet"
    console = stdout()
    console.print(
        f"{printable(profile.user)} ({printable(profile.tenant)}): "
        f"{profile.comparisons} comparisons{since}",
        soft_wrap=True,
    )
    if profile.population is not None:
        console.print(f"Reward model {profile.reward_model}, population {profile.population}")
    elif profile.comparisons:
        console.print("No population is published: fit one with `persona fit --default`.")
    print_instructions(profile.instructions)
    if profile.steering:
        said = ", ".join(f"{name} {each:+g}" for name, each in profile.steering.items())
        console.print(f"Set by hand: {printable(said)}", soft_wrap=True)
    if profile.traits:
        said = ", ".join(f"{name}: {each}" for name, each in profile.traits.items())
        console.print(f"Said by the host: {printable(said)}", soft_wrap=True)
    if profile.tastes:
        rows = [
            (each.style, each.low, each.high, f"{each.mean:+.2f} ± {each.std:.2f}")
            for each in profile.tastes
        ]
        print_table("Tastes, strongest first", ("style", "low (-)", "high (+)", "taste"), rows)
    if profile.clusters:
        chances = [(name, f"{each:.2f}") for name, each in profile.clusters.items()]
        print_table("Clusters", ("cluster", "probability"), chances)


def _print_neighbours(near: tuple[Neighbour, ...]) -> None:
    rows = [(each.user, f"{each.similarity:.3f}") for each in near]
    print_table("Nearest taste", ("user", "similarity"), rows)
