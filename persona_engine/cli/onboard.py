"""``persona onboard``: ask a person which of two replies they prefer, a few times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, UserOption, options_of
from persona_engine.cli.output import print_json, printable, stderr, stdout
from persona_engine.cli.terminal import read_line
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from persona_engine.engine import User
    from persona_engine.onboarding import Interview, Pool
    from persona_engine.types import Question

Choice = Literal["a", "b", "t", "s"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answered to one question; no choice means skipped."""

    question: str
    style: str | None
    choice: Literal["a", "b", "tie"] | None
    styles: tuple[str, ...] = ()


def register(app: Commands) -> None:
    """Add the command."""
    app.command("onboard")(onboard)


QuestionsOption = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="How many to ask at most; 4 unless told, or --until."),
]
UntilOption = Annotated[
    float | None,
    typer.Option(help="Ask until so large a share of answers is expected to be known: 0.65."),
]
PoolOption = Annotated[
    str,
    typer.Option(
        help="'bank'; 'prompts', pairs on the person's own requests; or a JSONL FILE of questions "
        "with prompt, a and b."
    ),
]
CriterionOption = Annotated[
    Literal["bald", "d_optimal", "pref"], typer.Option(help="How questions are chosen.")
]
LocaleOption = Annotated[
    str | None, typer.Option(help="What is known before the first answer, such as de-AT.")
]
TraitsOption = Annotated[
    str | None, typer.Option(help="Likewise in words: 'nurse, hates small talk'.")
]
AnswersOption = Annotated[
    str | None,
    typer.Option(help="Answer without asking, one a question: a,b,t,s (no difference, skip)."),
]


def onboard(
    context: typer.Context,
    *,
    user: UserOption,
    questions: QuestionsOption = None,
    until: UntilOption = None,
    pool: PoolOption = "bank",
    criterion: CriterionOption = "bald",
    locale: LocaleOption = None,
    traits: TraitsOption = None,
    answers: AnswersOption = None,
    json: JsonOption = False,
) -> None:
    """Ask for the comparisons that teach most about a person; answers are kept one by one."""
    given = None if answers is None else parse_answers(answers)
    if given is not None and questions is not None and len(given) != questions:
        raise InvalidInputError(
            f"{len(given)} answers for {questions} questions", remedy="give one answer a question"
        )
    console = stderr() if json else stdout()
    with options_of(context).user(user) as person:
        if locale is not None or traits is not None:
            person.cold_start(locale=locale, traits=traits)
        interview = person.onboard(
            questions=len(given) if given is not None else questions,
            until=until,
            pool=_pool(pool),
            criterion=criterion,
        )
        answered = list(_ask(person, interview, given, console))
        comparisons = person.profile().comparisons
        confidence = interview.confidence
    if json:
        print_json(
            {
                "user": user,
                "answers": answered,
                "comparisons": comparisons,
                "confidence": confidence,
                "ended": interview.ended,
            }
        )
        return
    kept = sum(each.choice is not None for each in answered)
    console.print(f"{kept} answers kept; {comparisons} comparisons of {printable(user)} in all.")
    console.print(f"Expected to be right about {confidence:.0%} of what could be asked.")


def parse_answers(text: str) -> list[Choice]:
    """Return the answers in a text such as ``a,b,s``.

    Raises:
        InvalidInputError: One of them is none of a, b, t and s.

    Examples:
        >>> parse_answers("a, B,s")
        ['a', 'b', 's']
    """
    found = [each.strip().lower() for each in text.split(",")]
    for position, each in enumerate(found, start=1):
        if each not in ("a", "b", "t", "s"):
            raise InvalidInputError(
                f"answer {position} is {each!r}, expected a, b, t or s",
                remedy="separate answers by commas: --answers a,b,s,a",
            )
    return cast(list[Choice], found)


def _pool(named: str) -> Pool:
    """Return a pool by its name, or the questions of a JSON-lines file; `onboard` checks them."""
    if named in ("bank", "prompts"):
        return cast(Literal["bank", "prompts"], named)
    from persona_engine.jsonlines import iter_objects

    example = '{"prompt": "…", "a": "…", "b": "…"}'
    return [row for _, row in iter_objects(Path(named), example=example)]


def _ask(
    person: User, interview: Interview, given: list[Choice] | None, console: Console
) -> Iterator[Answer]:
    for position, question in enumerate(interview):
        _show(question, position + 1, console)
        choice = _read_choice() if given is None else given[position]
        if choice is None:
            return
        styles = tuple(sorted(question.poles))
        if choice == "s":
            yield Answer(question.id, question.style, None, styles)
        else:
            said: Literal["a", "b", "tie"] = "tie" if choice == "t" else choice
            person.prefer(question, said)
            yield Answer(question.id, question.style, said, styles)


def _show(question: Question, number: int, console: Console) -> None:
    from rich.columns import Columns
    from rich.panel import Panel
    from rich.text import Text

    console.print(f"\nQuestion {number}: {printable(question.prompt)}", style="bold")
    width = max(20, min(60, console.width // 2 - 2))
    panels = [
        Panel(Text(printable(text)), title=side, width=width)
        for side, text in (("a", question.a), ("b", question.b))
    ]
    console.print(Columns(panels))


def _read_choice() -> Choice | None:
    """Return what the person typed; None at the end of input."""
    while True:
        line = read_line("Which do you prefer? a, b, t for no difference, or s to skip: ")
        if line is None:
            return None
        if line.strip().lower() in ("a", "b", "t", "s"):
            return cast(Choice, line.strip().lower())
        stderr().print("Please type a, b, t or s; Ctrl-D ends.")
