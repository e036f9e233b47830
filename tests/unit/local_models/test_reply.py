import numpy as np
import pytest

from persona_engine.generation.detokenize import TextStream
from persona_engine.generation.reply import GrowingReply


@pytest.fixture
def grow(tokenizer):
    def build(text):
        reply = GrowingReply(TextStream(tokenizer), np.random.default_rng(0))
        for token in tokenizer.encode(text):
            reply.append(token, -1.0)
        return reply

    return build


def test_a_text_that_may_begin_a_stop_is_held_back(grow):
    reply = grow("Fine.\n\nUs")
    assert reply.settled_text(["\n\nUser:"]) == "Fine."
    assert reply.settled_text(["###"]) == "Fine.\n\nUs"
    assert reply.settled_text([]) == "Fine.\n\nUs"


def test_what_was_held_back_is_shown_when_the_reply_ends(grow):
    reply = grow("Fine.\n\nUs")
    reply.end()
    assert reply.settled_text(["\n\nUser:"]) == "Fine.\n\nUs"


def test_a_stop_is_cut_out_with_its_tokens(grow, tokenizer):
    reply, before = grow("Fine. STOP"), tokenizer.encode("Fine.")
    position = reply.find_stop(["STOP", "never"])
    assert position == len("Fine. ")
    given_up = reply.end_at_stop(position)
    assert reply.settled_text(["STOP"]) == "Fine. "
    assert given_up == len(tokenizer.encode("Fine. STOP")) - len(reply.tokens)
    assert len(before) <= len(reply.tokens) == len(reply.log_probs) == len(reply.starts)
    assert reply.finished
    assert reply.pending is None


def test_only_a_stop_that_the_newest_token_completes_counts(grow):
    assert grow("a STOP b").find_stop(["STOP"]) is None
    assert grow("plain").find_stop(["STOP"]) is None


def test_a_twin_goes_its_own_way(grow, tokenizer):
    reply = grow("One")
    twin = reply.twin(np.random.default_rng(1))
    twin.append(tokenizer.encode(" two")[0], -2.0)
    assert len(twin.tokens) == len(reply.tokens) + 1
    assert reply.settled_text([]) == "One"
    assert twin.rng is not reply.rng
