"""A trace with its search: stored, in words, as a tree and as a page."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from persona_engine.cli.search_tree import search_tree
from persona_engine.trace_page import trace_page
from persona_engine.traces import explain, trace_from_json, trace_to_json
from persona_engine.types import Block, Candidate, Compute, Considered, Search, Trace

NASTY = "<script>alert('x')</script> & \x1b[31m 'quoted' \"twice\""
SEARCH = Search(
    "blockwise",
    blocks=(
        Block(
            16,
            (
                Considered(0, "plain so far", -0.5, 0.3, 1),
                Considered(1, NASTY, 0.75, 0.25, 2),
                Considered(2, "given up", -0.25, 0.2),
            ),
            "the best are kept",
        ),
        Block(32, (Considered(0, "unscored", kept=1),)),
    ),
    compute=Compute(1, 48, 144, 1.5),
    plan="blockwise, 3 candidates",
    ended="the budget of 2 s was spent after 144 tokens",
    left_out=2,
)
TRACE = Trace(
    personalized=True,
    reason=f"because {NASTY}",
    candidates=(Candidate(NASTY, 0.5, 0.1, 40), Candidate("other", None, None, 40)),
    search=SEARCH,
)


class Tags(HTMLParser):
    """Collects tags and attributes, and sees that every tag is closed in order."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def drawn(trace):
    console = Console(file=io.StringIO(), width=120)
    console.print(search_tree(trace))
    return console.file.getvalue()


def test_a_search_survives_storage():
    stored = json.loads(json.dumps(trace_to_json(TRACE)))
    assert trace_from_json(stored) == TRACE
    del stored["search"]  # written before searches were kept
    assert trace_from_json(stored).search is None


def test_it_is_told_in_words():
    text = explain(TRACE).text
    assert "Decoded by blockwise: 144 tokens in 48 runs of the network, 1.50 s." in text
    assert "Plan: blockwise, 3 candidates." in text
    assert "Cut short: the budget of 2 s was spent after 144 tokens." in text
    assert "Choices on the way: 4." in text


def test_the_tree_has_every_choice():
    tree = drawn(TRACE)
    assert "blockwise: 144 tokens in 48 runs, 1.50 s; the budget of 2 s" in tree
    assert "after 16 tokens: 2 of 3 kept; the best are kept" in tree
    assert re.search(r"✓×2 +1 \+0\.75 ± 0\.25", tree)
    assert re.search(r"· +2 -0\.25 ± 0\.20 +given up", tree)
    assert "2 further choices are not shown" in tree
    assert "finished: 2, best first" in tree
    assert "\x1b" not in tree
    assert search_tree(Trace(False, "none")) is None


def test_the_page_is_whole_escaped_and_needs_nothing_else():
    page = trace_page(TRACE, title="Reply <1>")
    tags = Tags(page)
    assert tags.open == []
    assert "script" not in tags.seen
    assert {"details", "table", "style", "blockquote"} <= set(tags.seen)
    assert not {name for name, _ in tags.attributes} & {"src", "href", "onclick", "onload"}
    assert not re.search(r"url\(|@import|https?:", page)
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp;" in page
    assert "Reply &lt;1&gt;" in page
    assert "prefers-color-scheme: dark" in page
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    assert page.count("<details>") == 2
    assert "✓ ×2" in page
    assert "+0.75 ± 0.25" in page


@pytest.mark.parametrize(
    "trace", [Trace(False, ""), Trace(True, "x", search=Search("best_of_n"))], ids=["none", "bare"]
)
def test_a_page_of_little(trace):
    assert Tags(trace_page(trace, title="Reply")).open == []
