"""Getting to know a person."""

from __future__ import annotations

from pydantic import BaseModel

from persona_engine.server.schemas.texts import Asked, Name
from persona_engine.types import Answer, Question


class NextQuestion(BaseModel):
    """What to ask a person next.

    Attributes:
        question: It; None when there is nothing more to ask.
        ended: Why there is none: ``until`` for the confidence that was asked for, or
            ``nothing to learn``.
        gain: Nats that the answer is expected to say about the person.
        confidence: Share of the bank's answers that are expected to be predicted rightly by now.
    """

    question: Question | None
    ended: str | None
    gain: float | None
    confidence: float


class GivenAnswer(Asked):
    """What a person answered.

    Attributes:
        question: Id of the question.
        choice: It.
    """

    question: Name
    choice: Answer
