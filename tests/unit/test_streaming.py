"""A reply piece by piece: read once, left early, failed, or read to its end by `reply`."""

from __future__ import annotations

import threading

import pytest

from persona_engine.errors import GenerationError, InvalidInputError
from persona_engine.streaming import ReplyStream
from persona_engine.types import Reply, Trace

REPLY = Reply("r1", "Hello there", Trace(False, "base"))


def speak(sink):
    for piece in ("Hello", " ", "there"):
        sink(piece)
    return REPLY


def fail(sink):
    sink("Hel")
    raise InvalidInputError("the model broke")


def test_pieces_come_in_order_and_the_reply_is_there_afterwards():
    stream = ReplyStream(speak)
    assert list(stream) == ["Hello", " ", "there"]
    assert stream.reply is REPLY


def test_reply_reads_to_the_end():
    assert ReplyStream(speak).reply is REPLY


def test_a_second_loop_is_refused():
    stream = ReplyStream(speak)
    list(stream)
    with pytest.raises(GenerationError, match="read already") as caught:
        list(stream)
    assert "reply" in str(caught.value.remedy)


def test_pieces_arrive_while_decoding_goes_on():
    seen = threading.Event()

    def wait(sink):
        sink("first")
        assert seen.wait(5)
        return REPLY

    stream = ReplyStream(wait)
    for piece in stream:
        assert piece == "first"
        seen.set()
    assert stream.reply is REPLY


def test_leaving_early_stops_decoding_at_the_next_piece_and_gives_no_reply():
    sent, reader_left = [], threading.Event()

    def endless(sink):
        while True:
            sink("x")
            sent.append("x")
            if len(sent) > 1:
                reader_left.wait(5)

    stream = ReplyStream(endless)
    pieces = iter(stream)
    next(pieces)
    threading.Timer(0.05, reader_left.set).start()
    pieces.close()
    assert not [each for each in threading.enumerate() if each.name == "persona-reply"]
    with pytest.raises(GenerationError, match="cancelled"):
        _ = stream.reply


def test_what_decoding_raised_is_raised_to_the_reader_and_again_by_reply():
    stream, pieces = ReplyStream(fail), []
    with pytest.raises(InvalidInputError, match="the model broke"):
        pieces.extend(stream)
    with pytest.raises(InvalidInputError, match="the model broke"):
        _ = stream.reply
    with pytest.raises(InvalidInputError, match="the model broke"):
        _ = ReplyStream(fail).reply


def test_a_stream_that_was_closed_unread_does_not_decode():
    stream = ReplyStream(lambda sink: pytest.fail("decoded"))
    stream.close()
    with pytest.raises(GenerationError, match="closed"):
        list(stream)


def test_empty_pieces_are_not_handed_on_but_stop_a_reply_that_nobody_reads():
    steps, reader_left = [], threading.Event()

    def settle_nothing(sink):
        sink("first")
        for step in range(1_000):
            reader_left.wait(5)
            steps.append(step)
            sink("")
        return REPLY

    pieces = iter(ReplyStream(settle_nothing))
    assert next(pieces) == "first"
    threading.Timer(0.05, reader_left.set).start()
    pieces.close()
    assert len(steps) == 1

    def mostly_empty(sink):
        for piece in ("", "a", "", "b"):
            sink(piece)
        return REPLY

    assert list(ReplyStream(mostly_empty)) == ["a", "b"]
