from hypothesis import given, settings
from hypothesis import strategies as st

from persona_engine.generation.detokenize import TextStream

WRITTEN = st.text(
    st.characters(codec="utf-8", exclude_characters="\ufffd"), min_size=1, max_size=40
)


@settings(max_examples=150, deadline=None)
@given(text=WRITTEN)
def test_pieces_grow_to_the_text_and_never_hold_half_a_character(tokenizer, text):
    stream, seen = TextStream(tokenizer), ""
    for token in tokenizer.encode(text):
        stream.push(token)
        assert stream.text.startswith(seen)
        assert "\ufffd" not in stream.text
        seen = stream.text
    assert seen == tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True)


def test_a_character_appears_with_its_last_byte(tokenizer):
    stream = TextStream(tokenizer)
    tokens = tokenizer.encode("🫠")
    assert len(tokens) > 1
    for token in tokens[:-1]:
        stream.push(token)
        assert stream.text == ""
    stream.push(tokens[-1])
    assert stream.text == "🫠"


def test_a_text_that_ends_in_half_a_character_leaves_it_out(tokenizer):
    stream = TextStream(tokenizer)
    for token in tokenizer.encode("fine 🫠")[:-1]:
        stream.push(token)
    assert stream.text.rstrip() == "fine"


def test_bytes_that_never_make_a_character_do_not_stop_the_text(tokenizer):
    stream = TextStream(tokenizer)
    lone = tokenizer.encode("é")[-1]
    for token in [lone] * 9 + tokenizer.encode("then text"):
        stream.push(token)
    assert stream.text.endswith("then text")


def test_a_copy_goes_its_own_way(tokenizer):
    stream = TextStream(tokenizer)
    first, second = tokenizer.encode("🫠")[0], tokenizer.encode("🫠")[1:]
    stream.push(first)
    twin = stream.copy()
    for token in second:
        twin.push(token)
    for token in tokenizer.encode(" dog"):
        stream.push(token)
    assert twin.text == "🫠"
    assert stream.text.endswith(" dog")
