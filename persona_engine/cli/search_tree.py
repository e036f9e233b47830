"""The tree of a search, as a terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persona_engine.cli.output import printable

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from persona_engine.types import Block, Considered, Search, Trace

_LONGEST = 60


def search_tree(trace: Trace) -> Tree | None:
    """Return how a reply was searched for, or None where no trace of that was kept."""
    from rich.tree import Tree

    search = trace.search
    if search is None:
        return None
    tree = Tree(_line(_head(search)))
    for block in search.blocks:
        branch = tree.add(_line(_choice(block)))
        for each in block.candidates:
            branch.add(_considered(each))
    if search.left_out:
        tree.add(_line(f"{search.left_out} further choices are not shown"))
    if trace.candidates:
        last = tree.add(_line(f"finished: {len(trace.candidates)}, best first"))
        for place, candidate in enumerate(trace.candidates):
            reward = _reward(candidate.reward, candidate.spread)
            style = "bold" if place == 0 else ""
            last.add(_line(f"{reward}{_short(candidate.text)}", style=style))
    return tree


def _head(search: Search) -> str:
    spent = search.compute
    head = (
        f"{search.decoder}: {spent.token_steps} tokens in {spent.forwards} runs, "
        f"{spent.seconds:.2f} s"
    )
    return f"{head}; {search.ended}" if search.ended else head


def _choice(block: Block) -> str:
    kept = sum(each.kept > 0 for each in block.candidates)
    head = f"after {block.tokens} tokens: {kept} of {len(block.candidates)} kept"
    return f"{head}; {block.note}" if block.note else head


def _considered(each: Considered) -> Text:
    mark = f"✓×{each.kept}" if each.kept else "·"
    words = f"{mark:4} {each.branch:3} {_reward(each.reward, each.spread)}{_short(each.text)}"
    return _line(words, style="" if each.kept else "dim")


def _reward(reward: float | None, spread: float | None) -> str:
    return "" if reward is None else f"{reward:+.2f} ± {spread or 0.0:.2f}  "


def _short(text: str) -> str:
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= _LONGEST else "…" + flat[1 - _LONGEST :]


def _line(words: str, *, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(words), style=style)
