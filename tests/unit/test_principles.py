"""Principles: the test is exact, what is planted is found, what is chance is not."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest

from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.interfaces import LanguageTools
from persona_engine.testing.language import language_tools
from persona_engine.types import AttributePairs, Evidence, PairText
from persona_principles import Principles
from persona_principles.choices import read_choices
from persona_principles.content import content_candidates
from persona_principles.language import bank
from persona_principles.named import WORDS, rules_of
from persona_principles.significance import holm, sign_test, upper_tail, worth_testing
from persona_principles.surface import MEASURES
from persona_principles.thinning import Explaining, thin

WIDTH = 6
TOOLS = language_tools()


def told(pairs, *, weight=None, target=None, features=None):
    """Return texts and evidence of (prompt, chosen, rejected)."""
    texts = tuple(PairText(*each) for each in pairs)
    chosen, rejected = features or (np.zeros((len(pairs), WIDTH)), np.zeros((len(pairs), WIDTH)))
    arrays = [
        None if each is None else np.asarray(each, np.float32)
        for each in (chosen, rejected, weight, target)
    ]
    return texts, Evidence(arrays[0], arrays[1], arrays[2], target=arrays[3])


def induced(texts, evidence, *, seed=0, attributes=(), tools=TOOLS, **settings):
    return Principles(**settings).induce(
        texts, evidence, attributes=attributes, rng=np.random.default_rng(seed), tools=tools
    )


def bread(number, *, short=True):
    extra = "" if short else " It takes a while, and it is worth the wait, as many will tell."
    return f"Bread number {number} wants a hot oven.{extra}"


def short_lover(count=20, wrong=()):
    """Return comparisons of somebody who chooses the shorter reply but for some."""
    pairs = []
    for n in range(count):
        both = bread(n), bread(n, short=False)
        pairs.append((f"Question {n}", *(both[::-1] if n in wrong else both)))
    return told(pairs)


def texts_of(found):
    return [each.text for each in found]


# --- significance ---------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [[1] * 7, [1, 2, 3, 4, 5, 6, 7], [16, 1, 1, 9, 3, 3]])
def test_the_sign_test_counts_every_outcome(strength):
    rng = np.random.default_rng(0)
    votes = rng.choice(np.int8([-1, 1]), len(strength))
    weights = np.asarray(strength)
    observed = weights[votes > 0].sum()
    sums = [weights[np.array(each)].sum() for each in product([False, True], repeat=len(strength))]
    assert sign_test(votes, weights, np.full(len(votes), 0.5)) == pytest.approx(
        np.mean(np.array(sums) >= observed)
    )


def test_unequal_chances_are_multiplied():
    right, chance = np.array([True, True, True]), np.array([0.9, 0.2, 0.5])
    assert upper_tail(right, np.ones(3, np.int64), chance) == pytest.approx(0.09)


def test_votes_of_zero_do_not_count():
    strength = np.ones(6, np.int64)
    assert sign_test(np.int8([1, 1, 1, 0, 0, 0]), strength, np.full(6, 0.5)) == pytest.approx(1 / 8)
    assert sign_test(np.zeros(6, np.int8), strength, np.full(6, 0.5)) == 1.0


def test_a_thousand_comparisons_are_tested_without_negative_chances():
    p = sign_test(np.ones(1000, np.int8), np.full(1000, 7), np.full(1000, 0.5))
    assert 0.0 < p < 1e-12


def test_holm_never_reverses_the_order_and_counts_what_was_not_proposed():
    adjusted = holm([0.004, 0.001, 0.5], tried=10)
    assert adjusted == pytest.approx([0.036, 0.01, 1.0])


def test_rules_that_cannot_pass_are_not_counted():
    can = worth_testing([2**-30] * 10 + [2**-5] * 40, level=0.05, besides=6)
    assert can == [True] * 10 + [False] * 40
    assert worth_testing([], level=0.05, besides=0) == []
    assert worth_testing([2**-3], level=0.05, besides=0) == [False]


# --- choices --------------------------------------------------------------------------------------


def test_the_best_of_four_counts_once():
    pairs = [("Q", "a", "b"), ("Q", "a", "c"), ("Q", "a", "d"), ("R", "a", "b")]
    choices = read_choices(*told(pairs))
    assert choices.units == 2
    assert choices.unit.tolist() == [0, 0, 0, 1]
    assert choices.votes(np.array([1.0, 1.0, -1.0, 0.5])).tolist() == [1, 0]


def test_the_only_one_of_four_is_rarely_picked_by_chance():
    picked = read_choices(*told([("Q", "a", "b"), ("Q", "a", "c"), ("Q", "a", "d")]))
    only = np.array([1.0, 1.0, 1.0])  # a alone follows the rule
    assert picked.chances(only).tolist() == [0.25]
    assert picked.chances(-only).tolist() == [0.75]
    assert picked.chances(np.array([1.0, 0.0, 0.0])).tolist() == [0.75]  # b alone does not
    assert picked.chances(np.zeros(3)).tolist() == [pytest.approx(np.nan, nan_ok=True)]
    dropped = read_choices(*told([("Q", "b", "a"), ("Q", "c", "a"), ("Q", "d", "a")]))
    assert dropped.chances(-only).tolist() == [0.75]  # a alone follows the rule, and was dropped
    assert dropped.chances(only).tolist() == [0.25]


def test_a_whole_order_is_as_probable_as_the_reverse():
    ranked = read_choices(*told([("Q", "a", "b"), ("Q", "b", "c"), ("Q", "a", "c")]))
    assert ranked.chances(np.array([1.0, 1.0, 2.0])).tolist() == [0.5]


def test_who_picks_one_of_four_by_coin_gets_no_principle():
    wrong = 0
    for person in range(20):
        rng = np.random.default_rng(person)
        pairs = []
        for n in range(25):  # one of four has an emoji, three are short
            replies = [bread(n) + mark for mark in ("", " Yes.", " Ok.")] + [
                bread(n, short=False) + " 🙂"
            ]
            best = replies.pop(int(rng.integers(4)))
            pairs += [(f"Q{n}", best, each) for each in replies]
        wrong += bool(induced(*told(pairs), seed=person))
    assert wrong <= 3


def test_a_unit_that_is_of_two_minds_says_nothing():
    choices = read_choices(*told([("Q", "a", "b"), ("Q", "b", "a")]))
    assert choices.votes(np.array([1.0, 1.0 - 2.0])).tolist() == [0]


def test_ties_equal_replies_and_weight_0_are_left_out():
    pairs = [("Q", "a", "b"), ("R", "a", "a"), ("S", "a", "b"), ("T", "a", "b")]
    choices = read_choices(*told(pairs, weight=[1, 1, 0, 1], target=[0.5, 1, 1, 0]))
    assert choices.rows.tolist() == [3]
    assert choices.pairs == (PairText("T", "b", "a"),)


def test_strengths_are_small_whole_numbers():
    pairs = [(f"Q{n}", "a", "b") for n in range(3)]
    assert read_choices(*told(pairs, weight=[0.5, 2.0, 0.001])).strength.tolist() == [4, 16, 1]


# --- candidates -----------------------------------------------------------------------------------

SHOWS = {
    "Give long, thorough replies.": ("Yes.", "Yes, and here is a good deal more about it."),
    "Use long sentences.": ("One two. Three four. Five.", "One two three four five six."),
    "Use precise, learned words.": ("The cat sat on it.", "Felines habitually recline."),
    "Break replies into several paragraphs.": ("One. Two.", "One.\n\nTwo.\n\nThree."),
    "Use bullet points or numbered lists.": ("One and two.", "1. One\n2. Two"),
    "Use headings or bold text.": ("One.", "# One\nand **two**"),
    "Use tables.": ("a, b", "| a | b |\n|---|---|\n| 1 | 2 |"),
    "Show code.": ("Print it.", "```python\nprint(1)\n```"),
    "Use emoji.": ("Fine.", "Fine 🙂"),
    "Write with enthusiasm and exclamation marks.": ("Good.", "Good!"),
    "End with a question to me.": ("Is it? It is.", "It is. Is it? 🙂"),
    "Give concrete numbers.": ("A few weeks.", "3 weeks and 12.5 hours."),
    "Mention prices.": ("It is cheap.", "It costs about €12."),
    'Address me directly as "you".': ("One can do it.", "You can do it with your hands."),
    "Write in the first person.": ("This is good.", "I like it, and it's my choice."),
    "Say how sure you are, and hedge what is uncertain.": ("It is.", "Perhaps it might be."),
    "Be polite: say please and thank you.": ("Send it.", "Please send it, thank you."),
    "Open with a friendly word before the answer.": ("Use salt.", "Great question! Use salt."),
    "Write casually, with contractions.": ("It is not.", "It isn't."),
    "Use American spelling.": ("The colour of the theatre.", "The color of the theater."),
    "Give examples.": ("Eat fruit.", "Eat fruit, for example plums."),
    "Explain with comparisons.": ("It carries current.", "Think of it as a river."),
    "Give sources or links.": ("It is known.", "See https://example.org for it."),
    "Point out risks and what to avoid.": ("Heat it.", "Be careful: never heat it."),
    "Give the reasons.": ("Salt it.", "Salt it, because it tastes better."),
    "Offer alternatives.": ("Take the bus.", "Take the bus. Alternatively, walk."),
}


def test_every_measure_has_an_example_here():
    assert set(SHOWS) == {each.high for each in MEASURES}


@pytest.mark.parametrize("measure", MEASURES, ids=lambda each: each.high)
def test_each_measure_sees_what_it_is_about(measure):
    low, high = SHOWS[measure.high]
    assert measure.of(high) - measure.of(low) >= measure.least
    assert measure.of("") == measure.of("")  # finite on nothing
    assert np.isfinite(measure.of(""))


@pytest.mark.parametrize("text", ["colour" + "rs" * 2000, "\n" * 20_000, "**a" * 5000, "| " * 5000])
@pytest.mark.parametrize("measure", MEASURES, ids=lambda each: each.high)
def test_no_text_takes_long_to_measure(measure, text):
    start = time.process_time()
    assert np.isfinite(measure.of(text + "!"))
    assert time.process_time() - start < 0.5


def test_every_style_of_the_bank_has_its_words():
    from persona_engine.onboarding import STYLES

    poles = {pole for style in STYLES.values() for pole in (style.low, style.high)}
    assert set(WORDS) == poles
    assert len(set(WORDS.values())) == len(WORDS)


def test_poles_of_a_host_are_said_as_they_are():
    one = np.ones((1, WIDTH), np.float32)
    low, high = rules_of(AttributePairs("pirate", one, 0 * one, ("not pirate", "pirate")))
    assert (low, high) == ("Prefer this style: not pirate.", "Prefer this style: pirate.")


def test_words_are_proposed_by_one_half_and_tested_on_the_other():
    pairs = [(f"Q{n}", f"Some cinnamon helps {n}.", f"Some salt helps {n}.") for n in range(16)]
    texts, evidence = told(pairs)
    choices = read_choices(texts, evidence)
    half = np.arange(16) % 2 == 0
    found = content_candidates(choices, half, most=2)
    assert found[0].text in ('Mention "cinnamon" where it fits.', 'Do not mention "salt".')
    assert all((each.tested == ~half).all() for each in found)
    swapped = tuple(  # what the tested half chose is not looked at
        PairText(each.prompt, each.rejected, each.chosen) if not half[unit] else each
        for each, unit in zip(texts, choices.unit, strict=True)
    )
    again = content_candidates(read_choices(swapped, evidence), half, most=2)
    assert [each.text for each in again] == [each.text for each in found]


def test_a_word_that_only_one_half_proposes_is_no_principle():
    pairs = [(f"Q{n}", f"Some cinnamon {n}.", f"Some salt {n}.") for n in range(40)]
    random = np.random.default_rng(3).random(40) < 0.5
    texts, evidence = told(
        [(p, a, b) if keep else (p, b, a) for (p, a, b), keep in zip(pairs, random, strict=True)]
    )
    assert induced(texts, evidence) == ()


# --- thinning -------------------------------------------------------------------------------------


def rules(*votes):
    return [Explaining(each, np.full(len(each), 0.5)) for each in votes]


def test_a_duplicate_adds_nothing():
    votes = np.int8([1] * 18 + [-1] * 2)
    strength = np.ones(20, np.int64)
    nearly = votes.copy()
    nearly[0] = 0
    assert thin(rules(votes, nearly), strength, level=0.05) == [0]


def test_a_second_taste_stays():
    first = np.int8([1] * 20 + [0] * 20)
    second = np.int8([0] * 20 + [1] * 19 + [-1])
    strength = np.ones(40, np.int64)
    assert thin(rules(first, second), strength, level=0.05) == [0, 1]


def test_a_taste_that_wins_against_another_stays():
    first = np.int8([1] * 24 + [-1] * 6)
    second = np.int8([0] * 24 + [1] * 6)  # right where the first is wrong
    strength = np.ones(30, np.int64)
    assert thin(rules(first, second), strength, level=0.05) == [0, 1]


# --- the whole ------------------------------------------------------------------------------------


def test_a_principle_names_its_evidence():
    (found, *_) = induced(*short_lover(20, wrong=(3,)))
    assert found.text == "Keep replies short."
    assert found.opposes == (3,)
    assert found.supports == tuple(n for n in range(20) if n != 3)
    assert found.p_value == pytest.approx(21 / 2**20)
    assert found.adjusted_p_value >= found.p_value


def test_named_attributes_are_found_in_features_alone():
    rng = np.random.default_rng(0)
    high, low = rng.normal(size=(2, 10, WIDTH)).astype(np.float32) * 0.2
    high[:, 2] += 1.0
    other = AttributePairs("warmth", low + np.eye(WIDTH, dtype=np.float32)[4], low)
    formal = AttributePairs("formality", high, low, ("casual", "formal"))
    chosen, rejected = rng.normal(size=(2, 24, WIDTH)) * 0.2
    chosen[:, 2] += 1.0
    pairs = [(f"Q{n}", f"reply {n} a", f"reply {n} b") for n in range(24)]
    texts, evidence = told(pairs, features=(chosen, rejected))
    found = induced(texts, evidence, attributes=(formal, other))
    assert [(each.text, each.attribute) for each in found] == [
        ("Write in a formal tone.", "formality")
    ]


def test_two_tastes_are_both_found():
    pairs = []
    for n in range(48):  # half of them differ in length alone, half in emoji alone
        both = (bread(n), bread(n, short=False)) if n % 2 else (f"{bread(n)} 🙂", bread(n))
        pairs.append((f"Q{n}", *both))
    found = texts_of(induced(*told(pairs)))
    assert "Keep replies short." in found
    assert "Use emoji." in found


def test_repeating_one_choice_is_no_evidence():
    texts, evidence = told([("Q", bread(1), bread(1, short=False))] * 30)
    assert induced(texts, evidence) == ()


def test_weak_comparisons_count_less():
    texts, evidence = short_lover(24, wrong=range(6))
    weak = np.ones(24, np.float32)
    weak[:6] = 0.1
    lighter = Evidence(evidence.chosen, evidence.rejected, weak)
    assert induced(texts, evidence) == ()
    assert texts_of(induced(texts, lighter))[:1] == ["Keep replies short."]


def test_a_slight_leaning_is_not_stored_however_sure():
    texts, evidence = short_lover(400, wrong=range(152))  # 62% of 400: p < 1e-5
    assert induced(texts, evidence) == ()
    assert "Keep replies short." in texts_of(induced(texts, evidence, least_share=0.6))


def test_people_who_choose_by_coin_get_no_principle():
    wrong = 0
    for person in range(20):
        rng = np.random.default_rng(person)
        drawn = np.flatnonzero(rng.random(30) < 0.5).tolist()
        wrong += bool(induced(*short_lover(30, wrong=drawn), seed=person))
    assert wrong <= 3


def test_texts_must_be_as_many_as_comparisons():
    texts, evidence = short_lover(9)
    with pytest.raises(InvalidInputError, match="8 texts and 9 comparisons"):
        induced(texts[:8], evidence)


def test_attributes_of_other_features_are_refused():
    texts, evidence = short_lover(9)
    one = np.ones((2, WIDTH + 1), np.float32)
    with pytest.raises(InvalidInputError, match="7 features, expected 6"):
        induced(texts, evidence, attributes=(AttributePairs("loud", one, 0 * one),))


@pytest.mark.parametrize(
    "setting",
    [
        {"level": 0.0},
        {"level": 1.0},
        {"least_share": 0.4},
        {"least_decided": 0},
        {"least_difference": -0.1},
        {"least_difference": float("nan")},
        {"words": -1},
        {"model_rules": 0},
    ],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError):
        Principles(**setting)


# --- the language model ---------------------------------------------------------------------------


class Model:
    """A language model that likes replies about nature when it is told to mention nature."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, conversations, responses):
        self.asked += len(responses)
        told_so = ["Mention nature." in each[0]["content"] for each in conversations]
        green = ["forest" in each for each in responses]
        likes = [3.0 * (a and b) for a, b in zip(told_so, green, strict=True)]
        return np.asarray(likes, np.float32) - 20.0


def nature_lover(count=30):
    things = ("the old forest", "a forest path", "their forest", "forest air", "some forest")
    pairs = [
        (f"Q{n}", f"Take {things[n % 5]}, number {n}.", f"Take the old street, number {n}.")
        for n in range(count)
    ]
    return told(pairs)


def test_the_language_model_proposes_only_when_switched_on():
    model = Model()
    tools = LanguageTools(TOOLS.embed, TOOLS.fingerprint, log_likelihood=model)
    assert "Mention nature." not in texts_of(induced(*nature_lover(), tools=tools, words=0))
    assert model.asked == 0
    found = induced(*nature_lover(), tools=tools, words=0, language_model=True)
    (nature,) = [each for each in found if each.text == "Mention nature."]
    assert len(nature.supports) == 15  # the half that did not propose it
    assert nature.opposes == ()
    assert model.asked < 4 * len(bank()) * 2 * 2


def test_without_a_language_model_the_setting_changes_nothing():
    texts, evidence = short_lover()
    assert induced(texts, evidence, language_model=True) == induced(texts, evidence)
