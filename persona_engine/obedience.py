"""Whether replies keep the instructions in use: verifiers as checks, and as part of a reward."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from persona_engine.errors import PluginError
from persona_engine.interfaces import (
    InstructionVerifier,
    LanguageTools,
    MendsReplies,
    Reward,
    TextReward,
)
from persona_engine.types import (
    Check,
    Conversation,
    FloatArray,
    Mend,
    Mending,
    Score,
    SelectedInstruction,
    Strength,
    Verification,
)

# Log-odds that no taste outweighs, yet finite: a verifier that is sure may still be wrong.
_LEAST_PROBABILITY = 0.01
_NATS: dict[Strength, float] = {"must": 3.0, "prefer": 1.0}


class Obedience:
    """The instructions in use for one conversation, each with the first verifier that can judge it.

    Args:
        conversation: The messages so far, without the instructions.
        selected: The instructions in use, each with the probability that it applies.
        verifiers: Those that may be asked, surest first.
        tools: Returns what verifiers may ask, once one is asked.
    """

    def __init__(
        self,
        conversation: Conversation,
        selected: Sequence[SelectedInstruction],
        verifiers: Sequence[InstructionVerifier],
        *,
        tools: Callable[[], LanguageTools],
    ) -> None:
        self._conversation = conversation
        self._tools = tools
        self._shares = _share_out(selected, verifiers)
        self._known: dict[str, tuple[Check, ...]] = {}
        self._weights = {
            each.instruction.id: each.probability * _NATS[each.instruction.strength]
            for _, share in self._shares
            for each in share
        }

    def __len__(self) -> int:
        """Return how many instructions can be judged."""
        return sum(len(share) for _, share in self._shares)

    def checks(self, texts: Sequence[str]) -> tuple[tuple[Check, ...], ...]:
        """Return, for each reply, what it keeps and breaks; a blank reply is not judged.

        Raises:
            PluginError: A verifier failed, or returned other than it should.
        """
        new = [each for each in dict.fromkeys(texts) if each.strip() and each not in self._known]
        if new and self._shares:
            rows = [self._judge(verifier, share, new) for verifier, share in self._shares]
            for column, text in enumerate(new):
                self._known[text] = tuple(row[column] for block in rows for row in block)
        return tuple(self._known.get(each, ()) for each in texts)

    def penalties(self, texts: Sequence[str]) -> FloatArray:
        """Return what each reply loses by the instructions that it breaks, ``(B,)``, in log-odds.

        Σ_i w_i · P(i applies) · −ln P(kept), with w = 3 for what must hold and 1 for what is
        preferred.
        """
        totals = [sum(map(self._cost, checks)) for checks in self.checks(texts)]
        return np.array(totals, np.float32)

    @property
    def mender(self) -> Mend | None:
        """What puts replies right, of those verifiers that can; None without one."""
        able = any(isinstance(verifier, MendsReplies) for verifier, _ in self._shares)
        return self._mend if able else None

    def guide(self, reward: Reward | None) -> Reward:
        """Return the person's reward, or none, less what broken instructions cost."""
        return _ObedientReward(reward, self.penalties)

    def _mend(self, texts: Sequence[str]) -> tuple[Mending | None, ...]:
        mended: list[Mending | None] = [None] * len(texts)
        for verifier, share in self._shares:
            if isinstance(verifier, MendsReplies):
                drafts = [
                    text if known is None else known.text
                    for text, known in zip(texts, mended, strict=True)
                ]
                instructions = [each.instruction for each in share]
                found = verifier.mend(self._conversation, instructions, drafts)
                if len(found) != len(drafts):
                    raise PluginError(
                        f"verifier {verifier.name!r} mended {len(found)} replies, "
                        f"expected one of {len(drafts)} each, or None for it"
                    )
                mended = [_joined(a, b) for a, b in zip(mended, found, strict=True)]
        return tuple(mended)

    def _cost(self, check: Check) -> float:
        kept = max(check.probability, _LEAST_PROBABILITY)
        return self._weights[check.instruction] * -float(np.log(kept))

    def _judge(
        self,
        verifier: InstructionVerifier,
        share: Sequence[SelectedInstruction],
        texts: Sequence[str],
    ) -> list[list[Check]]:
        instructions = [each.instruction for each in share]
        found = verifier.verify(self._conversation, instructions, texts, tools=self._tools())
        _require_contract(verifier.name, found, len(instructions), len(texts))
        return [
            [
                Check(each.id, each.text, float(p), verifier.name, why)
                for p, why in zip(found.probability[row], found.reasons[row], strict=True)
            ]
            for row, each in enumerate(instructions)
        ]


