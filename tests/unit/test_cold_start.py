"""People like a newcomer speak for them, as far as that helps, and nobody else does."""

from datetime import UTC, datetime

import numpy as np
import pytest

from persona_engine.features import FeatureCache, Text
from persona_engine.index import VectorCache
from persona_engine.onboarding.cold_start import ColdStart
from persona_engine.onboarding.neighbourly import STRENGTHS, UNJUDGED, Case, strength_for
from persona_engine.store import NewComparison, Store
from persona_engine.types import Evidence, PreferenceData, Scope
from persona_hierarchical import Hierarchical

WORDS = ("nurse", "pilot", "night", "shifts", "teacher", "likes", "jokes", "terse")
RNG = np.random.default_rng(0)
HIGH, LOW = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])


class BagOfWords:
    """Encodes how often each word occurs; the others count together."""

    fingerprint = "bag-of-words"
    width = len(WORDS) + 1

    def encode(self, prompts, responses):
        rows = []
        for text in responses:
            counts = [text.split().count(word) for word in WORDS]
            rows.append([*counts, 0.1 + len(text.split()) - sum(counts)])
        return np.array(rows, np.float32)


class Replies:
    """Encodes replies that say high or low."""

    fingerprint = "replies"
    width = 3

    def encode(self, prompts, responses):
        return np.concatenate([HIGH if "high" in text else LOW for text in responses])


def _population():
    user = np.repeat(np.arange(60), 10)
    a, b = RNG.normal(size=(2, 600, 3)).astype(np.float32)
    likes = np.where(user % 2 == 0, 3.0, -3.0)
    first = (likes * (a - b)[:, 0] > 0)[:, None]
    data = PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "replies")
    return Hierarchical().fit(data, rng=np.random.default_rng(0))


POPULATION = _population()


@pytest.fixture
def tenant(tmp_path, sqlite_template):
    import shutil

    shutil.copy(sqlite_template, tmp_path / "persona.db")
    with Store(f"sqlite:///{tmp_path}/persona.db", clock=lambda: datetime.now(UTC)) as store:
        yield Tenant(store, tmp_path)


class Tenant:
    def __init__(self, store, folder):
        self.store = store
        features = FeatureCache(Replies(), store)
        sentences = FeatureCache(BagOfWords(), store)

        def evidence(tenant, events):
            texts = [Text(r, e.prompt) for e in events for r in (e.chosen, e.rejected)]
            rows = features.get(tenant, texts)
            return Evidence(rows[0::2], rows[1::2])

        self.start = ColdStart(
            store,
            Hierarchical(),
            sentences=lambda: sentences,
            index=lambda name, space: VectorCache(
                folder, tenant=name, kind="traits", fingerprint=space
            ),
            evidence=evidence,
        )

    def add(self, name, *, likes=None, answers=4, **known):
        rows = self.store.user(Scope("t", name))
        rows.describe(known)
        pair = ("high", "low") if likes == "high" else ("low", "high")
        for number in range(answers if likes else 0):
            rows.record([NewComparison(f"p{number}", *pair)])

    def presumed(self, name):
        self.start.clear()
        return self.start.presumed(Scope("t", name), POPULATION)


def _leaning(presumption):
    posterior = Hierarchical().infer(POPULATION, presumption.evidence)
    return float(Hierarchical().logit(POPULATION, posterior, HIGH, LOW).mean[0])


def test_nobody_knows_anything_of_somebody_undescribed(tenant):
    tenant.add("old", likes="high", traits="nurse night shifts")
    tenant.add("new")
    assert tenant.presumed("new") is None


def test_who_is_like_nobody_starts_from_the_plain_prior(tenant):
    tenant.add("old", likes="high", traits="nurse night shifts")
    tenant.add("new", traits="teacher")
    assert tenant.presumed("new") is None


def test_neighbours_who_have_not_answered_say_nothing(tenant):
    tenant.add("old", traits="nurse night shifts")
    tenant.add("new", traits="nurse night shifts")
    assert tenant.presumed("new") is None


def test_people_like_the_newcomer_speak_for_them_weakly(tenant):
    for number in range(3):
        tenant.add(f"nurse{number}", likes="high", traits="nurse night shifts")
        tenant.add(f"pilot{number}", likes="low", traits="pilot jokes")
    tenant.add("new", traits="nurse shifts night")
    tenant.add("other", traits="pilot jokes")
    nurse, pilot = tenant.presumed("new"), tenant.presumed("other")
    assert {each.user for each in nurse.neighbours} == {"nurse0", "nurse1", "nurse2"}
    assert float(nurse.evidence.weight.sum()) == pytest.approx(UNJUDGED)
    assert _leaning(pilot) < 0.0 < _leaning(nurse)


def test_a_locale_alone_finds_people_of_it(tenant):
    tenant.add("ann", likes="high", locale="de-AT")
    tenant.add("bob", likes="low", locale="fr-FR")
    tenant.add("new", locale="de_AT")
    assert [each.user for each in tenant.presumed("new").neighbours] == ["ann"]


def test_neighbours_count_for_more_where_they_foretell_and_for_nothing_where_not(tenant):
    for number in range(12):
        kind, likes = ("nurse", "high") if number % 2 else ("pilot", "low")
        tenant.add(f"{kind}{number}", likes=likes, traits=kind)
    tenant.add("new", traits="nurse")
    found = tenant.presumed("new")
    assert float(found.evidence.weight.sum()) > UNJUDGED
    for number in range(12, 24):
        kind, likes = ("nurse", "low") if number % 2 else ("pilot", "high")
        tenant.add(f"{kind}{number}", likes=likes, traits=kind)
    assert tenant.presumed("new") is None


def test_strength_is_unjudged_while_few_have_answered():
    case = Case(Evidence(HIGH, LOW), Evidence(HIGH, LOW))
    assert strength_for(Hierarchical(), POPULATION, [case] * 7) == UNJUDGED
    assert strength_for(Hierarchical(), POPULATION, [case] * 8) in STRENGTHS[1:]
    wrong = Case(Evidence(LOW, HIGH), Evidence(HIGH, LOW))
    assert strength_for(Hierarchical(), POPULATION, [wrong] * 8) == 0.0


def test_descriptions_are_taken_back_and_leave_nothing_behind(tenant):
    user = tenant.store.user(Scope("t", "ann"))
    tenant.add("ann", likes="high", traits="nurse", locale="de-AT")
    tenant.add("new", traits="nurse")
    assert tenant.presumed("new") is not None
    key = Text("nurse").key
    rows = tenant.store.tenant("t")
    assert key in rows.embeddings("bag-of-words", [key])
    assert user.describe({"traits": ""}) == {"locale": "de-AT"}
    assert key not in rows.embeddings("bag-of-words", [key])
    assert tenant.presumed("new") is None
    assert user.forget().rows["trait"] == 1
    assert user.traits() == {}
