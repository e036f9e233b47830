"""Plays the story on an engine, act by act, and writes down what really happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_engine.cli.demo.acts import (
    Act,
    Answered,
    Asked,
    Corrected,
    Farewell,
    Instructed,
    Kept,
    Onboarding,
    Said,
)
from persona_engine.cli.demo.checks import CHECKS
from persona_engine.cli.output import words
from persona_engine.errors import ConflictError, NoPopulationError

if TYPE_CHECKING:
    from persona_engine.cli.demo.story import Person, Story
    from persona_engine.engine import PersonaEngine, User
    from persona_engine.interfaces import Progress
    from persona_engine.types import Message, Reply


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the demo asks for replies; None leaves it to the settings."""

    seed: int = 0
    candidates: int | None = None
    max_tokens: int | None = None


# The same candidates for everybody and after a correction, so that only their order tells people
# apart: none drawn under wishes made from tastes, none given up on the way.
_SAME_CANDIDATES = ("best_of_n", {"styled": 0.0, "settled": 1.0})


class Performance:
    """One run of the story.

    Args:
        engine: The engine to play on.
        story: Who takes part and what they do.
        tenant: Where the people live; they must be new there, since one is forgotten at the end.
        sampling: How replies are asked for.
        progress: Told of each reply that is being made.
    """

    def __init__(
        self,
        engine: PersonaEngine,
        story: Story,
        *,
        tenant: str,
        sampling: Sampling,
        progress: Progress,
    ) -> None:
        self._story = story
        self._sampling = sampling
        self._progress = progress
        self._users = {each.name: engine.user(each.name, tenant=tenant) for each in story.people}
        self._tenant = tenant
        self._check = CHECKS[story.check]

    def acts(self) -> Iterator[Act]:
        """Play, giving each act as soon as it is over.

        Raises:
            ConflictError: Somebody of that name lives in the tenant already.
        """
        self._require_newcomers()
        for person in self._story.people:
            yield self._onboard(person)
        yield self._instruct()
        asked = []
        for position in range(len(self._story.asks)):
            asked.append(self._ask(position))
            yield asked[-1]
        yield self._count_kept(asked)
        yield self._correct(asked)
        yield self._part()

    def _require_newcomers(self) -> None:
        for name, user in self._users.items():
            if user.profile().created_at is not None:
                raise ConflictError(
                    f"tenant {self._tenant!r} has a user {name!r} already, whom the demo would "
                    "change and forget",
                    remedy="pass another --tenant, or another --database",
                )

    def _onboard(self, person: Person) -> Onboarding:
        user = self._users[person.name]
        answers = []
        for question in user.onboard(questions=self._story.questions):
            choice = person.answer(question)
            user.prefer(question, choice)
            answers.append(Answered(question, choice))
        return Onboarding(person.name, person.wants, tuple(answers), user.profile())

    def _instruct(self) -> Instructed:
        name = self._story.instructor
        kept = self._users[name].instruct(self._story.instruction, kind="format")
        return Instructed(name, kept)

    def _ask(self, position: int) -> Asked:
        prompt = self._story.asks[position]
        what, total = f"replies to request {position + 1}", 1 + len(self._users)
        self._progress(what, 0, total)
        anybody = next(iter(self._users.values()))
        base = self._say(anybody, position, personal=False)
        personal: dict[str, Said] = {}
        for done, (name, user) in enumerate(self._users.items(), start=1):
            self._progress(what, done, total)
            personal[name] = self._say(user, position)
        self._progress(what, total, total)
        return Asked(prompt, base, personal)

    def _say(self, user: User, position: int, *, personal: bool = True) -> Said:
        messages: list[Message] = [{"role": "user", "content": self._story.asks[position]}]
        started = time.perf_counter()
        reply: Reply = user.chat(
            messages,
            seed=self._sampling.seed + position,
            candidates=self._sampling.candidates,
            max_tokens=self._sampling.max_tokens,
            personal=personal,
            decoding=_SAME_CANDIDATES,
        )
        seconds = time.perf_counter() - started
        keeps = self._check(reply.text)
        return Said(reply.id, reply.text, words(reply.text), seconds, keeps, reply.trace)

    def _count_kept(self, asked: list[Asked]) -> Kept:
        name = self._story.instructor
        return Kept(
            person=name,
            instruction=self._story.instruction,
            check=self._story.check,
            asked=len(asked),
            personal=sum(each.personal[name].keeps_instruction for each in asked),
            base=sum(each.base.keeps_instruction for each in asked),
        )

    def _correct(self, asked: list[Asked]) -> Corrected:
        """Prefer a candidate that the engine put just below the shown one, then ask again."""
        person = self._story.person(self._story.corrector)
        name = person.name
        position, rank = _nearest_better([each.personal[name] for each in asked], person)
        before = asked[position].personal[name]
        liked = before.trace.candidates[rank].text
        self._progress("the reply after the correction", 0, 1)
        learned = self._users[name].feedback(before.id, better=liked)
        after = self._say(self._users[name], position)
        self._progress("the reply after the correction", 1, 1)
        return Corrected(
            person=name,
            prompt=self._story.asks[position],
            before=before,
            rank=rank,
            liked=liked,
            comparisons=len(learned),
            after=after,
            changed=after.text != before.text,
            as_liked=after.text == liked,
        )

    def _part(self) -> Farewell:
        name = self._story.corrector
        user = self._users[name]
        document = user.export()
        receipt = user.forget()
        return Farewell(name, document, receipt, user.profile().comparisons)


def _nearest_better(said: list[Said], person: Person) -> tuple[int, int]:
    """Return which reply to correct and which of its candidates the person would have liked.

    It is one of the length that they read, shorter or longer than the shown one; of these, the one
    whose reward comes nearest to the shown one's, measured in its spread: there the engine was
    least sure.
    """
    sign = -1 if person.reads == "short" else 1
    gaps = [
        (
            sign * (words(each.text) - reply.words) <= 0,
            (shown - each.reward) / max(each.spread or 0.0, 1e-6),
            position,
            rank,
        )
        for position, reply in enumerate(said)
        if (shown := reply.trace.candidates[0].reward) is not None
        for rank, each in enumerate(reply.trace.candidates)
        if each.reward is not None and each.text != reply.text
    ]
    if not gaps:
        raise NoPopulationError(
            "no reply had another candidate that the person's reward could judge, so there is "
            "nothing to correct",
            remedy="persona fit --default, then the demo with the same --database and --tenant",
        )
    *_, position, rank = min(gaps)
    return position, rank
