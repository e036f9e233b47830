"""What is compared between two readings, beside their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from persona_engine.instructions.relations.text import Reading, stem
from persona_engine.instructions.relations.words import OPPOSITES
from persona_engine.types import FloatArray

PAIR_FEATURES = (
    "jaccard",
    "old_in_new",
    "new_in_old",
    "equal",
    "only_old",
    "only_new",
    "no_overlap",
    "substitution",
    "insertion",
    "prefix",
    "suffix",
    "denies_old",
    "denies_new",
    "flip",
    "both_deny",
    "opposites",
    "class_differs",
    "class_equal",
    "numbers_equal",
    "numbers_differ",
    "numbers_one",
    "names_equal",
    "names_differ",
    "names_one",
    "rejects",
    "same_rejects",
    "condition_both",
    "condition_one",
    "condition_jaccard",
    "context_both_differ",
    "context_one",
    "context_equal",
    "change_old",
    "change_new",
    "retraction_old",
    "retraction_new",
    "allowance_old",
    "allowance_new",
    "limit_old",
    "limit_new",
    "fact_old",
    "fact_new",
    "side_old",
    "side_new",
    "single_old",
    "single_new",
    "fact_differs",
    "limit_both",
    "side_both",
    "single_both",
    "substitution_side",
    "substitution_single",
    "flip_overlap",
    "change_overlap",
    "short_old",
    "short_new",
)


def pair_features(old: Sequence[Reading], new: Reading) -> FloatArray:
    """Return ``(I, F)`` features of a new reading and each of ``I`` old ones."""
    rows = [_pair(each, new) for each in old]
    return np.array(rows, np.float32).reshape(-1, len(PAIR_FEATURES))


@lru_cache(maxsize=65_536)
def _pair(old: Reading, new: Reading) -> tuple[float, ...]:
    before, after = frozenset(old.stems), frozenset(new.stems)
    both, only_old, only_new = before & after, before - after, after - before
    jaccard = len(both) / max(len(before | after), 1)
    substitution, insertion, prefix, suffix = _edits(old.words, new.words)
    flip = old.denies != new.denies
    flags = [float(x) for pair in zip(old.flags, new.flags, strict=True) for x in pair]
    change_new, side, single = flags[1], flags[10] * flags[11], flags[12] * flags[13]
    return (
        jaccard,
        len(both) / max(len(before), 1),
        len(both) / max(len(after), 1),
        before == after,
        min(len(only_old), 4) / 4,
        min(len(only_new), 4) / 4,
        not both,
        substitution,
        insertion,
        prefix,
        suffix,
        old.denies,
        new.denies,
        flip,
        old.denies and new.denies,
        _opposed(old, new),
        *_classes(old, new),
        *_compared(old.quantities, new.quantities),
        *_compared(old.names, new.names),
        bool(new.rejected & before) + bool(old.rejected & after),
        bool(old.rejected and old.rejected == new.rejected),
        *_conditions(old, new),
        *flags,
        flags[8] != flags[9],
        flags[6] * flags[7],
        side,
        single,
        substitution * side,
        substitution * single,
        flip * jaccard,
        change_new * jaccard,
        len(before) <= 1,
        len(after) <= 1,
    )


def _edits(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[float, float, float, float]:
    """Return whether one short run was put for another, or added, and shared ends' shares."""
    shortest = min(len(old), len(new))
    prefix = next((i for i in range(shortest) if old[i] != new[i]), shortest)
    rest = shortest - prefix
    suffix = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    gone, came = len(old) - prefix - suffix, len(new) - prefix - suffix
    shared = prefix + suffix
    return (
        float(shared >= 1 and 1 <= gone <= 3 and 1 <= came <= 3),
        float(shared >= 2 and gone == 0 and came >= 1),
        prefix / max(shortest, 1),
        suffix / max(shortest, 1),
    )


def _opposed(old: Reading, new: Reading) -> float:
    before, after = set(old.words), set(new.words)
    only_old, only_new = before - after, after - before
    count = sum(1 for word in only_old if OPPOSITES.get(word, frozenset()) & only_new)
    return min(count, 2) / 2


def _classes(old: Reading, new: Reading) -> tuple[bool, bool]:
    before, after = dict(old.classes), dict(new.classes)
    shared = before.keys() & after.keys()
    differ = any(stem(before[name]) != stem(after[name]) for name in shared)
    return bool(shared) and differ, bool(shared) and not differ


def _compared(old: frozenset[object], new: frozenset[object]) -> tuple[bool, bool, bool]:
    if old and new:
        return old == new, old != new, False
    return False, False, bool(old or new)


def _conditions(old: Reading, new: Reading) -> tuple[float, ...]:
    before, after = old.condition_stems, new.condition_stems
    here, there = old.context_stems, new.context_stems
    return (
        bool(old.condition and new.condition),
        bool(old.condition) != bool(new.condition),
        len(before & after) / max(len(before | after), 1),
        bool(here and there and not here & there),
        bool(here) != bool(there),
        bool(here and there and here & there),
    )
