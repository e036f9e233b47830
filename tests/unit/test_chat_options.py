"""What `chat` takes besides: texts that end a reply, a nucleus, an adapter, replies not kept."""

from __future__ import annotations

import pytest

from persona_engine.errors import InvalidInputError, NotFoundError
from tests.bigram_host import fitted, opened

ASK = [{"role": "user", "content": "Where shall we go ?"}]


@pytest.fixture(scope="module")
def engine(tmp_path_factory, sqlite_template):
    folder = fitted(tmp_path_factory.mktemp("options"), sqlite_template)
    with opened(folder) as engine:
        yield engine


def test_a_stop_text_ends_the_reply_and_is_no_part_of_it(engine):
    user = engine.user("stopped")
    whole = user.chat(ASK, seed=3, max_tokens=12)
    last = whole.text.split()[-1]
    cut = user.chat(ASK, seed=3, max_tokens=12, stop=[last])
    assert whole.text.startswith(cut.text)
    assert last not in cut.text
    assert cut.ended == "stop"


def test_a_reply_says_whether_its_length_ended_it_and_what_it_read(engine):
    cut = engine.user("long").chat(ASK, max_tokens=1)
    assert cut.ended == "length"
    assert cut.prompt_tokens > 0
    assert engine.user("long").chat(ASK, seed=3, max_tokens=500).ended == "stop"


def test_the_nucleus_of_one_call_is_its_own(engine):
    user = engine.user("narrow")
    narrow = {user.chat(ASK, seed=seed, top_p=1e-6).text for seed in range(5)}
    wide = {user.chat(ASK, seed=seed, top_p=1.0).text for seed in range(5)}
    assert len(narrow) == 1 < len(wide)


@pytest.mark.parametrize("bad", [{"stop": "."}, {"stop": [""]}, {"top_p": 0.0}, {"top_p": 2.0}])
def test_bad_options_are_refused(engine, bad):
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        engine.user("bad").chat(ASK, **bad)


def test_a_reply_that_is_not_kept_leaves_nobody_and_nothing_behind(engine):
    nobody = engine.user("nobody")
    reply = nobody.chat(ASK, personal=False, keep=False)
    assert reply.text
    assert not nobody.is_known()
    with pytest.raises(NotFoundError):
        nobody.feedback(reply.id, rating=1)


def test_an_adapter_that_the_tenant_lacks_is_not_found(engine):
    with pytest.raises(NotFoundError, match="0123456789abcdef"):
        engine.user("u1").chat(ASK, adapter="0123456789abcdef")


def test_a_stream_knows_its_reply_beforehand_and_can_be_cancelled(engine):
    user = engine.user("streamed")
    stream = user.stream(ASK)
    assert [piece for piece in stream if piece]
    assert stream.reply.id == stream.reply_id
    left = user.stream(ASK)
    left.cancel()
    with pytest.raises(NotFoundError):
        user.explain(left.reply_id)


def test_a_person_is_known_once_something_is_kept_and_not_after_being_forgotten(engine):
    somebody = engine.user("seen")
    assert not somebody.is_known()
    somebody.instruct("Be brief.")
    assert somebody.is_known()
    somebody.forget()
    assert not somebody.is_known()


def test_what_was_skipped_in_an_earlier_call_is_not_asked_again(engine):
    somebody = engine.user("u1")
    first = next(somebody.onboard(questions=1))
    second = next(somebody.onboard(questions=1, skipped=[first.id]))
    assert first.id != second.id
