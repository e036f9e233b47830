"""The way of one reply: instructions, prompt, candidates, the user's reward, the trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from persona_engine.attributes import Attributes, tastes_of
from persona_engine.belief import Belief
from persona_engine.conversation import check_conversation
from persona_engine.errors import InvalidInputError
from persona_engine.features import FeatureCache, Text, check_response
from persona_engine.instructions import AppliedInstructions, apply_instructions, in_force
from persona_engine.instructions.render import last_user_turn
from persona_engine.interfaces import Decoder, Generator, InstructionSelector, LanguageTools
from persona_engine.learning import Learner
from persona_engine.onboarding import in_words
from persona_engine.ranking import as_given, rank_candidates
from persona_engine.stopwatch import Stopwatch
from persona_engine.store import Clock, Store, check_text
from persona_engine.types import (
    Candidate,
    Conversation,
    DecodingRequest,
    Generation,
    Instruction,
    Personalization,
    Ranking,
    Sampling,
    Scope,
    Step,
    Taste,
    Trace,
)


@dataclass(frozen=True, slots=True)
class Order:
    """How one reply is wanted.

    Args:
        sampling: How tokens are drawn.
        candidates: Replies to consider when the user's taste is known.
        seed: Decides every draw.
        personal: False for exactly the base reply.
    """

    sampling: Sampling
    candidates: int
    seed: int
    personal: bool = True


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was generated for one order."""

    generation: Generation
    trace: Trace


