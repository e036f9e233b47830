"""Sittings: what is asked, in which pool, when it ends, and what answers do."""

import shutil

import numpy as np
import pytest

from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.onboarding import all_questions, blends, content_key, question, questions_of
from persona_engine.onboarding.generated import draw_replies
from persona_engine.testing import BigramGenerator
from persona_engine.types import Question, Sampling
from tests.bigram_host import fitted, opened

ASK = [{"role": "user", "content": "Where shall we go ?"}]
OWN = [
    {"prompt": "Where to?", "a": "go home home", "b": "go think think", "topic": "home"},
    {"prompt": "And then?", "a": "me home home", "b": "me think think", "topic": "home"},
    {"prompt": "Who?", "a": "you and you", "b": "you and me", "topic": "people"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sqlite_template):
    """A database whose population knows who loves to go home."""
    return fitted(tmp_path_factory.mktemp("asked"), sqlite_template)


@pytest.fixture
def engine(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    with opened(tmp_path / "copy") as engine:
        yield engine


def test_four_are_asked_unless_told_otherwise(engine):
    ann = engine.user("ann")
    assert len(list(ann.onboard())) == 4
    interview = ann.onboard(questions=2)
    asked = list(interview)
    assert len({each.id for each in asked}) == 2
    assert interview.ended == "questions"
    assert interview.gain > 0.0
    assert list(interview) == []


def test_a_hosts_questions_are_asked_the_most_telling_first(engine):
    ann = engine.user("ann")
    interview = ann.onboard(questions=3, pool=OWN, least_gain=0.0)
    asked = [next(interview)]
    ann.prefer(asked[0], "a")
    asked += list(interview)
    assert "home" in asked[0].a
    assert {each.prompt for each in asked} <= {each["prompt"] for each in OWN}
    assert engine.user("ann").profile().comparisons == 1


def test_what_was_answered_is_not_asked_again_and_what_was_skipped_not_in_this_sitting(engine):
    ann = engine.user("ann")
    first, *rest = ann.onboard(questions=3, pool=OWN, least_gain=0.0)
    assert ann.prefer(first, "skip") is None
    assert first not in rest
    assert ann.profile().comparisons == 0
    assert first in list(ann.onboard(questions=3, pool=OWN, least_gain=0.0))
    ann.prefer(first, "no difference")
    assert ann.profile().comparisons == 1
    again = ann.onboard(questions=3, pool=OWN, least_gain=0.0)
    assert first not in list(again)
    assert again.ended == "nothing to learn"


def test_texts_that_were_compared_elsewhere_are_not_asked_again(engine):
    ann = engine.user("ann")
    ann.compare(OWN[0]["prompt"], OWN[0]["b"], OWN[0]["a"])
    prompts = [each.prompt for each in ann.onboard(questions=3, pool=OWN, least_gain=0.0)]
    assert prompts
    assert OWN[0]["prompt"] not in prompts


def test_no_difference_is_a_tie(engine):
    ann, bob = engine.user("ann"), engine.user("bob")
    (asked,) = questions_of(OWN[:1])
    said = ann.prefer(asked, "no difference"), bob.prefer(asked, "tie")
    assert all(each.tie for each in said)
    (a,), (b,) = ann.rank(asked.prompt, [asked.a]).order, bob.rank(asked.prompt, [asked.a]).order
    assert a == b


def test_it_goes_on_until_it_is_sure(engine):
    ann = engine.user("ann")
    interview = ann.onboard(until=0.62, pool=[*OWN, *_more(20)])
    before, count = interview.confidence, 0
    for asked in interview:
        ann.prefer(asked, "a" if "home" in asked.a else "b")
        count += 1
    assert interview.ended == "until"
    assert count >= 1
    assert before < 0.62 <= interview.confidence


def _more(count):
    rng = np.random.default_rng(1)
    words = [word for word in BigramGenerator().words if word.isalpha()]
    for number in range(count):
        x, y = (" ".join(rng.choice(words, 4)) for _ in range(2))
        yield {"prompt": f"More {number}?", "a": f"{x} home", "b": f"{y} think"}


def test_it_ends_where_no_answer_teaches_enough(engine):
    ann = engine.user("ann")
    interview = ann.onboard(questions=10, least_gain=10.0)
    assert list(interview) == []
    assert interview.ended == "nothing to learn"


@pytest.mark.parametrize("criterion", ["bald", "d_optimal", "pref"])
def test_every_criterion_asks_what_divides_the_crowd(engine, criterion):
    first = next(engine.user("ann").onboard(pool=OWN, criterion=criterion))
    assert "home" in first.a


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"questions": 0}, "questions"),
        ({"until": 0.5}, "until"),
        ({"until": 1.0}, "until"),
        ({"until": True}, "until"),
        ({"criterion": "best"}, "criterion"),
        ({"least_gain": -1.0}, "least_gain"),
        ({"pool": "all"}, "pool"),
        ({"pool": []}, "empty"),
        ({"pool": [{"prompt": "Hi", "a": "Yo"}]}, "lacks 'b'"),
        ({"pool": [{"prompt": "Hi", "a": "Yo", "b": "Yo"}]}, "same text"),
        ({"pool": [{"prompt": "Hi", "a": "Yo", "b": " "}]}, "question 1 of the pool has b"),
        ({"pool": [{"prompt": "Hi", "a": "Yo", "b": "Ho", "mood": 1}]}, "mood"),
        ({"pool": [{"prompt": "Hi", "a": "Yo", "b": "Ho", "style": "length"}]}, "high"),
        ({"pool": [OWN[0], OWN[0]]}, "two questions"),
        ({"pool": ["Hi"]}, "question 1 of the pool is 'Hi'"),
    ],
)
def test_bad_input_is_named(engine, settings, says):
    with pytest.raises(InvalidInputError, match=says):
        engine.user("ann").onboard(**settings)


