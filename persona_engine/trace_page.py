"""A trace as one HTML page, with the tree of the search; it needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from persona_engine.traces import explain
from persona_engine.types import Block, Candidate, Compute, Considered, Search, Trace

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --kept: #1a7f37; --bar: #0969da; --less: #bf5b04 }
@media (prefers-color-scheme: dark) { :root { --kept: #57d364; --bar: #58a6ff; --less: #f0883e } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
blockquote { border-left: .25rem solid var(--kept); margin-left: 0; padding-left: 1rem }
blockquote, td.text { white-space: pre-wrap; overflow-wrap: anywhere }
ol.tree { list-style: none; margin-left: .5rem; padding-left: 1rem }
ol.tree { border-left: 1px solid var(--line) }
ol.tree > li { margin: .5rem 0 } summary { cursor: pointer }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
td, th { text-align: left; vertical-align: top; padding: .2rem .6rem }
td, th { border-top: 1px solid var(--line) }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
tr.kept td.mark { color: var(--kept); font-weight: bold; white-space: nowrap }
.bar { display: inline-block; height: .6em; background: var(--bar) }
.bar.less { background: var(--less) }
dl { display: grid; grid-template-columns: max-content auto; gap: .1rem 1rem } dd { margin: 0 }
"""
_BAR = 6.0  # rem, of the largest reward


def trace_page(trace: Trace, *, title: str) -> str:
    """Return a page that shows why a reply was given, and how it was searched for.

    All text is escaped, no script runs, and nothing is loaded, which the page also forbids itself.

    Args:
        trace: Of the reply.
        title: Heading.

    Examples:
        >>> page = trace_page(Trace(personalized=False, reason="<b>"), title="Reply & why")
        >>> "Reply &amp; why" in page, "<b>" in page
        (True, False)
    """
    parts = [f"<h1>{escape(title)}</h1>", *_reply(trace)]
    parts.append(f"<p>{escape(trace.reason or 'nothing personal is known')}.</p>")
    if trace.search is not None:
        parts += _search(trace.search)
    if trace.candidates:
        parts += ["<h2>Finished candidates</h2>", _finished(trace.candidates)]
    words = "".join(f"<li>{escape(line)}</li>" for line in explain(trace).text.split("\n"))
    parts.append(f"<h2>In words</h2><ul>{words}</ul>")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _reply(trace: Trace) -> list[str]:
    if not trace.candidates:
        return []
    return [f"<blockquote>{escape(trace.candidates[0].text)}</blockquote>"]


def _search(search: Search) -> list[str]:
    parts = [f"<h2>Search by {escape(search.decoder)}</h2>", _compute(search.compute)]
    parts += [f"<p>Plan: {escape(search.plan)}.</p>"] if search.plan else []
    parts += [f"<p>Cut short: {escape(search.ended)}.</p>"] if search.ended else []
    if search.blocks:
        items = "".join(f"<li>{_block(each)}</li>" for each in search.blocks)
        parts.append(f'<ol class="tree">{items}</ol>')
    if search.left_out:
        parts.append(f"<p>{search.left_out} further choices are not shown.</p>")
    return parts


def _compute(spent: Compute) -> str:
    rows = (
        ("prompts read", f"{spent.prompts}"),
        ("runs of the network", f"{spent.forwards}"),
        ("tokens read in them", f"{spent.token_steps}"),
        ("seconds", f"{spent.seconds:.2f}"),
    )
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{each}</dd>" for name, each in rows) + "</dl>"


def _block(block: Block) -> str:
    kept = sum(each.kept > 0 for each in block.candidates)
    head = f"After {block.tokens} tokens: {kept} of {len(block.candidates)} kept"
    note = f"<p>{escape(block.note)}</p>" if block.note else ""
    largest = _largest(each.reward for each in block.candidates)
    rows = "".join(_considered(each, largest) for each in block.candidates)
    table = f"<table>{_HEAD.format(first='kept')}{rows}</table>"
    return f"<details><summary>{head}</summary>{note}{table}</details>"


_HEAD = "<tr><th>{first}</th><th>branch</th><th>reward ± spread</th><th></th><th>text</th></tr>"


def _considered(each: Considered, largest: float) -> str:
    mark = f"✓ ×{each.kept}" if each.kept else ""
    return _row(mark, str(each.branch), each, largest)


def _finished(candidates: Sequence[Candidate]) -> str:
    largest = _largest(each.reward for each in candidates)
    rows = [
        _row("✓" if place == 0 else "", "", each, largest) for place, each in enumerate(candidates)
    ]
    return f"<table>{_HEAD.format(first='shown')}{''.join(rows)}</table>"


def _row(mark: str, branch: str, judged: Considered | Candidate, largest: float) -> str:
    reward, text = judged.reward, judged.text
    number = "" if reward is None else f"{reward:+.2f} ± {judged.spread or 0.0:.2f}"
    kind = ' class="kept"' if mark else ""
    return (
        f'<tr{kind}><td class="mark">{mark}</td><td class="number">{branch}</td>'
        f'<td class="number">{number}</td><td>{_bar(reward, largest)}</td>'
        f'<td class="text">{escape(text)}</td></tr>'
    )


def _bar(reward: float | None, largest: float) -> str:
    if reward is None or largest == 0.0:
        return ""
    side = "bar less" if reward < 0 else "bar"
    return f'<span class="{side}" style="width:{_BAR * abs(reward) / largest:.2f}rem"></span>'


def _largest(rewards: Iterable[float | None]) -> float:
    return max((abs(each) for each in rewards if each is not None), default=0.0)
