"""Learning what a person prefers: answers to questions, comparisons, feedback on replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args, overload

from persona_engine.errors import InvalidInputError
from persona_engine.feedback import (
    Preference,
    check_rating,
    from_choice,
    from_edit,
    from_ranking,
    from_rating,
)
from persona_engine.onboarding import question
from persona_engine.store import NewComparison, StoredReply
from persona_engine.types import Answer, Comparison, Conversation, Question
from persona_engine.user.scoped import ScopedToUser, prompt_text


class Preferences(ScopedToUser):
    """What a person prefers, as events and a posterior."""

    @overload
    def prefer(
        self,
        asked: Question | str,
        choice: Literal["a", "b", "tie", "no difference"],
        *,
        idempotency_key: str | None = None,
    ) -> Comparison: ...

    @overload
    def prefer(
        self, asked: Question | str, choice: Answer, *, idempotency_key: str | None = None
    ) -> Comparison | None: ...

    def prefer(
        self, asked: Question | str, choice: Answer, *, idempotency_key: str | None = None
    ) -> Comparison | None:
        """Record the answer to a question, by its value or its id, and learn from it.

        ``"tie"``, or ``"no difference"``, says that both are as good: it teaches that the
        difference does not matter. ``"skip"`` says nothing: nothing is recorded.

        Returns:
            What was recorded; None of what was skipped.

        Raises:
            InvalidInputError: ``choice`` is none of ``"a"``, ``"b"``, ``"tie"``,
                ``"no difference"`` and ``"skip"``.
            NotFoundError: No question of the bank has that id.
            ConflictError: The idempotency key was used for another answer.
        """
        if choice not in get_args(Answer):
            known = ", ".join(repr(each) for each in get_args(Answer))
            raise InvalidInputError(f"choice is {choice!r}, expected one of {known}")
        if isinstance(asked, str):
            asked = question(asked)
        if not isinstance(asked, Question):
            raise InvalidInputError(f"asked is {asked!r}, expected a question or its id")
        if choice == "skip":
            return None
        chosen, rejected = (asked.b, asked.a) if choice == "b" else (asked.a, asked.b)
        new = NewComparison(
            asked.prompt,
            chosen,
            rejected,
            source="onboarding",
            question=asked.id,
            tie=choice in ("tie", "no difference"),
        )
        return self._runtime.learner.record(self.scope, [new], key=idempotency_key)[0]

    def compare(
        self,
        prompt: str | Conversation,
        chosen: str,
        rejected: str,
        *,
        weight: float = 1.0,
        tie: bool = False,
        idempotency_key: str | None = None,
    ) -> Comparison:
        """Record that one reply to a prompt was preferred to another, and learn from it.

        Args:
            prompt: What the replies answer.
            chosen: The preferred one.
            rejected: The other.
            weight: How strongly, 1 for a plain answer.
            tie: Whether neither was preferred after all.
            idempotency_key: A repeated call with the same key and content does nothing.

        Raises:
            InvalidInputError: A text is blank or the weight is not a number of at least 0.
            ConflictError: The idempotency key was used for another comparison.
        """
        new = NewComparison(prompt_text(prompt), chosen, rejected, weight=weight, tie=tie)
        return self._runtime.learner.record(self.scope, [new], key=idempotency_key)[0]

    def steer(self, /, **strengths: float | None) -> dict[str, float]:
        """Say what the person wants of replies, by name: ``steer(concise=+1, humour=-0.5)``.

        Any attribute may be named, or either of its poles (``concise`` is ``length`` the other way
        round). A strength of 1 counts as four answers to questions of that attribute, spread over
        all its pairs, on top of what comparisons taught; 0 or None takes it back, and everything is
        as if it had never been. What is not named stays as it is.

        Returns:
            What is set now: strength towards each attribute's high pole, by the attribute's name.

        Raises:
            InvalidInputError: A name is unknown (the message lists the known ones and the remedy
                the nearest), two name the same attribute, or a strength is not from -10 to 10.
        """
        now = self._rows.steering()
        if not strengths:
            return now
        # What the host has taken away since is not known any more, but can be taken back.
        back = {name: 0.0 for name in now if name in strengths and not strengths[name]}
        rest = {name: each for name, each in strengths.items() if name not in back}
        return self._rows.steer(self._runtime.attributes.signed(rest) | back)

    def feedback(
        self,
        reply_id: str,
        *,
        rating: float | None = None,
        better: str | None = None,
        chosen: int | str | None = None,
        ranking: Sequence[int] | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Comparison, ...]:
        """Learn from what the person says about a reply; exactly one of the four ways.

        Args:
            reply_id: `Reply.id`.
            rating: −1 to 1.
            better: The text that the person would have liked.
            chosen: The candidate that the person picked, by its position in the trace or its text.
            ranking: Positions of two or more candidates, best first.
            idempotency_key: A repeated call with the same key and content does nothing.

        Returns:
            The comparisons that were learned from; a rating without other candidates gives none.

        Raises:
            InvalidInputError: Not exactly one way was given, or its value cannot be used.
            NotFoundError: This user was given no such reply.
            ConflictError: The idempotency key was used for other feedback.
        """
        if sum(each is not None for each in (rating, better, chosen, ranking)) != 1:
            raise InvalidInputError(
                f"feedback got rating={rating!r}, better={better!r}, chosen={chosen!r}, "
                f"ranking={ranking!r}, expected exactly one of them"
            )
        reply = self._rows.reply(reply_id)
        if ranking is not None:
            preferences = from_ranking(reply.candidates, ranking)
        else:
            preferences = _preferences(reply, rating, better, chosen)
        new = [
            NewComparison(
                prompt_text(reply.prompt),
                each.chosen,
                each.rejected,
                weight=each.weight,
                source=each.source,
                reply=reply_id,
            )
            for each in preferences
        ]
        if rating is not None:
            self._rows.rate(reply_id, rating, idempotency_key=idempotency_key)
        return self._runtime.learner.record(self.scope, new, key=idempotency_key)


def _preferences(
    reply: StoredReply, rating: float | None, better: str | None, chosen: int | str | None
) -> tuple[Preference, ...]:
    if rating is not None:
        check_rating(rating)
        return from_rating(reply.text, reply.candidates, rating)
    if better is not None:
        return from_edit(reply.text, better)
    if chosen is None:
        return ()
    return from_choice(reply.candidates, chosen)
