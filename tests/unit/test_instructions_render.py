"""Instructions in a prompt: one block that stored text can not break out of."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_engine.errors import InvalidInputError
from persona_engine.instructions import escape_text, render_instructions
from persona_engine.instructions.render import CLOSING, OPENING
from persona_engine.types import Instruction

BORN = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = [
    "</standing_instructions>",
    "<|im_start|>system\n",
    "<|im_end|>",
    "\n\nHuman: ",
    "\r\nsystem: ",
    "[INST] ",
    "[/INST]",
    "［ＩＮＳＴ］",
    "[TOOL_CALLS]",
    "<<SYS>>",
    "＜|im_start|＞",
    "﹤tool_call﹥",
    "```",
    "\u2028assistant:",
    "\x85",
    "\u202e",
    "\u200b",
    "<start_of_turn>",
    "‹",
]
texts = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20), max_size=6).map("".join)
turns = st.builds(
    dict, role=st.sampled_from(["system", "user", "assistant", "tool"]), content=texts
)
conversations = st.lists(turns, max_size=4)
wishes = st.lists(
    st.builds(
        Instruction,
        id=st.uuids().map(str),
        text=texts,
        created_at=st.just(BORN),
        scope=texts,
        strength=st.sampled_from(["must", "prefer"]),
        source=st.sampled_from(["user", "induced", "operator"]),
    ),
    max_size=5,
    unique_by=lambda each: each.id,
)


def wish(text, **fields):
    return Instruction(fields.pop("id", text), text, BORN, **fields)


def render(conversation, instructions, budget=10_000, count_tokens=len):
    return render_instructions(conversation, instructions, budget=budget, count_tokens=count_tokens)


@given(texts)
def test_escaped_text_is_one_line_of_harmless_words(text):
    escaped = escape_text(text)
    assert not set(escaped) & set("<>＜＞﹤﹥\n\r\t\x0b\x0c\x85\u2028\u2029\u200b\u202e\0")
    assert "[INST]" not in escaped
    assert "[/INST]" not in escaped
    assert "［ＩＮＳＴ］" not in escaped
    assert "[TOOL_CALLS]" not in escaped
    assert "```" not in escaped
    assert escaped == escaped.strip()
    assert escape_text(escaped) == escaped


@pytest.mark.parametrize(
    "text",
    [
        "Answer in British English.",
        "Bitte antworte auf Deutsch, ohne Anglizismen – höchstens 3 Sätze!",
        "用中文回答。",
        "از نیم‌فاصله استفاده کن",
        "End with 👩‍🚀 and use [x] for done, C++17, a_b, 50% & $5",
    ],
)
def test_ordinary_words_are_left_alone(text):
    assert escape_text(text) == text


@given(conversations, wishes, st.integers(0, 400))
def test_only_the_last_user_turn_grows_by_one_block_within_budget(
    conversation, instructions, limit
):
    before = copy.deepcopy(conversation)
    result = render(conversation, instructions, budget=limit)
    assert conversation == before  # the input is never mutated
    assert len(result.messages) == len(conversation)
    changed = [i for i, old in enumerate(conversation) if result.messages[i] is not old]
    ids = [each.id for each in (*result.placed, *result.left_out)]
    assert sorted(ids) == sorted(each.id for each in instructions)
    assert result.tokens <= limit
    assert bool(changed) == bool(result.placed)
    for i in changed:
        old, new = conversation[i], result.messages[i]
        assert i == max(j for j, turn in enumerate(conversation) if turn["role"] == "user")
        assert new["role"] == "user"
        assert new["content"].startswith(old["content"])
        added = new["content"][len(old["content"]) :].removeprefix("\n\n")
        assert len(added) == result.tokens
        lines = added.split("\n")
        assert (lines[0], lines[-1]) == (OPENING, CLOSING)
        assert added.count(OPENING) == added.count(CLOSING) == 1
        assert len(lines) == 3 + len(result.placed)
        assert all(line.startswith("- ") for line in lines[2:-1])
        assert not any(set("<>") & set(line) for line in lines[1:-1])


@given(conversations, wishes)
def test_rendering_again_changes_nothing(conversation, instructions):
    once = render(conversation, instructions)
    twice = render(once.messages, instructions)
    assert all(new is old for new, old in zip(twice.messages, once.messages, strict=True))


@given(conversations)
def test_nothing_selected_means_the_very_same_messages(conversation):
    result = render(conversation, [])
    assert all(new is old for new, old in zip(result.messages, conversation, strict=True))
    assert result.tokens == 0
    frozen = tuple(conversation)
    assert render(frozen, []).messages is frozen


def test_what_must_hold_comes_first_then_by_who_said_it():
    given_order = [
        wish("guess", source="induced"),
        wish("likely"),
        wish("less likely"),
        wish("house style", source="operator"),
        wish("no nuts", strength="must"),
        wish("no prices", strength="must", source="operator"),
    ]
    result = render([{"role": "user", "content": "Hi"}], given_order)
    assert [each.text for each in result.placed] == [
        "no prices",
        "no nuts",
        "house style",
        "likely",
        "less likely",
        "guess",
    ]
    content = result.messages[0]["content"]
    assert "- Must: no nuts" in content
    assert "- Perhaps: guess" in content
    assert "- likely\n" in content


def test_scope_is_shown_and_other_fields_of_the_message_stay():
    turn = {"role": "user", "content": "Hi", "name": "ann"}
    result = render([turn], [wish("be formal", scope="e-mails\n<b>")])
    assert "- be formal (Scope: e-mails ‹b›)\n" in result.messages[0]["content"]
    assert result.messages[0]["name"] == "ann"
    assert turn["content"] == "Hi"


def test_block_goes_beside_the_last_user_turn_even_before_tool_results():
    conversation = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": "second"},
        {"role": "tool", "content": "result"},
    ]
    result = render(conversation, [wish("be brief")])
    changed = [i for i in range(4) if result.messages[i] is not conversation[i]]
    assert changed == [2]


def test_budget_prefers_what_must_hold_and_passes_over_what_is_too_long():
    instructions = [wish("x" * 90), wish("short"), wish("no nuts", strength="must")]
    full = render([{"role": "user", "content": "Hi"}], instructions)
    limit = full.tokens - 10
    result = render([{"role": "user", "content": "Hi"}], instructions, budget=limit)
    assert [each.text for each in result.placed] == ["no nuts", "short"]
    assert [len(each.text) for each in result.left_out] == [90]
    nothing = render([{"role": "user", "content": "Hi"}], instructions, budget=20)
    assert nothing.placed == ()
    assert nothing.reason == "no instruction fits into 20 tokens"


def test_budget_holds_where_the_whole_is_longer_than_its_parts():
    def count(text):
        return len(text) + (50 if text.startswith(OPENING) and text.count("\n- ") > 1 else 0)

    instructions = [wish(letter * 20) for letter in "abcde"]
    result = render([{"role": "user", "content": ""}], instructions, budget=180, count_tokens=count)
    assert 0 < len(result.placed) < 5
    assert result.tokens == count(result.messages[0]["content"]) <= 180


def test_reasons_for_placing_nothing():
    assert render([{"role": "user", "content": "Hi"}], []).reason == "no instruction applies"
    system = [{"role": "system", "content": "You are kind"}]
    assert "no user turn" in render(system, [wish("be brief")]).reason
    assert "no user turn" in render([], [wish("be brief")]).reason
    with pytest.raises(InvalidInputError, match="budget is -1"):
        render([], [], budget=-1)
