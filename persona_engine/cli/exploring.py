"""``persona choose``, ``prefers`` and ``replay``: draw, predict, and judge what was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, cast

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, SeedOption, UserOption, options_of
from persona_engine.cli.output import print_json, print_table, printable, stdout
from persona_engine.cli.progress import console_progress

if TYPE_CHECKING:
    from persona_engine.types import Estimate, ExplorationPolicy, Replayed

_POLICIES = ("first", "greedy", "thompson", "ucb")


def register(app: Commands) -> None:
    """Add the commands."""
    app.command("choose")(choose)
    app.command("replay")(replay)
    app.command("prefers")(prefers)


def choose(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What the candidates answer.")],
    candidates: Annotated[
        list[str], typer.Argument(help="The replies, your own choice first.", metavar="REPLY…")
    ],
    *,
    user: UserOption,
    explore: Annotated[str, typer.Option(help="thompson, ucb, greedy or uniform.")] = "thompson",
    epsilon: Annotated[float, typer.Option(help="Share that is spread evenly.")] = 0.05,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Draw one of several replies for a person, and keep with what probability."""
    with options_of(context).user(user) as person:
        chosen = person.choose(
            prompt,
            candidates,
            explore=cast("ExplorationPolicy", explore),
            epsilon=epsilon,
            seed=seed,
        )
    if json:
        print_json({"user": user, "choice": chosen})
        return
    stdout().print(printable(chosen.text), soft_wrap=True)
    chances = ", ".join(f"{each:.2f}" for each in chosen.propensities)
    stdout().print(
        f"Choice {chosen.id}, drawn with probability {chosen.propensity:.2f} ({chances})"
    )


def prefers(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What the replies answer.")],
    a: Annotated[str, typer.Argument(help="One reply.", metavar="A")],
    b: Annotated[str, typer.Argument(help="The other.", metavar="B")],
    *,
    user: UserOption,
    error: Annotated[float, typer.Option(help="Largest share of wrong answers.")] = 0.1,
    json: JsonOption = False,
) -> None:
    """Predict which of two replies a person would prefer, or abstain at a promised error."""
    with options_of(context).user(user) as person:
        found = person.prefers(prompt, a, b, error=error)
    if json:
        print_json({"user": user, "prediction": found})
        return
    stdout().print(f"{found.answer or 'no answer'}: {found.reason}", soft_wrap=True)
    stdout().print(f"a is preferred to b with probability {found.probability:.2f}")


def replay(
    context: typer.Context,
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="first, greedy, thompson, ucb or uniform; may be given several times."),
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Tell what policies would have earned on logged choices, with standard errors."""
    options = options_of(context)
    with console_progress() as progress, options.engine(progress) as engine:
        found = engine.replay(
            policy or _POLICIES, tenant=options.tenant, seed=seed, progress=progress
        )
    if json:
        print_json({"tenant": options.tenant, "policies": found})
    else:
        _print(found)


def _print(found: Sequence[Replayed]) -> None:
    first = found[0]
    title = (
        f"{first.choices} choices of {first.users} users with feedback ({first.unanswered} "
        f"without); what was shown earned {_told(first.logged)}"
    )
    columns = ("policy", "IPS", "self-normalised", "doubly robust", "worth", "largest weight")
    rows = [
        (
            each.policy,
            _told(each.ips),
            _told(each.snips),
            _told(each.doubly_robust),
            f"{each.effective:.0f} choices",
            f"{each.largest:.1f}",
        )
        for each in found
    ]
    print_table(title, columns, rows, width=110)


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:+.3f} ± {estimate.error:.3f}"
