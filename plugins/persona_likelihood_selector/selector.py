"""The selector: how much likelier the request becomes once the instruction is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.interfaces import LanguageTools
from persona_engine.types import (
    Conversation,
    FloatArray,
    Instruction,
    LogLikelihood,
    Message,
    SelectedInstruction,
)

_KNOWN = "Something that I want you to remember: {text}\nWhat do I ask you next?"
# What stands in the instruction's place when none is known (Zhao et al. 2021).
_NOTHING = "nothing in particular."
_QUESTION = (
    "A person once said: {text}\nNow the person asks: {request}\n"
    "Does what the person once said matter for the answer? Say yes or no."
)
_ANSWERS = ("Yes", "No")
_LONGEST_REQUEST = 1200


class LikelihoodSelector:
    """Takes an instruction when the language model finds that it has to do with the request.

    z = a·(ℓ(x | w) − ℓ(x | ∅))/|x|
        + b·(ℓ(yes | w, x) − ℓ(no | w, x) − ℓ(yes | w, ∅) + ℓ(no | w, ∅)) + c

    and p = σ(z): x is the request, w the instruction, ∅ nothing in particular. The first term is
    how much likelier the request becomes by the instruction (pointwise mutual information, as in
    Holtzman et al. 2021, arXiv:2104.08315), the second the model's own judgement, corrected for
    what it answers whatever is asked (Zhao et al. 2021, arXiv:2102.09690). Nothing is trained, so
    it works in every language that the model knows; it costs three prompts an instruction. Use it
    with a strong model of your own; with a small one, ``applicability`` judges better.

    Args:
        threshold: Least probability of an instruction to be used.
        must_threshold: The same for what must hold.
        association: ``a``.
        judgement: ``b``.
        offset: ``c``.

    Raises:
        ConfigError: A setting is not finite, or a threshold not 0 to 1.

    Examples:
        >>> LikelihoodSelector(threshold=0.6).name
        'likelihood_selector'
    """

    name = "likelihood_selector"

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        must_threshold: float = 0.4,
        association: float = 6.0,
        judgement: float = 0.5,
        offset: float = -2.0,
    ) -> None:
        for setting, value in (("threshold", threshold), ("must_threshold", must_threshold)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{setting} is {value!r}, expected 0 to 1")
        for setting, value in (
            ("association", association),
            ("judgement", judgement),
            ("offset", offset),
        ):
            if not math.isfinite(value):
                raise ConfigError(f"{setting} is {value!r}, expected a finite number")
        self._threshold = threshold
        self._must_threshold = must_threshold
        self._coefficients = np.array([association, judgement, offset])

    def select(
        self,
        conversation: Conversation,
        instructions: Sequence[Instruction],
        *,
        request: FloatArray,
        embeddings: FloatArray,
        tools: LanguageTools,
    ) -> tuple[SelectedInstruction, ...]:
        """Return every instruction with its probability, most probable first.

        Args:
            conversation: The user's turns are the request.
            instructions: The user's active instructions, ``I`` of them.
            request: Not needed.
            embeddings: Not needed.
            tools: ``log_likelihood`` is asked three times an instruction.

        Raises:
            ConfigError: There is no language model.
            InvalidInputError: The user said nothing.
        """
        if not instructions:
            return ()
        if tools.log_likelihood is None:
            raise ConfigError(
                "likelihood_selector asks the language model, and this engine has none",
                remedy="set generator, or instruction_selector='applicability'",
            )
        said = _request(conversation)
        texts = [_worded(each) for each in instructions]
        z = evidence(texts, said, tools.log_likelihood) @ self._coefficients
        probability = 1.0 / (1.0 + np.exp(-np.clip(z, -30.0, 30.0)))
        order = np.argsort(-probability, kind="stable").tolist()
        return tuple(self._judge(instructions[at], float(probability[at])) for at in order)

    def _judge(self, instruction: Instruction, p: float) -> SelectedInstruction:
        must = instruction.strength == "must"
        used = p >= (self._must_threshold if must else self._threshold)
        why = "the model finds that it matters" if used else "the model finds it unrelated"
        return SelectedInstruction(instruction, p, used, f"{why} (p = {p:.2f})")


def evidence(texts: Sequence[str], request: str, log_likelihood: LogLikelihood) -> FloatArray:
    """Return ``(I, 3)``: gain in log-likelihood per word, corrected log odds of yes, and one."""
    known = [_asked(_KNOWN, text=text) for text in [*texts, _NOTHING]]
    gain = np.asarray(log_likelihood(known, [request] * len(known)), np.float64)
    gain = (gain[:-1] - gain[-1]) / max(len(request.split()), 1)
    asked = [
        _asked(_QUESTION, text=text, request=what) for text in texts for what in (request, _NOTHING)
    ]
    answers = log_likelihood([each for each in asked for _ in _ANSWERS], [*_ANSWERS] * len(asked))
    odds = np.asarray(answers, np.float64).reshape(len(texts), 2, 2)  # text, request or ∅, answer
    odds = odds[..., 0] - odds[..., 1]
    columns = [gain, odds[:, 0] - odds[:, 1], np.ones(len(texts))]
    found: FloatArray = np.stack(columns, axis=1)
    return found


def _asked(template: str, **words: str) -> list[Message]:
    return [{"role": "user", "content": template.format(**words)}]


def _worded(instruction: Instruction) -> str:
    if not instruction.scope:
        return instruction.text
    return f"{instruction.text} ({instruction.scope})"


def _request(conversation: Conversation) -> str:
    """Return the user's turns, the last of them when they are long."""
    said = [each["content"].strip() for each in conversation if each["role"] == "user"]
    joined = "\n".join(each for each in said if each)[-_LONGEST_REQUEST:]
    if not joined:
        raise InvalidInputError("the conversation has no user turn, expected a request")
    return joined
