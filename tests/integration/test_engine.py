"""The whole SDK on the real language model: little text, every way through."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import asdict, replace

import pytest

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.errors import InvalidInputError, NotFoundError
from persona_engine.features import Text
from persona_engine.onboarding import question_bank

pytestmark = pytest.mark.model

ASK = [{"role": "user", "content": "How do I start running?"}]
SHORT = {"max_tokens": 16, "candidates": 3}
BANK = question_bank()
BRIEF = {"length": "low", "structure": "low", "warmth": "low", "examples": "low"}


@pytest.fixture(scope="module")
def open_engine(tmp_path_factory, smollm2, minilm):
    """Open engines on one database."""
    folder = tmp_path_factory.mktemp("engine")
    opened = []

    def open_():
        config = EngineConfig(
            database=f"sqlite:///{folder}/persona.db",
            generator=str(smollm2),
            sentence_encoder=str(minilm),
            data_folder=folder / "index",
            population_refresh_seconds=0.0,
        )
        opened.append(PersonaEngine(config=config))
        return opened[-1]

    yield open_
    for engine in opened:
        engine.close()


@pytest.fixture(scope="module")
def engine(open_engine):
    return open_engine()


@pytest.fixture
def someone(engine, request):
    """A person who was never seen before."""
    return engine.user(request.node.name)


def answer(user, count=6):
    """Answer as somebody who likes it brief; every other style by the first side."""
    for asked in user.onboard(questions=count):
        wanted = [high for style, high in asked.poles.items() if style in BRIEF]
        user.prefer(asked, "b" if wanted.count("a") > wanted.count("b") else "a")


def test_a_new_person_gets_exactly_the_base_reply(someone):
    base = someone.chat(ASK, personal=False, seed=3, **SHORT)
    reply = someone.chat(ASK, seed=3, **SHORT)
    assert reply.text == base.text != ""
    assert reply.id != base.id
    assert (reply.trace.personalized, base.trace.personalized) == (False, False)
    assert len(reply.trace.candidates) == 1
    assert "no comparison by this user yet" in someone.explain(reply.id).text
    assert "the base reply was asked for" in someone.explain(base.id).text
    assert someone.chat(ASK, seed=4, **SHORT).text != base.text


def test_a_known_person_gets_the_best_of_several(someone):
    answer(someone)
    reply = someone.chat(ASK, seed=1, **SHORT)
    rewards = [each.reward for each in reply.trace.candidates]
    assert len(rewards) == 3
    assert all(each.spread > 0 for each in reply.trace.candidates)
    assert reply.text == reply.trace.candidates[0].text
    base = someone.chat(ASK, seed=1, personal=False, **SHORT).text
    assert reply.trace.personalized == ("best of 3" in reply.trace.reason)
    assert rewards[0] == max(rewards) if reply.trace.personalized else reply.text == base
    assert base in {each.text for each in reply.trace.candidates}
    assert sum(rewards) == pytest.approx(0, abs=1e-3)
    assert 0 < reply.trace.confidence < 1
    assert {"profile", "posterior", "decode", "store"} <= {s.name for s in reply.trace.steps}
    assert someone.chat(ASK, seed=1, **SHORT).text == reply.text


def test_explain_names_instructions_rewards_and_population(someone):
    answer(someone)
    someone.instruct("Answer in British English.")
    someone.instruct("I am vegan: no meat in recipes.")
    reply = someone.chat(ASK, **SHORT)
    text = someone.explain(reply.id).text
    assert "Instruction used (applies with probability" in text
    assert "'Answer in British English.'" in text
    assert "'I am vegan: no meat in recipes.'" in text
    assert "3 candidates were compared, best first:" in text
    assert text.count("reward +") + text.count("reward -") == 3
    assert text.count("Prefers: ") == 1
    assert f"population {someone.profile().population}" in text
    stored = someone.explain(reply.id).trace
    assert stored == replace(reply.trace, steps=reply.trace.steps[: len(stored.steps)])


@pytest.mark.parametrize("known", [False, True])
def test_streaming_gives_the_text_of_chat(someone, known):
    if known:
        answer(someone, 4)
    stream = someone.stream(ASK, seed=2, **SHORT)
    pieces = list(stream)
    assert "".join(pieces) == stream.reply.text == someone.chat(ASK, seed=2, **SHORT).text
    assert len(pieces) > 1 or known
    assert someone.explain(stream.reply.id).trace.reason == stream.reply.trace.reason


def test_a_stream_that_is_left_stores_nothing(someone):
    someone.instruct("Be kind.")
    for _ in someone.stream(ASK, personal=False, max_tokens=200):
        break
    assert someone.export()["replies"] == []


def test_feedback_in_three_ways_is_learned_from_at_once(someone):
    answer(someone, 2)
    reply = someone.chat(ASK, **SHORT)
    texts = {each.text for each in reply.trace.candidates}

    rated = someone.feedback(reply.id, rating=-1, idempotency_key="r")
    assert {each.rejected for each in rated} == {reply.text}
    assert {each.chosen for each in rated} == texts - {reply.text}
    assert sum(each.weight for each in rated) == pytest.approx(0.5)
    assert someone.feedback(reply.id, rating=-1, idempotency_key="r") == rated

    (edited,) = someone.feedback(reply.id, better="Walk, then jog. Rest often.")
    assert (edited.chosen, edited.rejected) == ("Walk, then jog. Rest often.", reply.text)

    picked = someone.feedback(reply.id, chosen=1)
    assert {each.chosen for each in picked} == {reply.trace.candidates[1].text}
    assert {each.reply for each in (*rated, edited, *picked)} == {reply.id}
    assert {each.prompt for each in picked} == {"How do I start running?"}

    profile = someone.profile()
    assert profile.comparisons == 2 + len(rated) + 1 + len(picked)
    belief = someone._runtime.learner.belief(someone.scope)
    assert belief.posterior.count == profile.comparisons
    assert len(someone.export()["ratings"]) == 1


@pytest.mark.parametrize("likes", ["low", "high"])
def test_answers_about_length_order_texts_that_differ_in_length(someone, likes):
    terse = "Walk for a week, then jog one minute at a time. Rest every other day."
    wordy = (
        f"{terse} Starting to run can feel daunting at first, and that is completely normal, so "
        "let me walk you through it. Begin with a week of brisk walks, which prepare your joints "
        "and your lungs. In the second week, add one minute of easy jogging after every four "
        "minutes of walking, and repeat this five times."
    )
    assert not someone.rank(ASK, [wordy, terse]).personalized
    for asked in [each for each in BANK if each.style == "length"][:4]:
        low = "b" if asked.high == "a" else "a"
        someone.prefer(asked, low if likes == "low" else asked.high)
    ranking = someone.rank(ASK, [wordy, terse])
    assert ranking.personalized
    assert ranking.order == ((1, 0) if likes == "low" else (0, 1))
    assert ranking.candidates[0].text == (terse if likes == "low" else wordy)
    assert ranking.confidence > 0.55
    reversed_ = someone.rank(ASK, [terse, wordy])
    assert reversed_.candidates[0].text == ranking.candidates[0].text


def test_a_shared_reply_spares_whoever_likes_it_least(engine):
    """Two who like it brief and one who likes it long."""
    answers = {"brief-1": "low", "brief-2": "low", "thorough": "high"}
    for name, likes in answers.items():
        for asked in [each for each in BANK if each.style == "length"][:6]:
            low = "b" if asked.high == "a" else "a"
            engine.user(name).prefer(asked, low if likes == "low" else asked.high)
    terse = "Walk, then jog. Rest every other day."
    middling = f"{terse} Begin with a week of brisk walks, which prepare your joints and lungs."
    wordy = f"{middling} Starting to run can feel daunting, and that is normal. " * 3
    candidates = [terse, middling, wordy]
    by_person = [engine.user(name).rank(ASK, candidates) for name in answers]
    assert {each.order[0] for each in by_person} == {0, 2}
    majority = engine.rank_shared(list(answers), ASK, candidates, rule="mean")
    fair = engine.rank_shared(list(answers), ASK, candidates)
    assert majority.personalized
    assert fair.personalized

    def least(ranking):
        chosen = ranking.candidates[0].text
        return min(c.reward for r in by_person for c in r.candidates if c.text == chosen)

    assert least(fair) >= least(majority)
    assert fair.candidates[0].reward == pytest.approx(least(fair), abs=1e-3)
    alone = engine.rank_shared(["thorough"], ASK, candidates)
    assert alone.order == by_person[2].order
    for bad in ([], ["thorough", "thorough"], "thorough"):
        with pytest.raises(InvalidInputError, match="users"):
            engine.rank_shared(bad, ASK, candidates)
    with pytest.raises(InvalidInputError, match="rule"):
        engine.rank_shared(["thorough"], ASK, candidates, rule="sum")


def test_ranking_leaves_nothing_behind(someone):
    someone.rank("a prompt of nobody's", ["one text", "another text"])
    features = someone._runtime.features
    features.clear()
    assert features.find("default", [Text("one text", "a prompt of nobody's")]) is None


def test_personalize_adds_nothing_when_nothing_applies(someone):
    messages = [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        *ASK,
    ]
    kept = copy.deepcopy(messages)
    for _ in range(2):
        done = someone.personalize(messages)
        assert list(done.messages) == messages == kept
        assert all(a is b for a, b in zip(done.messages, messages, strict=True))
        assert (done.adapter, done.trace.personalized) == (None, False)
        someone.instruct("I am vegan: no meat in recipes.")
    assert [each.used for each in done.trace.instructions] == [False]


def test_personalize_places_what_applies_beside_the_last_user_turn(someone):
    wish = someone.instruct("Answer in British English.")
    messages = [{"role": "system", "content": "You help."}, *ASK]
    kept = copy.deepcopy(messages)
    done = someone.personalize(messages)
    assert messages == kept
    assert done.messages[0] is messages[0]
    assert done.messages[1]["content"].startswith(ASK[0]["content"] + "\n\n")
    assert wish.text in done.messages[1]["content"]
    assert done.trace.personalized
    assert list(someone.personalize(done.messages).messages) == list(done.messages)
    someone.retract(wish.id)
    assert list(someone.personalize(messages).messages) == kept


def test_instructions_are_found_by_meaning_among_the_persons_own(engine, open_engine, someone):
    texts = ["I am vegan.", "Use metric units.", "Call me Captain.", "My dog is called Rex."]
    wishes = [someone.instruct(text) for text in texts]
    engine.user("stranger").instruct("I never eat meat or cheese.")
    found = someone.find_instructions("recipes without meat", count=2)
    assert found[0][0] == wishes[0]
    assert len(found) == 2
    assert found[0][1] > found[1][1]
    meant = engine._runtime.sentences.encoder.encode([()], ["recipes without meat"])[0]
    again = open_engine().user(someone.scope.user)  # nothing in memory
    assert [each.id for each, _ in again.find_instructions(7.0 * meant, count=2)] == [
        each.id for each, _ in found
    ]
    for wrong in (meant[:-1], 0.0 * meant, 5):
        with pytest.raises(InvalidInputError, match="query is"):
            someone.find_instructions(wrong)

    someone.retract(wishes[0].id)
    assert wishes[0] not in [each for each, _ in someone.find_instructions("meat", count=9)]
    new = someone.instruct("I eat fish on Fridays only.")
    stale = open_engine().user(someone.scope.user).find_instructions("which fish to eat", count=9)
    assert stale[0][0] == new
    assert {each.id for each, _ in stale} == {new.id, *(each.id for each in wishes[1:])}


def test_neighbours_are_those_of_like_taste_in_the_same_tenant(engine):
    people = {name: engine.user(name, tenant="club") for name in ("ann", "bob", "cat")}
    for name, user in people.items():
        for asked in BANK[::8]:
            low = "b" if asked.high == "a" else "a"
            user.prefer(asked, asked.high if name == "bob" else low)
    engine.user("ann", tenant="elsewhere").prefer(BANK[0], "a")
    found = people["ann"].neighbours()
    assert [each.user for each in found] == ["cat", "bob"]
    assert found[0].similarity > 0.9
    assert found[1].similarity < 0
    assert people["ann"].neighbours(1) == found[:1]


def test_ids_of_others_are_not_found(engine, someone):
    reply = someone.chat(ASK, max_tokens=2, personal=False)
    wish = someone.instruct("Be brief.")
    strangers = [engine.user("stranger"), engine.user(someone.scope.user, tenant="other")]
    for stranger in strangers:
        for attempt in (
            lambda s: s.feedback(reply.id, rating=1),
            lambda s: s.explain(reply.id),
            lambda s: s.retract(wish.id),
            lambda s: s.revise(wish.id, "Be long."),
        ):
            with pytest.raises(NotFoundError) as foreign:
                attempt(stranger)
            assert someone.scope.user not in str(foreign.value)
        assert wish not in stranger.instructions()
    assert someone.instructions() == (wish,)


def test_export_forget_receipt_and_import_elsewhere(engine, someone):
    answer(someone, 3)
    someone.instruct("Answer in British English.")
    reply = someone.chat(ASK, **SHORT)
    someone.feedback(reply.id, better="Walk first, run later.")
    someone.find_instructions("English")
    engine.user("stranger").neighbours()
    document = json.loads(json.dumps(someone.export()))
    tastes = someone.profile().tastes

    receipt = someone.forget()
    assert receipt.rows["comparison"] == 4
    assert (receipt.rows["reply"], receipt.rows["instruction"]) == (1, 1)
    assert receipt.cached_embeddings >= 2
    assert receipt.index_vectors == {"users": 1}
    content = json.dumps(asdict(replace(receipt, sha256="")), sort_keys=True, default=str)
    assert receipt.sha256 == hashlib.sha256(content.encode()).hexdigest()
    gone = someone.profile()
    assert (gone.comparisons, gone.instructions, gone.created_at) == (0, (), None)
    with pytest.raises(NotFoundError):
        someone.explain(reply.id)
    assert someone.scope.user not in [n.user for n in engine.user("stranger").neighbours(99)]

    heir = engine.user("heir", tenant="new tenant")
    assert heir.import_(document) == 4 + 1 + 1
    assert heir.import_(document) == 0
    assert heir.explain(reply.id).text
    assert [each.text for each in heir.instructions()] == ["Answer in British English."]
    profile = heir.profile()
    assert profile.comparisons == 4
    for old, new in zip(tastes, profile.tastes, strict=True):
        assert new.mean == pytest.approx(old.mean, abs=0.01)


def test_a_tenants_own_comparisons_are_fitted_judged_and_published(engine):
    rows = []
    for person in range(10):
        for asked in BANK[person % 4 :: 16]:
            likes_high = (person % 2 == 0) == (asked.style in BRIEF)
            side = asked.high if likes_high else ("b" if asked.high == "a" else "a")
            chosen, rejected = (asked.a, asked.b) if side == "a" else (asked.b, asked.a)
            rows.append(
                {
                    "user": f"p{person}",
                    "prompt": asked.prompt,
                    "chosen": chosen,
                    "rejected": rejected,
                }
            )
    assert engine.import_comparisons(rows, tenant="firm") == len(rows) == 80
    with pytest.raises(InvalidInputError, match="0 comparisons by 0 users"):
        engine.fit(tenant="empty firm")
    shipped = engine.user("p0", tenant="firm").profile().population

    report = engine.fit(tenant="firm")

    assert (report.users, report.comparisons, report.reward_model) == (10, 80, "hierarchical")
    assert 0 <= report.accuracy <= 1
    assert 0 <= report.pooled_accuracy <= 1
    assert report.published == (report.accuracy >= report.pooled_accuracy - 0.005)
    assert f"{report.accuracy:.3f}" in report.reason
    now = engine.user("p0", tenant="firm").profile().population
    assert now == (report.population if report.published else shipped)
    rows_by_version = {row.version: row for row in engine.store.tenant("firm").populations()}
    assert rows_by_version[report.population].trained_users == 10
    receipt = engine.user("p0", tenant="firm").forget()
    assert receipt.refit == (report.population,)
    assert rows_by_version[shipped].trained_users == 0


def test_everything_is_in_order(engine):
    assert [check for check in engine.doctor() if not check.ok] == []
