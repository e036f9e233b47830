"""Values of a conversation: messages, questions, replies and their traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from persona_engine.types.instruction import Check, SelectedInstruction
from persona_engine.types.search import Search

Role = Literal["system", "user", "assistant", "tool"]
Side = Literal["a", "b"]
Ended = Literal["stop", "length"]
Answer = Literal["a", "b", "tie", "no difference", "skip"]


class Message(TypedDict):
    """One OpenAI-style message."""

    role: Role
    content: str
    name: NotRequired[str]


Conversation = Sequence[Message]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose data an operation touches. Every query carries both names."""

    tenant: str
    user: str


@dataclass(frozen=True, slots=True)
class Question:
    """Two good replies to one request; which does the person prefer?

    Args:
        id: Stable name; bank questions are ``<style>-<number>``.
        prompt: The request.
        a: First reply as shown.
        b: Second reply as shown.
        style: The named style in which the replies differ, or None where it is not one.
        high: Which side shows the high pole of the style.
        topic: What the request is about, or None.
        blend: Of replies that differ in several styles at once, each style and the side that shows
            its high pole.
    """

    id: str
    prompt: str
    a: str
    b: str
    style: str | None = None
    high: Side | None = None
    topic: str | None = None
    blend: tuple[tuple[str, Side], ...] = ()

    @property
    def poles(self) -> dict[str, Side]:
        """The side that shows the high pole of each named style in which the replies differ.

        Examples:
            >>> Question("x", "Hi", "Hello!", "Yo!", style="formality", high="a").poles
            {'formality': 'a'}
        """
        if self.style is None or self.high is None:
            return dict(self.blend)
        return {self.style: self.high, **dict(self.blend)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One event: in this scope, ``chosen`` was preferred to ``rejected`` for ``prompt``.

    Of a ``tie`` neither was preferred.
    """

    id: str
    prompt: str
    chosen: str
    rejected: str
    weight: float
    source: str
    created_at: datetime
    question: str | None = None
    reply: str | None = None
    tie: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reply that decoding considered.

    Args:
        text: Its text.
        reward: The user's expected reward, relative to the candidates' mean; None if unscored.
        spread: Standard deviation of that reward under the posterior; None if unscored.
        tokens: Its length.
        log_prob: Sum of its tokens' log-probabilities under the language model.
        checks: Which of the instructions in use it keeps, of those that can be verified.
        edits: What a program changed in it so that it keeps them; empty for the model's own words.
    """

    text: str
    reward: float | None
    spread: float | None
    tokens: int
    log_prob: float | None = None
    checks: tuple[Check, ...] = ()
    edits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way of a reply and what it cost in wall milliseconds."""

    name: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Explored:
    """With what probability each of the host's candidates was shown.

    Args:
        policy: ``thompson``, ``ucb``, ``greedy`` or ``uniform``.
        propensities: Probability of each candidate, as given.
        position: Which of them was drawn.
        epsilon: Share of the probability that was spread evenly.
        optimism: Standard deviations that ``ucb`` added.
        seed: Of the draw.
    """

    policy: str
    propensities: tuple[float, ...]
    position: int
    epsilon: float
    optimism: float
    seed: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Why a reply is what it is.

    Args:
        personalized: False when the reply is exactly the base reply.
        reason: Why it was or was not personalised, in words.
        instructions: Every instruction considered, used or not, and why.
        candidates: Every candidate, best first.
        confidence: P(the chosen candidate is preferred to the runner-up), or None.
        steps: Milliseconds by step.
        skipped: What was left out of the way of the reply, and why.
        reward_model: Plugin whose posterior guided decoding, or None.
        population: Version of its population, or None.
        adapter: Name of the adapter that was active, or None for the base model.
        tastes: The person's strongest tastes as the reward model had them, in words; may be empty.
        steering: What the person set by hand, in words; empty for nothing.
        search: How the reply was searched for and what that cost, or None.
        exploration: How it was drawn among the host's candidates, or None where it was not.
    """

    personalized: bool
    reason: str
    instructions: tuple[SelectedInstruction, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    confidence: float | None = None
    steps: tuple[Step, ...] = ()
    skipped: tuple[str, ...] = ()
    reward_model: str | None = None
    population: str | None = None
    adapter: str | None = None
    tastes: str = ""
    steering: str = ""
    search: Search | None = None
    exploration: Explored | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, its id for feedback, and its trace.

    Args:
        id: For feedback and explanation.
        text: What was said.
        trace: Why.
        ended: Whether it came to its own end, or to the most tokens, or the longest time, that it
            might take.
        prompt_tokens: Length of what it answers, instructions that were placed included.
    """

    id: str
    text: str
    trace: Trace
    ended: Ended = "stop"
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates in the order the user would prefer them.

    Args:
        order: Indices into the candidates as given, best first.
        candidates: The candidates with reward and spread, best first.
        confidence: P(first is preferred to second); None with fewer than two candidates.
        personalized: False when nothing is known that tells them apart: order is as given.
        reason: Why, in words.
        instructions: Every instruction considered, used or not, and why.
    """

    order: tuple[int, ...]
    candidates: tuple[Candidate, ...]
    confidence: float | None
    personalized: bool
    reason: str
    instructions: tuple[SelectedInstruction, ...] = ()


@dataclass(frozen=True, slots=True)
class Personalization:
    """What a host needs to call its own model for this user.

    Args:
        messages: The conversation with the applying instructions beside the last user turn.
        adapter: Adapter to name in the request, or None for the base model.
        decoding: Settings for sampling: ``n``, ``temperature``, ``top_p``, ``max_tokens``.
        trace: Instructions used and left out, and milliseconds by step.
    """

    messages: tuple[Message, ...]
    adapter: str | None
    decoding: Mapping[str, Any]
    trace: Trace
