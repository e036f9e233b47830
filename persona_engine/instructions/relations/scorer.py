"""How a new instruction is related to those that a person gave before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.instructions.relations.features import pair_features
from persona_engine.instructions.relations.joint import load_joint
from persona_engine.instructions.relations.network import load_network
from persona_engine.instructions.relations.patterns import LEADING
from persona_engine.instructions.relations.text import FLAGS, Reading, fold, read, words_of
from persona_engine.interfaces import Embed, LanguageTools
from persona_engine.types import FloatArray, Instruction

CANDIDATES = 8
JOINT_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Relations:
    """How likely each of ``I`` old instructions is what the new one says or changes.

    Args:
        same: Probability that the new one says the same, ``(I,)``.
        update: That it contradicts or updates the old one, ``(I,)``.
        cosine: Of the two texts' sentence embeddings, ``(I,)``.
    """

    same: FloatArray
    update: FloatArray
    cosine: FloatArray


def relate(
    new: Instruction, existing: Sequence[Instruction], *, tools: LanguageTools
) -> Relations | None:
    """Return how a new instruction is related to each old one; None for another encoder.

    The nearest by sentence embeddings and by words are judged twice, by `RelationNetwork` and,
    where the encoder reads pairs, by `JointNetwork`; the others are unrelated.

        p ∝ p_topics^(1 − w) p_joint^w

    Args:
        new: What was just said.
        existing: What it is compared with, at least one.
        tools: The engine's sentence encoder.

    Raises:
        ArtefactError: A network's file is missing or damaged.
    """
    network = load_network()
    if tools.fingerprint != network.fingerprint:
        return None
    vectors = tools.embed([new.text, *(each.text for each in existing)])
    cosine: FloatArray = vectors[1:] @ vectors[0]  # (I,)
    fresh = read(new.text, new.scope)
    readings = [read(each.text, each.scope) for each in existing]
    chosen = _candidates(cosine, readings, fresh)
    near = [readings[i] for i in chosen]
    features = pair_features(near, fresh)
    topics, conditions = _embed_parts(near, fresh, tools.embed)
    p = network.probabilities(features, topics[1:], topics[0], conditions)
    judge = load_joint()
    if tools.read_pairs is not None and tools.fingerprint == judge.fingerprint:
        old_texts = [_with_scope(existing[i]) for i in chosen]
        states = tools.read_pairs(
            old_texts, [_with_scope(new)] * len(chosen), adapter=judge.adapter
        )
        p = p ** (1 - JOINT_SHARE) * judge.probabilities(features, states) ** JOINT_SHARE
        p /= p.sum(axis=1, keepdims=True)
    same, update = np.zeros((2, len(existing)), np.float32)
    same[chosen], update[chosen] = p[:, 0], p[:, 1]
    for i in chosen:
        if _renames(readings[i], fresh):
            same[i], update[i] = 0.0, 1.0
    return Relations(same, update, cosine)


def _with_scope(instruction: Instruction) -> str:
    """Return the words to read, after the condition that stands beside them."""
    scope, text = instruction.scope.strip(), instruction.text
    if not scope:
        return text
    return f"{scope}, {text}" if LEADING.match(f"{fold(scope)}, {text}") else f"For {scope}, {text}"


def _renames(old: Reading, new: Reading) -> bool:
    """Return whether one name is put for another where there is one value at a time.

    "I live in Madrid", then "I live in Rome now": beyond doubt, whatever the names.
    """
    single = FLAGS.index("one_at_a_time")
    if not (old.flags[single] and new.flags[single]) or old.denies != new.denies:
        return False
    if old.condition or new.condition or not old.names or not new.names:
        return False
    before, after = words_of(old.topic), words_of(new.topic)
    swapped = len(before) == len(after) >= 3 and before[:-1] == after[:-1]
    return swapped and before[-1] in old.names and after[-1] in new.names and before != after


def _candidates(cosine: FloatArray, readings: Sequence[Reading], new: Reading) -> list[int]:
    """Return the old ones to look at closely, nearest first."""
    if len(readings) <= CANDIDATES:
        return list(range(len(readings)))
    stems = frozenset(new.stems)
    shared = [len(stems.intersection(each.stems)) / max(len(each.stems), 1) for each in readings]
    nearness = cosine + 0.5 * np.array(shared, np.float32)
    return [int(i) for i in np.argsort(-nearness, kind="stable")[:CANDIDATES]]


def _embed_parts(
    old: Sequence[Reading], new: Reading, embed: Embed
) -> tuple[FloatArray, FloatArray]:
    """Return the topics' embeddings, the new one's first, and the conditions' cosines ``(I,)``."""
    topics = [new.topic, *(each.topic for each in old)]
    when = [i for i, each in enumerate(old) if each.condition and new.condition]
    wanted = [old[i].condition for i in when] + ([new.condition] if when else [])
    vectors = embed(topics + wanted)
    cosines = np.zeros(len(old), np.float32)
    if when:
        cosines[when] = vectors[len(topics) : -1] @ vectors[-1]
    return vectors[: len(topics)], cosines