def test_an_answer_that_is_none_is_named(engine):
    with pytest.raises(InvalidInputError, match="'no difference'"):
        engine.user("ann").prefer("length-01", "both")


def test_pairs_are_written_on_the_persons_own_requests(engine):
    ann = engine.user("ann")
    with pytest.raises(InvalidInputError, match="no request yet"):
        ann.pairs()
    ann.chat(ASK, personal=False)
    (asked,) = ann.pairs(candidates=6)
    assert asked.prompt == ASK[0]["content"]
    assert asked.a != asked.b
    assert asked == ann.pairs(candidates=6)[0]
    assert {each.prompt for each in ann.onboard(pool="prompts", least_gain=0.0)} <= {asked.prompt}
    ann.prefer(asked, "a")
    assert list(ann.onboard(pool=[asked], least_gain=0.0)) == []


def test_what_was_written_for_a_person_is_kept_with_their_answer_only(engine):
    ann = engine.user("ann")
    found = ann.pairs(["Where to?", "Who?"], candidates=6)
    list(ann.onboard(pool=found, least_gain=0.0))
    space = engine._runtime.features.encoder.fingerprint
    keys = [content_key(each.prompt, text) for each in found for text in (each.a, each.b)]
    assert engine.store.tenant("default").embeddings(space, keys) == {}


def test_the_pair_is_the_one_that_teaches_most(engine):
    texts = draw_replies(
        BigramGenerator(), "Where to?", count=6, sampling=Sampling(1.0, 1.0, 12), seed=0
    )
    assert 2 <= len(texts) == len(set(texts))
    assert all(text.strip() for text in texts)


def test_pairs_need_a_generator(tmp_path, sqlite_template):
    shutil.copy(sqlite_template, tmp_path / "persona.db")
    with (
        opened(tmp_path, generator=None) as engine,
        pytest.raises(ConfigError, match="generator is None"),
    ):
        engine.user("ann").pairs(["Hi"])


def test_blends_differ_in_several_styles_and_sides_take_turns():
    assert all(len(each.poles) >= 3 and each.style is None for each in blends())
    sides = [side for each in blends() for side in each.poles.values()]
    assert 0.3 < sides.count("a") / len(sides) < 0.7
    assert len({each.id for each in all_questions()}) == len(all_questions())
    assert question("blend-05").poles["humour"] in ("a", "b")
    texts = [text for each in all_questions() for text in (each.a, each.b)]
    assert len(set(texts)) == len(texts)


def test_a_hosts_question_may_be_a_value_or_a_mapping():
    value = Question("mine", "Hi", "Hello.", "Yo!", "formality", "a")
    mapping = {"id": "mine", "prompt": "Hi", "a": "Hello.", "b": "Yo!"} | {
        "style": "formality",
        "high": "a",
    }
    assert questions_of([value]) == questions_of([mapping]) == (value,)
    unnamed = questions_of([{"prompt": "Hi", "a": "Yo!", "b": "Hello."}])
    swapped = questions_of([{"prompt": "Hi", "a": "Hello.", "b": "Yo!"}])
    assert unnamed[0].id == swapped[0].id
