"""The conformance suite of principle inducers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from persona_engine.interfaces import LanguageTools
from persona_engine.testing.inducer_subject import (
    COUNT,
    NOISY,
    SEED,
    InducerFactory,
    InducerSubject,
    Told,
)
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require
from persona_engine.types import Evidence, PairText, Principle

_DRAWS = 10


def principles_are_well_formed(subject: InducerSubject) -> None:
    """Say each rule once, in words, surest first, with a p-value and a corrected one above it."""
    found = subject.induce(subject.planted)
    texts = [each.text for each in found]
    require(
        all(text.strip() for text in texts) and len(set(texts)) == len(texts),
        f"the rules are {texts}, expected words, and none twice",
        remedy="say each rule as an instruction, once",
    )
    for each in found:
        require(
            0.0 <= each.p_value <= each.adjusted_p_value <= 1.0,
            f"{each.text!r} has p {each.p_value!r}, adjusted {each.adjusted_p_value!r}",
            remedy="adjust p-values upwards for the number of rules tried, to 1 at most",
        )
    adjusted = [each.adjusted_p_value for each in found]
    require(
        adjusted == sorted(adjusted),
        f"the adjusted p-values are {adjusted}, expected rising ones",
        remedy="sort principles by p-value",
    )


def evidence_is_rows(subject: InducerSubject) -> None:
    """Name as evidence comparisons that were given, each for a rule or against it."""
    for each in subject.induce(subject.planted):
        rows = [*each.supports, *each.opposes]
        require(
            bool(each.supports)
            and all(type(row) is int and 0 <= row < COUNT for row in rows)
            and len(set(rows)) == len(rows),
            f"{each.text!r} rests on {each.supports} against {each.opposes} of {COUNT} rows",
            remedy="return positions in `texts` as ints, disjoint, at least one in support",
        )


def the_planted_preference_is_found(subject: InducerSubject) -> None:
    """Find a rule that explains the choices of a person who nearly always chose the shorter one."""
    found = subject.induce(subject.planted)
    require(
        bool(found),
        f"nothing found, though {COUNT - len(NOISY)} of {COUNT} choices are the shorter reply",
        remedy="compare the replies in the named attributes, or by what can be seen in them",
    )
    first = found[0]
    wrong = set(first.supports) & set(NOISY)
    require(
        len(wrong) < len(NOISY),
        f"{first.text!r} is supported by {sorted(wrong)}, where the longer reply was chosen",
        remedy="count a comparison in support where the rule favours the chosen reply",
    )


def the_opposite_is_told_apart(subject: InducerSubject) -> None:
    """Return other rules for a person who chose the other reply every time."""
    found = {each.text for each in subject.induce(subject.planted)}
    mirrored = subject.chosen([n in NOISY for n in range(COUNT)])
    both = found & {each.text for each in subject.induce(mirrored)}
    require(
        not both,
        f"{sorted(both)} is found for a person and for one who chose the opposite",
        remedy="let the choices decide a rule's direction",
    )


def a_target_of_zero_is_the_reverse(subject: InducerSubject) -> None:
    """Read a target of 0 as a preference for the other reply."""
    told = subject.planted
    evidence = Evidence(
        told.evidence.rejected,
        told.evidence.chosen,
        target=np.zeros(len(told.texts), np.float32),
    )
    texts = tuple(PairText(each.prompt, each.rejected, each.chosen) for each in told.texts)
    require(
        _told(subject.induce(Told(texts, evidence))) == _told(subject.induce(told)),
        "comparisons with the replies exchanged and target 0 give other principles",
        remedy="the preferred reply is `chosen` where target is above ½, else `rejected`",
    )


def random_choices_give_nothing(subject: InducerSubject) -> None:
    """Find nothing in at least 9 of 10 people who choose at random."""
    found = []
    for draw in range(_DRAWS):
        rng = np.random.default_rng([SEED, draw])
        told = subject.chosen((rng.random(COUNT) < 0.5).tolist())
        found += [each[0].text for each in [subject.induce(told, seed=draw)] if each]
    require(
        len(found) <= _DRAWS // 10,
        f"{len(found)} of {_DRAWS} people who choose at random are given principles: {found}",
        remedy="test on comparisons that did not propose the rule, correct for all rules tried",
    )


def few_comparisons_give_nothing(subject: InducerSubject) -> None:
    """Find nothing in no, one or two comparisons."""
    for count in (0, 1, 2):
        found = subject.induce(subject.planted.take(range(count)))
        require(
            found == (),
            f"{count} comparisons give {[each.text for each in found]}",
            remedy="return () where nothing can be told from chance",
        )


def ties_are_no_evidence(subject: InducerSubject) -> None:
    """Learn nothing from ties and from comparisons of weight 0, and never rest on them."""
    told = subject.planted
    count = len(told.texts)
    nothing = {
        "ties": replace(told.evidence, target=np.full(count, 0.5, np.float32)),
        "comparisons of weight 0": replace(told.evidence, weight=np.zeros(count, np.float32)),
    }
    for what, evidence in nothing.items():
        found = subject.induce(Told(told.texts, evidence))
        require(
            found == (),
            f"{what} alone give {[each.text for each in found]}",
            remedy="leave out comparisons that decide nothing",
        )
    target = np.ones(count, np.float32)
    target[: count // 4] = 0.5
    some = Told(told.texts, replace(told.evidence, target=target))
    for each in subject.induce(some):
        rests = {*each.supports, *each.opposes} & set(range(count // 4))
        require(
            not rests,
            f"{each.text!r} rests on the ties {sorted(rests)}",
            remedy="neither support nor oppose by ties",
        )


def order_is_irrelevant(subject: InducerSubject) -> None:
    """Find the same, by the same comparisons, when they come in another order."""
    order = np.random.default_rng(SEED).permutation(COUNT).tolist()
    expected = _told(subject.induce(subject.planted))
    shuffled = subject.induce(subject.planted.take(order))
    back = tuple(
        replace(
            each,
            supports=tuple(order[row] for row in each.supports),
            opposes=tuple(order[row] for row in each.opposes),
        )
        for each in shuffled
    )
    require(
        _told(back) == expected,
        f"in another order it finds {_told(back)}, expected {expected}",
        remedy="sort comparisons by content before `rng` draws among them",
    )


def induction_is_deterministic(subject: InducerSubject) -> None:
    """Find the same for equal seeds, also in another instance and after other calls."""
    expected = subject.induce(subject.planted)
    subject.induce(subject.chosen([True] * COUNT), seed=1)
    again = subject.induce(subject.planted)
    other = subject.induce(subject.planted, inducer=subject.factory())
    require(
        again == expected == other,
        "equal arguments and seeds give different principles",
        remedy="draw from `rng` alone, and keep nothing of a person on the instance",
    )


def arguments_stay_unchanged(subject: InducerSubject) -> None:
    """Change neither texts nor evidence nor attributes."""
    told, attributes = subject.planted, subject.attributes
    arrays = [
        *(told.evidence.chosen, told.evidence.rejected, told.evidence.weight),
        *(told.evidence.target, attributes[0].high, attributes[0].low),
    ]
    before = copy.deepcopy((told.texts, arrays))
    subject.induce(told)
    same = told.texts == before[0] and all(
        np.array_equal(now, then) for now, then in zip(arrays, before[1], strict=True)
    )
    require(same, "induce changed its arguments", remedy="copy an array before you write to it")


def _told(found: Sequence[Principle]) -> list[tuple[str, frozenset[int], frozenset[int]]]:
    return sorted((each.text, frozenset(each.supports), frozenset(each.opposes)) for each in found)


INDUCER_CHECKS: Mapping[str, Check[InducerSubject]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            principles_are_well_formed,
            evidence_is_rows,
            the_planted_preference_is_found,
            the_opposite_is_told_apart,
            a_target_of_zero_is_the_reverse,
            random_choices_give_nothing,
            few_comparisons_give_nothing,
            ties_are_no_evidence,
            order_is_irrelevant,
            induction_is_deterministic,
            arguments_stay_unchanged,
        )
    }
)


def principle_inducer_checks(
    factory: InducerFactory,
    *,
    tools: LanguageTools | None = None,
    checks: Iterable[str] | None = None,
) -> tuple[BoundCheck[InducerSubject], ...]:
    """Return the checks of an inducer, each to be called.

    Args:
        factory: Makes an instance; called without arguments.
        tools: What it may ask; sentences embedded by their words, and no language model, if
            omitted.
        checks: Names of `INDUCER_CHECKS`; all of them if omitted.
    """
    return bind(INDUCER_CHECKS, InducerSubject(factory, tools), name_of(factory), checks)


def check_principle_inducer(
    factory: InducerFactory,
    *,
    tools: LanguageTools | None = None,
    checks: Iterable[str] | None = None,
) -> None:
    """Run the checks of an inducer, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
    """
    for check in principle_inducer_checks(factory, tools=tools, checks=checks):
        check()