def _joined(before: Mending | None, after: Mending | None) -> Mending | None:
    if before is None or after is None:
        return after or before
    return Mending(after.text, (*before.edits, *after.edits))


class _ObedientReward:
    """A reward whose last feature is a penalty."""

    def __init__(
        self, reward: Reward | None, penalties: Callable[[Sequence[str]], FloatArray]
    ) -> None:
        self._reward = reward
        self._penalties = penalties

    def of_texts(self, texts: Sequence[str], features: FloatArray) -> tuple[FloatArray, Reward]:
        """Return the features with the penalty as last column, and a reward that subtracts it."""
        reward = self._reward
        if isinstance(reward, TextReward):
            features, reward = reward.of_texts(texts, features)
        penalties = self._penalties(texts)[:, None]  # (B, 1)
        return np.hstack([features, penalties]).astype(np.float32), _Penalized(reward)

    def score(self, features: FloatArray) -> Score:
        """Return the reward of features alone: unfinished text is not checked."""
        return _nothing(len(features)) if self._reward is None else self._reward.score(features)

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return the log-odds of features alone."""
        return _nothing(len(a)) if self._reward is None else self._reward.logit(a, b)


class _Penalized:
    """The reward of features whose last column is a penalty."""

    def __init__(self, reward: Reward | None) -> None:
        self._reward = reward

    def score(self, features: FloatArray) -> Score:
        """Return rewards ``(B,)`` of features ``(B, D + 1)``."""
        plain, penalty = features[:, :-1], features[:, -1]
        found = _nothing(len(plain)) if self._reward is None else self._reward.score(plain)
        return Score(found.mean - penalty, found.std)

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return log-odds ``(B,)`` that ``a`` is preferred to ``b``."""
        plain_a, plain_b = a[:, :-1], b[:, :-1]
        reward = self._reward
        found = _nothing(len(a)) if reward is None else reward.logit(plain_a, plain_b)
        return Score(found.mean + b[:, -1] - a[:, -1], found.std)


def _nothing(count: int) -> Score:
    return Score(np.zeros(count, np.float32), np.zeros(count, np.float32))


def _share_out(
    selected: Sequence[SelectedInstruction], verifiers: Sequence[InstructionVerifier]
) -> list[tuple[InstructionVerifier, list[SelectedInstruction]]]:
    """Return each verifier with the instructions that it judges and none before it does."""
    left = list(selected)
    shares = []
    for verifier in verifiers:
        able = [verifier.judges(each.instruction) for each in left]
        mine = [each for each, its in zip(left, able, strict=True) if its]
        left = [each for each, its in zip(left, able, strict=True) if not its]
        if mine:
            shares.append((verifier, mine))
    return shares


def _require_contract(name: str, found: Verification, count: int, texts: int) -> None:
    shape = (count, texts)
    probability = np.asarray(found.probability)
    within = np.isfinite(probability) & (probability >= 0.0) & (probability <= 1.0)
    shaped = probability.shape == shape and [len(row) for row in found.reasons] == [texts] * count
    if not shaped or not within.all():
        raise PluginError(
            f"verifier {name!r} returned probabilities of shape {probability.shape} and values "
            f"{probability.tolist()!r}, expected {shape} values from 0 to 1 with a reason for each",
            remedy="let `judges` be false for what it cannot judge, or choose another verifier",
        )
