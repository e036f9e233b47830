"""Shows the acts of the demo on a terminal."""

from __future__ import annotations

from functools import singledispatchmethod
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from persona_engine.cli.data import print_receipt
from persona_engine.cli.demo.acts import (
    Asked,
    Corrected,
    Farewell,
    Instructed,
    Kept,
    Onboarding,
    Said,
)
from persona_engine.cli.output import printable

if TYPE_CHECKING:
    from rich.console import Console

_TASTES_SHOWN = 5


class Stage:
    """Prints acts as they come.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._request = 0

    @singledispatchmethod
    def show(self, act: object) -> None:
        """Print one act."""
        raise TypeError(f"the demo has no act {type(act).__name__}")

    @show.register
    def _(self, act: Onboarding) -> None:
        self._title(f"{act.person.title()} wants replies {act.wants}")
        for number, answered in enumerate(act.answers, start=1):
            question = answered.question
            self._line(
                f"{number}. {question.prompt}  ", f"({', '.join(question.poles)})", style="dim"
            )
            chosen, other = (
                (question.a, question.b) if answered.choice == "a" else (question.b, question.a)
            )
            self._line("   prefers ", _clip(chosen), style="green")
            self._line("   to      ", _clip(other), style="dim")
        tastes = ", ".join(
            f"{taste.high if taste.mean > 0 else taste.low} ({taste.mean:+.1f} ± {taste.std:.1f})"
            for taste in act.profile.tastes[:_TASTES_SHOWN]
        )
        self._line("Learned from these: ", tastes or "nothing; no population is published")

    @show.register
    def _(self, act: Instructed) -> None:
        self._title(f"{act.person.title()} gives a standing instruction")
        self._line("", f"“{act.instruction.text}”  ({act.instruction.id})")

    @show.register
    def _(self, act: Asked) -> None:
        self._request += 1
        self._title(f"Request {self._request}: {act.prompt}")
        said = {"anybody (base)": act.base, **act.personal}
        self._side_by_side(said)
        for name, each in act.personal.items():
            self._trace(name, each)

    @show.register
    def _(self, act: Kept) -> None:
        self._title(f"Did “{act.instruction}” hold? Checked by program ({act.check})")
        self._line(
            "",
            f"{act.person}: {act.personal} of {act.asked} replies; "
            f"base, which was never told: {act.base} of {act.asked}",
        )

    @show.register
    def _(self, act: Corrected) -> None:
        self._title(f"{act.person.title()} corrects: {act.prompt}")
        shown, liked = (act.before.trace.candidates[place] for place in (0, act.rank))
        self._line(
            "",
            f"{act.person.title()} would have liked candidate {act.rank + 1} ({_count(act.liked)} "
            f"words), which the engine put at {liked.reward:+.2f}, the shown one at "
            f"{shown.reward:+.2f}.",
        )
        self._line("", f"{act.comparisons} comparison learned. The same request, same seed, again:")
        self._side_by_side({"before": act.before, "after": act.after})
        self._trace(act.person, act.after)
        self._line("", _verdict(act), style="bold green" if act.changed else "bold yellow")

    @show.register
    def _(self, act: Farewell) -> None:
        self._title(f"{act.person.title()} takes everything along, and is forgotten")
        sections = ", ".join(
            f"{len(rows)} {name}" for name, rows in act.document.items() if isinstance(rows, list)
        )
        self._line("Exported: ", sections)
        print_receipt(act.receipt)
        self._line("", f"Comparisons of {act.person} left: {act.comparisons_left}")

    def _title(self, text: str) -> None:
        self._console.print()
        self._console.print(Rule(Text(printable(text), style="bold"), align="left"))

    def _line(self, label: str, text: str, *, style: str = "") -> None:
        line = Text(printable(label))
        line.append(printable(text), style=style)
        self._console.print(line)

    def _side_by_side(self, said: dict[str, Said]) -> None:
        width = max(24, self._console.width // len(said) - 1)
        self._console.print(
            Columns(
                [
                    _panel(f"{name}: {each.words} words", each.text, width)
                    for name, each in said.items()
                ]
            )
        )

    def _trace(self, name: str, said: Said) -> None:
        trace = said.trace
        self._line(f"{name}: ", trace.reason)
        for chosen in trace.instructions:
            mark = "used" if chosen.used else "left out"
            held = f"; held: {'yes' if said.keeps_instruction else 'no'}" if chosen.used else ""
            self._line(
                "  instruction ", f"“{chosen.instruction.text}” {mark}: {chosen.reason}{held}"
            )
        for skipped in trace.skipped:
            self._line("  skipped ", skipped, style="dim")
        if any(each.reward is not None for each in trace.candidates):
            self._console.print(_rewards(said))
        steps = ", ".join(f"{step.name} {step.milliseconds:.0f}" for step in trace.steps)
        self._line("  milliseconds: ", steps or "none", style="dim")


def _rewards(said: Said) -> Table:
    table = Table("", "words", "reward", "begins", box=None, padding=(0, 1))
    for position, each in enumerate(said.trace.candidates):
        reward = "" if each.reward is None else f"{each.reward:+.2f} ± {each.spread or 0.0:.2f}"
        cells = (
            "shown" if position == 0 else "",
            _count(each.text),
            reward,
            _clip(each.text, 60),
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _verdict(act: Corrected) -> str:
    if not act.changed:
        return (
            "The correction did not change this reply: what the other comparisons say still "
            "weighs more. The posterior has moved all the same."
        )
    liked = " to the one liked" if act.as_liked else ""
    return (
        f"The reply changed{liked}: {act.before.words} words before, {act.after.words} after. "
        "The seed is the same, so nothing but the correction can have changed it."
    )


def _panel(title: str, text: str, width: int) -> Panel:
    return Panel(Text(printable(text)), title=Text(printable(title)), width=width)


def _count(text: str) -> str:
    return str(len(text.split()))


def _clip(text: str, length: int = 96) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"