class Personalizer:
    """Applies what is known about a user to one conversation.

    Args:
        store: Holds the instructions.
        learner: Gives the user's posterior.
        sentences: Sentence embeddings of requests and instructions.
        selector: Judges which instructions apply.
        decoder: Produces the reply.
        attributes: What tastes are said in.
        tools: What methods that read words may ask, by tenant.
        count_tokens: Length of a text in the model's tokens.
        budget: Most tokens that instructions may take.
        clock: Against which times of validity are held.
    """

    def __init__(
        self,
        *,
        store: Store,
        learner: Learner,
        sentences: Callable[[], FeatureCache],
        selector: Callable[[], InstructionSelector],
        decoder: Callable[[], Decoder],
        attributes: Callable[[], Attributes],
        tools: Callable[[str], LanguageTools],
        count_tokens: Callable[[str], int],
        budget: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._learner = learner
        self._sentences = sentences
        self._selector = selector
        self._decoder = decoder
        self._attributes = attributes
        self._tools = tools
        self._count_tokens = count_tokens
        self._budget = budget
        self._clock = clock

    def personalize(
        self, scope: Scope, messages: Conversation, sampling: Sampling, *, candidates: int
    ) -> Personalization:
        """Return what a host needs to call its own model; nothing is generated."""
        check_conversation(messages)
        watch = Stopwatch()
        applied = self._apply(scope, messages, watch)
        placed = any(each.used for each in applied.decisions)
        return Personalization(
            messages=applied.messages,
            adapter=None,
            decoding={
                "n": candidates,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "max_tokens": sampling.max_tokens,
            },
            trace=Trace(
                personalized=placed,
                reason=applied.reason,
                instructions=applied.decisions,
                steps=tuple(watch.steps),
            ),
        )

    def rank(self, scope: Scope, prompt: Conversation | str, responses: Sequence[str]) -> Ranking:
        """Order a host's candidates by the user's reward."""
        check_candidates(prompt, responses)
        belief = self._learner.belief(scope, prompt=prompt)
        if belief is None:
            return as_given(responses, "no population is published for this feature space")
        texts = [Text(each, prompt) for each in responses]
        features = self._learner.features.get(scope.tenant, texts, keep=False)
        verdict = rank_candidates(responses, features, belief, min_confidence=0.5)
        order = tuple(
            int(i)
            for i in np.argsort([-verdict.rewards[i] for i in range(len(texts))], kind="stable")
        )
        known = belief.model.personal and belief.informed
        return Ranking(
            order=order,
            candidates=tuple(
                Candidate(responses[i], verdict.rewards[i], verdict.spreads[i], tokens=0)
                for i in order
            ),
            confidence=verdict.confidence,
            personalized=known,
            reason=(
                self._grounds(belief)
                if known
                else "by what all users share: nothing is known of this user yet"
            ),
        )

    def speak(
        self,
        scope: Scope,
        messages: Conversation,
        order: Order,
        generator: Generator,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Spoken:
        """Generate one reply; without anything personal it is exactly the base reply."""
        check_conversation(messages)
        watch = Stopwatch()
        skipped: list[str] = []
        applied = _untouched(messages)
        belief: Belief | None = None
        if order.personal:
            applied = self._apply(scope, messages, watch)
            with watch.step("posterior"):
                belief = self._useful_belief(scope, messages, skipped)
        else:
            skipped.append("everything personal: the base reply was asked for")
        request = DecodingRequest(applied.messages, order.sampling, order.candidates, order.seed)
        with watch.step("decode"):
            generation = self._decoder().generate(request, generator, belief, on_text=on_text)
        trace = _trace(applied, belief, generation, watch, skipped)
        return Spoken(generation, trace if belief is None else self._told(scope, belief, trace))

    def tastes(self, scope: Scope, belief: Belief) -> tuple[Taste, ...]:
        """Return a user's tastes in every attribute that is encoded already, strongest first."""
        known = partial(self._learner.features.find, scope.tenant)
        return tastes_of(belief, tuple(self._attributes().all.values()), known)

    def _told(self, scope: Scope, belief: Belief, trace: Trace) -> Trace:
        said = in_words(self.tastes(scope, belief))
        return replace(trace, tastes=said, steering=self._attributes().in_words(belief.steering))

    def _grounds(self, belief: Belief) -> str:
        grounds = f"by a posterior over {belief.posterior.count} comparisons"
        steering = self._attributes().in_words(belief.steering)
        return f"{grounds} and what was set by hand: {steering}" if steering else grounds

    def _apply(self, scope: Scope, messages: Conversation, watch: Stopwatch) -> AppliedInstructions:
        with watch.step("profile"):
            active = self._store.user(scope).instructions(status="active")
        now = self._clock()
        if not in_force(active, now=now) or last_user_turn(messages) is None:
            return _untouched(messages)
        with watch.step("encode"):
            request, embeddings = self._embed(scope, messages, active)
        with watch.step("select"):
            return apply_instructions(
                messages,
                active,
                selector=self._selector(),
                request=request,
                embeddings=embeddings,
                tools=self._tools(scope.tenant),
                now=now,
                budget=self._budget,
                count_tokens=self._count_tokens,
            )

    def _embed(
        self, scope: Scope, messages: Conversation, active: Sequence[Instruction]
    ) -> tuple[np.ndarray, np.ndarray]:
        sentences = self._sentences()
        turn = last_user_turn(messages)
        content = messages[turn]["content"] if turn is not None else ""
        # Requests are encoded afresh and not cached: what somebody asks is not to be kept.
        request = (
            sentences.encoder.encode([()], [content])[0]
            if content.strip()
            else np.zeros(sentences.width, np.float32)
        )
        return request, sentences.get(scope.tenant, [Text(each.text) for each in active])

    def _useful_belief(
        self, scope: Scope, messages: Conversation, skipped: list[str]
    ) -> Belief | None:
        belief = self._learner.belief(scope, prompt=messages)
        if belief is None:
            skipped.append("the reward: no population is published for this feature space")
            return None
        if not belief.informed:
            skipped.append("the reward: no comparison by this user yet")
            return None
        return belief


def check_candidates(prompt: Conversation | str, responses: Sequence[str]) -> None:
    """Raise unless a host's candidates can be ranked.

    Raises:
        InvalidInputError: There are none, one is blank, or the prompt cannot be used.
    """
    if isinstance(responses, str) or not responses:
        raise InvalidInputError(
            f"candidates is {responses!r}, expected one or more texts in a list"
        )
    check_text("prompt", prompt) if isinstance(prompt, str) else check_conversation(prompt)
    for each in responses:
        check_response(each)


def _untouched(messages: Conversation) -> AppliedInstructions:
    return AppliedInstructions(tuple(messages), (), 0, "no standing instruction applies")


def _trace(
    applied: AppliedInstructions,
    belief: Belief | None,
    generation: Generation,
    watch: Stopwatch,
    skipped: Sequence[str],
) -> Trace:
    placed = any(each.used for each in applied.decisions)
    reasons = [applied.reason] if placed or applied.decisions else []
    if belief is not None:
        reasons.append(generation.reason)
    return Trace(
        personalized=placed or (belief is not None and generation.decided),
        reason="; ".join(reasons) or "nothing personal is known or wanted",
        instructions=applied.decisions,
        candidates=generation.candidates,
        confidence=generation.confidence,
        steps=tuple(watch.steps),
        skipped=tuple(skipped),
        reward_model=None if belief is None else belief.model.name,
        population=None if belief is None else belief.population.version,
    )


def finished(trace: Trace, step: Step) -> Trace:
    """Return the trace with one more step."""
    return replace(trace, steps=(*trace.steps, step))
