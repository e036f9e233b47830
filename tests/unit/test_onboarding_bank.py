from collections import Counter

import pytest

from persona_engine.errors import NotFoundError
from persona_engine.onboarding import STYLES, bank_hash, question, question_bank, replies


def test_every_style_has_eight_questions_with_the_high_pole_on_either_side() -> None:
    sides = Counter((each.style, each.high) for each in question_bank())
    assert sides == {(style, side): 4 for style in STYLES for side in "ab"}


def test_the_first_question_of_a_style_does_not_always_show_the_high_pole_on_the_same_side() -> (
    None
):
    first = Counter(question(f"{style}-01").high for style in STYLES)
    assert min(first["a"], first["b"]) >= 4


def test_ids_are_distinct_and_ordered_and_the_bank_is_read_once() -> None:
    ids = [each.id for each in question_bank()]
    assert ids == sorted(set(ids))
    assert question_bank() is question_bank()


def test_replies_are_low_then_high_whatever_the_side() -> None:
    pairs = [replies(each) for each in question_bank() if each.style == "length"]
    assert all(len(low) < len(high) for low, high in pairs)
    assert {each.high for each in question_bank() if each.style == "length"} == {"a", "b"}


def test_both_replies_are_distinct_texts() -> None:
    texts = [text for each in question_bank() for text in (each.a, each.b)]
    assert len(set(texts)) == 2 * len(question_bank())
    assert all(text.strip() for text in texts)


def test_a_question_is_found_by_id() -> None:
    assert question("warmth-03").id == "warmth-03"


@pytest.mark.parametrize("name", ["", "warmth-99", "Warmth-01"])
def test_an_unknown_id_is_not_found(name: str) -> None:
    with pytest.raises(NotFoundError, match="no question"):
        question(name)


def test_styles_have_words_for_both_poles() -> None:
    words = [word for style in STYLES.values() for word in (style.low, style.high)]
    assert len(set(words)) == 2 * len(STYLES)
    assert all(name == style.name for name, style in STYLES.items())


def test_the_hash_names_the_texts() -> None:
    assert len(bank_hash()) == 64
