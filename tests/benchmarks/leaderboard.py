"""The leaderboard of plugins/README.md: every reward model on the sets in PERSONA_DATA.

    python tests/benchmarks/leaderboard.py --out FOLDER [--methods a,b] [--seeds 3] [--write]

calls `persona evaluate` for each set, so that everything is resumed after an interruption and
anyone can repeat a single line. ``--write`` puts the table into plugins/README.md, between the
lines that mark it. Sets that are not there are passed over.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import say

ROOT = Path(__file__).parents[2]
README = ROOT / "plugins" / "README.md"
BEGIN, END = "<!-- leaderboard: begin -->", "<!-- leaderboard: end -->"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Board:
    """One set and protocol.

    Args:
        title: Heading.
        data: File of votes or judgments.
        items: File of texts.
        options: Further options of the command.
        groups: File of groups, or None.
    """

    title: str
    data: str
    items: str
    options: tuple[str, ...]
    groups: str | None = None

    def command(self, folder: Path) -> list[str]:
        """Return the options of `persona evaluate` that name the set and the protocol."""
        files = ["--votes", str(folder / self.data), "--items", str(folder / self.items)]
        if self.groups is not None:
            files += ["--groups", str(folder / self.groups)]
        return [*files, *self.options]


def polis(name: str, *, disjoint: bool) -> Board:
    """Return a Polis conversation."""
    options = ["--encoder", "sentence+item", "--min-comparisons", "26"]
    if disjoint:
        options += ["--disjoint", "items"]
    return Board(
        f"polis_{name}" + (", item-disjoint" if disjoint else ""),
        f"polis_{name}.votes.jsonl.gz",
        f"polis_{name}.items.jsonl.gz",
        tuple(options),
        f"polis_{name}.groups.jsonl.gz",
    )


def ukp(name: str, title: str, *options: str) -> Board:
    """Return a set of judgments of arguments."""
    return Board(title, f"ukp_{name}.judgments.jsonl.gz", f"ukp_{name}.texts.jsonl.gz", options)


BOARDS = (
    polis("ssis", disjoint=False),
    polis("ssis", disjoint=True),
    polis("vtaiwan", disjoint=False),
    polis("vtaiwan", disjoint=True),
    ukp(
        "convincingness",
        "ukp_convincingness, workers with at least 26 judgments",
        *("--min-comparisons", "26"),
    ),
    ukp("crowdsample", "ukp_crowdsample, leave-group-out", "--protocol", "leave-group-out"),
)


def main() -> None:
    """Judge, and print or write the table."""
    asked = arguments()
    folder = Path(os.environ.get("PERSONA_DATA", ROOT.parent / "shared" / "data"))
    parts = []
    for board in BOARDS:
        if asked.only and not any(each in board.title for each in asked.only.split(",")):
            continue
        if not (folder / board.data).exists():
            say(f"{board.title}: passed over, {folder / board.data} is not there")
            continue
        say(board.title)
        parts.append(section(board, judge(board, folder, asked)))
    text = "\n".join(parts)
    if asked.write:
        write(text)
    else:
        print(text)


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where finished parts are kept")
    parser.add_argument("--methods", default="all", help="names with commas")
    parser.add_argument("--seeds", type=int, default=3, help="of the few-shot protocol")
    parser.add_argument("--folds", type=int, help="groups to leave out; all if omitted")
    parser.add_argument("--only", help="parts of the titles of the sets, with commas")
    parser.add_argument("--write", action="store_true", help="put the table into plugins/README.md")
    return parser.parse_args()


def judge(board: Board, folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Return the results of one set."""
    grouped = "leave-group-out" in board.options
    more = ["--seeds", "1" if grouped else str(asked.seeds), "--method", asked.methods]
    if grouped and asked.folds:
        more += ["--folds", str(asked.folds)]
    place = asked.out / board.title.replace(",", "").replace(" ", "-")
    share_features(asked.out, place)
    more += ["--out", str(place), "--json"]
    done = subprocess.run(
        [
            sys.executable,
            *("-c", "from persona_engine.cli import main; main()", "evaluate"),
            *board.command(folder),
            *more,
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rows: list[Row] = json.loads(done.stdout)["results"]
    return rows


def share_features(out: Path, place: Path) -> None:
    """Let all sets keep their features in one folder: some have the same texts."""
    shared = (out / "features").absolute()
    for folder in (shared, place):
        folder.mkdir(parents=True, exist_ok=True)
    if not (place / "features").exists():
        (place / "features").symlink_to(shared)


def section(board: Board, rows: Sequence[Row]) -> str:
    """Return one set's part of the leaderboard in Markdown."""
    columns = left_out_columns() if rows[0]["shots"] is None else few_shot_columns()
    lines = [
        f"### {board.title}",
        "",
        f"`persona evaluate {' '.join(board.command(Path()))}`",
        "",
        "| method | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = {row.get("subset", row["shots"]): row for row in rows if row["method"] == method}
        if all(row["status"] == "failed" for row in mine.values()):
            lines.append(f"| `{method}` | failed |" + " |" * (len(columns) - 1))
            continue
        cells = (cell(mine.get(key, {}), name) for key, name in columns.values())
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def few_shot_columns() -> dict[str, tuple[Any, str]]:
    """Return headings with the shots and the figure that each shows."""
    accuracy = {f"acc. {shots}": (shots, "accuracy") for shots in (0, 1, 4, 16)}
    return {
        **accuracy,
        "NLL 4": (4, "nll"),
        "NLL 16": (16, "nll"),
        "ECE 16": (16, "ece"),
        "worst tenth 16": (16, "worst_decile"),
        "adapt ms": (16, "adapt_ms"),
        "fit s": (16, "fit_s"),
    }


def left_out_columns() -> dict[str, tuple[Any, str]]:
    """Return headings of the leave-group-out protocol."""
    expert = "more than 50 comparisons"
    return {
        "accuracy": ("all", "accuracy"),
        "cross-entropy": ("all", "nll"),
        "accuracy, over 50 pairs": (expert, "accuracy"),
        "cross-entropy, over 50 pairs": (expert, "nll"),
        "adapt ms": ("all", "adapt_ms"),
        "fit s": ("all", "fit_s"),
    }


def cell(row: Row, name: str) -> str:
    """Return one figure, accuracy in percent with its standard error over seeds."""
    value = row.get(name)
    if value is None:
        return ""
    if name == "accuracy":
        spread = row.get("accuracy_se")
        return f"{100 * value:.1f}" + ("" if spread is None else f" ± {100 * spread:.1f}")
    if name == "worst_decile":
        return f"{100 * value:.1f}"
    return f"{value:.3g}" if name in ("adapt_ms", "fit_s") else f"{value:.3f}"


def write(text: str) -> None:
    """Put the leaderboard between its marks in plugins/README.md."""
    page = README.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        sys.exit(f"{README} lacks the lines {BEGIN} and {END}")
    README.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
