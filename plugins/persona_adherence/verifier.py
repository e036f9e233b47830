"""The verifier: instructions, request and replies to probabilities, with a reason for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_adherence.features import Vectors, features, relevance_features, texts_of
from persona_adherence.replies import take_apart
from persona_adherence.scorer import Scorer, load_scorer
from persona_adherence.wishes import parse
from persona_engine.interfaces import LanguageTools
from persona_engine.scorers import check_encoder
from persona_engine.types import Conversation, FloatArray, Instruction, Verification

_LONGEST = 6000  # characters of a text that are read
_REMEDY = (
    "use the sentence encoder all-minilm-l6-v2, train for yours with "
    "python -m persona_adherence.train, or leave the verifier out"
)
_BLANK = "…"  # what stands for a text without words, which no encoder reads


class AdherenceVerifier:
    """Judges whether replies respect aversions, tastes, diets, budgets and facts about a person.

    P(kept) = 1 − σ(v·z) (1 − σ(w·x)): it is broken where it bears on the request (z) and the reply
    goes against it (x). The features x compare the reply's clauses with what the instruction says
    is wanted and unwanted: by cosine beyond the request's own, by shared words, by what a clause
    denies ("without nuts"), by numbers against a limit, and along directions that a kernel ridge
    regression learned for the wanted and unwanted things (`Directions`), which know that a salmon
    is seafood and a beer hall not quiet. All are fitted to examples written for it over some
    hundred domains. The task is that of PrefEval (Zhao et al. 2025, arXiv:2502.09597): generic
    answers to a request break the preference of the person who asks.

    Use it after ``constraints``, which does not err on what a program can check. This one is a
    judgement with its uncertainty, from sentence embeddings alone: milliseconds, no language model.

    Args:
        scorer: Another scorer than the shipped one.

    Raises:
        ArtefactError: The shipped weights are damaged.
    """

    name = "adherence"

    def __init__(self, *, scorer: Scorer | None = None) -> None:
        self._scorer = scorer or load_scorer()

    def judges(self, instruction: Instruction) -> bool:
        """Say whether its words name anything wanted or unwanted."""
        return bool(parse(_readable(instruction.text)))

    def verify(
        self,
        conversation: Conversation,
        instructions: Sequence[Instruction],
        responses: Sequence[str],
        *,
        tools: LanguageTools,
    ) -> Verification:
        """Return the probability that each of ``B`` replies keeps each of ``I`` instructions.

        Args:
            conversation: The messages so far; the last user turn is the request.
            instructions: Those to judge.
            responses: The replies; what they say together makes no difference.
            tools: For sentence embeddings.

        Raises:
            FingerprintMismatchError: The scorer was trained for another sentence encoder.
        """
        check_encoder(tools.fingerprint, self._scorer.fingerprint, scorer=self.name, remedy=_REMEDY)
        request = _readable(_last_request(conversation))
        texts = [_readable(text) for text in responses]
        judged = [self.judges(each) for each in instructions]
        wishes = [_readable(each.text) for each in instructions]
        vectors = _embed(
            [wish for wish, ours in zip(wishes, judged, strict=True) if ours],
            request, texts, tools,
        )  # fmt: skip
        probability = np.full((len(instructions), len(responses)), np.nan, np.float32)
        reasons: list[tuple[str, ...]] = [("",) * len(responses)] * len(instructions)
        for row, (wish, ours) in enumerate(zip(wishes, judged, strict=True)):
            if ours and texts:
                probability[row] = self._judge(wish, request, texts, vectors)
                reasons[row] = tuple(
                    _reason(wish, text, float(p), vectors)
                    for text, p in zip(texts, probability[row], strict=True)
                )
        return Verification(probability, tuple(reasons))

    def _judge(self, wish: str, request: str, texts: Sequence[str], vectors: Vectors) -> FloatArray:
        scorer = self._scorer
        read = features(wish, request, texts, vectors=vectors, directions=scorer.directions)
        if request == _BLANK:
            return scorer.kept(read, 1.0)
        bears = scorer.relevant(relevance_features(wish, request, vectors=vectors))
        return scorer.kept(read, bears)


def _embed(
    wishes: Sequence[str], request: str, texts: Sequence[str], tools: LanguageTools
) -> Vectors:
    """Return the embedding of everything that is read; nothing where nothing is judged."""
    needed = list(dict.fromkeys(part for wish in wishes for part in texts_of(wish, request, texts)))
    if not needed:
        return {}
    return dict(zip(needed, tools.embed(needed), strict=True))


def _reason(wish: str, text: str, kept: float, vectors: Vectors) -> str:
    """Name the pair of clause and wish that are nearest."""
    spans = parse(wish)
    clauses = take_apart(text).clauses
    near = (
        np.stack([vectors[span.text] for span in spans])
        @ np.stack([vectors[clause] for clause in clauses]).T
    )
    span, clause = np.unravel_index(int(near.argmax()), near.shape)
    what = "wanted" if spans[int(span)].sign > 0 else "unwanted"
    return (
        f"kept with p = {kept:.2f}; {clauses[int(clause)]!r} comes nearest to the {what} "
        f"{spans[int(span)].text!r}"
    )


def _last_request(conversation: Conversation) -> str:
    turns = (message["content"] for message in reversed(conversation) if message["role"] == "user")
    return next(turns, "")


def _readable(text: str) -> str:
    """Return a text that every encoder reads: valid Unicode, not blank, not endless."""
    valid = text[:_LONGEST].encode("utf-8", "ignore").decode("utf-8")
    return valid if any(each.isprintable() and not each.isspace() for each in valid) else _BLANK
