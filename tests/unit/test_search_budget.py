"""Budgets, cancellation, and what a search writes down."""

from __future__ import annotations

import itertools

import pytest

from persona_best_of_n import BestOfN
from persona_blockwise import Blockwise
from persona_engine.decoding import decode, note_choice
from persona_engine.decoding.search import MOST_BLOCKS
from persona_engine.errors import InvalidInputError
from persona_engine.testing import BigramGenerator, check_decoder
from persona_engine.testing.decoders import DecoderSubject
from persona_engine.types import Budget, DecodingRequest, Sampling
from persona_token_search import TokenSearch

ASK = [{"role": "user", "content": "Where shall we go ?"}]
SUBJECT = DecoderSubject(BestOfN)
DECODERS = [BestOfN, Blockwise, TokenSearch]


def request(**changes) -> DecodingRequest:
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=24)
    return DecodingRequest(ASK, sampling, 4, seed=7, **changes)


def ticking(step: float):
    """Return a clock that goes on by so much whenever it is asked."""
    times = itertools.count()
    return lambda: step * next(times)


class Decoded:
    """A decoder as `decode` runs it, for the conformance suite."""

    def __init__(self, decoder) -> None:
        self.decoder, self.name = decoder, decoder.name

    def generate(self, request, generator, reward, *, on_text=None):
        return decode(self.decoder, request, generator, reward, on_text=on_text)


@pytest.mark.parametrize("decoder", DECODERS)
def test_running_it_by_decode_changes_nothing(decoder):
    check_decoder(lambda: Decoded(decoder()))


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_token_budget_ends_a_search_with_what_has_been_said(decoder):
    whole = decode(decoder(), request(), BigramGenerator(), SUBJECT.sure)
    assert whole.search.ended == ""
    short = decode(decoder(), request(budget=Budget(tokens=12)), BigramGenerator(), SUBJECT.sure)
    assert "12 tokens was spent" in short.search.ended
    assert short.candidates[0].text
    assert max(each.tokens for each in short.candidates) < 12
    assert 12 <= short.search.compute.token_steps < whole.search.compute.token_steps


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_time_budget_ends_a_search_with_what_has_been_said(decoder):
    pieces = []
    found = decode(
        decoder(),
        request(budget=Budget(seconds=3.0)),
        BigramGenerator(),
        SUBJECT.sure,
        on_text=pieces.append,
        clock=ticking(1.0),
    )
    assert "3 s was spent" in found.search.ended
    assert found.candidates[0].text == "".join(pieces) != ""


def test_a_budget_that_is_spent_at_once_still_says_something():
    found = decode(
        BestOfN(),
        request(budget=Budget(seconds=1e-9)),
        BigramGenerator(),
        None,
        clock=ticking(1.0),
    )
    assert len(found.candidates[0].text.split()) == 2


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"tokens": -1}, {"seconds": float("nan")}])
def test_budgets_are_checked(wrong):
    with pytest.raises(InvalidInputError):
        Budget(**wrong)


def test_compute_is_counted():
    generator = BigramGenerator()
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=1)
    asked = DecodingRequest(ASK, sampling, 4, seed=7)
    spent = decode(BestOfN(), asked, generator, SUBJECT.sure, clock=ticking(1.0)).search.compute
    assert (spent.prompts, spent.forwards, spent.token_steps) == (1, 1, 4)
    assert spent.seconds > 0
    unguided = decode(BestOfN(), asked, generator, None).search.compute
    assert unguided.token_steps == 1


def test_a_reader_who_leaves_ends_decoding():
    class LeftError(Exception):
        pass

    pieces = []

    def leave(piece):
        pieces.append(piece)
        if len(pieces) == 3:
            raise LeftError

    with pytest.raises(LeftError):
        decode(BestOfN(), request(), BigramGenerator(), None, on_text=leave)
    assert len(pieces) == 3


class Chatty:
    """A decoder that makes more choices than are written down."""

    name = "chatty"

    def generate(self, request, generator, reward, *, on_text=None):
        for number in range(MOST_BLOCKS + 3):
            note_choice(
                request,
                ["one", "two"],
                tokens=number,
                values=[1.0, 3.0],
                spreads=[0.1, 0.2],
                heirs=[1, 1],
            )
        return BestOfN().generate(request, generator, reward, on_text=on_text)


def test_choices_are_written_down_up_to_a_most():
    heard = []
    found = decode(Chatty(), request(record=heard.append), BigramGenerator(), None, plan="as told")
    assert len(found.search.blocks) == MOST_BLOCKS
    assert found.search.left_out == 3
    assert found.search.plan == "as told"
    assert len(heard) == MOST_BLOCKS + 3
    one, two = found.search.blocks[5].candidates
    assert (one.reward, one.kept, two.reward, two.kept) == (-1.0, 0, 1.0, 2)
    assert two.spread == 0.2


def test_nobody_listens_where_no_search_is_written():
    note_choice(request(), ["one"], tokens=1)
