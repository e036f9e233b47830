"""The way of one reply: instructions, prompt, candidates, the user's reward, the trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from persona_engine.adapters.routing import UNROUTED, Route, asked_for
from persona_engine.adapters.service import Adapters
from persona_engine.attributes import Attributes, tastes_of, wishes
from persona_engine.belief import Belief
from persona_engine.candidates import Judged, check_candidates
from persona_engine.choosing import Decoders, Way
from persona_engine.conversation import as_conversation, check_conversation
from persona_engine.features import Text
from persona_engine.guiding import Guidance, guidance
from persona_engine.interfaces import Generator, TextReward
from persona_engine.learning import Learner
from persona_engine.obedience import Obedience
from persona_engine.observing import Observation
from persona_engine.onboarding import in_words
from persona_engine.ranking import as_given, by_reward, rank_candidates
from persona_engine.reminding import Reminder, untouched
from persona_engine.rewards import OWN, RewardPart
from persona_engine.stopwatch import Stopwatch
from persona_engine.timed_rewards import timed_reward
from persona_engine.tracing import trace_of
from persona_engine.types import (
    Candidate,
    Conversation,
    DecodingRequest,
    Generation,
    Personalization,
    Ranking,
    Sampling,
    Scope,
    SelectedInstruction,
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
        way: How it is decoded.
        personal: False for exactly the base reply.
        reward: What the search climbs, beside the instructions that can be verified.
        adapter: Version of an adapter to speak with; None for the person's own.
    """

    sampling: Sampling
    candidates: int
    seed: int
    way: Way
    personal: bool = True
    reward: tuple[tuple[RewardPart, float], ...] = ((OWN, 1.0),)
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was generated for one order, and the conversation as the model read it."""

    generation: Generation
    trace: Trace
    messages: Conversation


class Personalizer:
    """Applies what is known about a user to one conversation.

    Args:
        learner: Gives the user's posterior.
        reminder: Selects, places and verifies standing instructions.
        decoders: Produce the reply.
        attributes: What tastes are said in.
        adapters: Route users to their clusters' adapters.
        observation: Is told of every step.
    """

    def __init__(
        self,
        *,
        learner: Learner,
        reminder: Reminder,
        decoders: Decoders,
        attributes: Callable[[], Attributes],
        adapters: Adapters,
        observation: Observation,
    ) -> None:
        self._learner = learner
        self._reminder = reminder
        self._decoders = decoders
        self._attributes = attributes
        self._adapters = adapters
        self._observation = observation

    def personalize(
        self, scope: Scope, messages: Conversation, sampling: Sampling, *, candidates: int
    ) -> Personalization:
        """Return what a host needs to call its own model; nothing is generated."""
        check_conversation(messages)
        watch = Stopwatch(self._observation)
        applied = self._reminder.remind(scope, messages, watch)
        placed = any(each.used for each in applied.decisions)
        with watch.step("route"):
            route = self._route(scope, None)
        used = route.adapter is not None
        reasons = [applied.reason, *([f"adapter {route.adapter}: {route.reason}"] if used else [])]
        return Personalization(
            messages=applied.messages,
            adapter=route.adapter,
            decoding={
                "n": candidates,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "max_tokens": sampling.max_tokens,
            },
            trace=Trace(
                personalized=placed or used,
                reason="; ".join(reasons),
                instructions=applied.decisions,
                steps=tuple(watch.steps),
                skipped=() if used or route.silent else (f"the adapter: {route.reason}",),
                adapter=route.adapter,
            ),
        )

    def rank(self, scope: Scope, prompt: Conversation | str, responses: Sequence[str]) -> Ranking:
        """Order a host's candidates by the user's reward and by the instructions they keep."""
        judged = self.judge(scope, prompt, responses)
        if judged.reward is None:
            return as_given(responses, judged.reason)
        with self._observation.span("reward"):
            verdict = rank_candidates(responses, judged.features, judged.reward, min_confidence=0.5)
        checks = judged.obedience.checks(responses)
        order = by_reward(verdict.rewards)
        return Ranking(
            order=order,
            candidates=tuple(
                Candidate(
                    responses[i],
                    verdict.rewards[i],
                    verdict.spreads[i],
                    tokens=0,
                    checks=checks[i],
                )
                for i in order
            ),
            confidence=verdict.confidence,
            personalized=judged.personalized,
            reason=judged.reason,
            instructions=judged.decisions,
        )

    def judge(self, scope: Scope, prompt: Conversation | str, responses: Sequence[str]) -> Judged:
        """Return what a host's candidates are to be compared by."""
        check_candidates(prompt, responses)
        messages = as_conversation(prompt)
        watch = Stopwatch(self._observation)
        decisions = self._reminder.remind(scope, messages, watch).decisions
        obedience = self._reminder.obedience(scope, messages, decisions)
        with watch.step("posterior"):
            belief = self._learner.belief(scope, prompt=prompt)
        features = np.zeros((len(responses), 0), np.float32)
        if belief is not None:
            texts = [Text(each, prompt) for each in responses]
            features = self._learner.features.get(scope.tenant, texts, keep=False)
        reward = obedience.guide(belief) if obedience else belief
        if isinstance(reward, TextReward):
            features, reward = reward.of_texts(responses, features)
        return Judged(
            features,
            reward,
            belief,
            obedience,
            decisions,
            personalized=bool(obedience) or _knows(belief),
            reason="no population is published for this feature space"
            if reward is None
            else self._grounds(belief, obedience),
        )

    def tells_apart(
        self, scope: Scope, messages: Conversation, decisions: Sequence[SelectedInstruction]
    ) -> bool:
        """Say whether anything is known by which replies to a conversation could be told apart."""
        if self._reminder.obedience(scope, messages, decisions):
            return True
        return guidance(self._learner, scope, messages, [(OWN, 1.0)], []).reward is not None

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
        watch = Stopwatch(self._observation)
        skipped: list[str] = []
        applied = untouched(messages)
        guide, route = Guidance(), UNROUTED
        if order.personal:
            applied = self._reminder.remind(scope, messages, watch)
            with watch.step("posterior"):
                guide = guidance(self._learner, scope, messages, order.reward, skipped)
            with watch.step("route"):
                route = self._route(scope, guide.belief)
        else:
            skipped.append("everything personal: the base reply was asked for")
        if order.adapter is not None:
            route = asked_for(order.adapter)
        obedience = self._reminder.obedience(scope, messages, applied.decisions)
        reward = obedience.guide(guide.reward) if obedience else guide.reward
        tastes = () if guide.belief is None else self.tastes(scope, guide.belief)
        request = DecodingRequest(
            applied.messages,
            order.sampling,
            order.candidates,
            order.seed,
            mend=obedience.mender,
            bare=messages if applied.tokens else None,
            styles=wishes(tastes, self._attributes().all) if tastes else (),
        )
        serving = self._adapters.serving(route, scope.tenant, generator, order.way.decoder)
        with (
            serving as served,
            watch.step("decode", decoder=order.way.name),
            timed_reward(reward, self._observation) as climbed,
        ):
            generation = self._decoders.decode(
                order.way, served.asked(request), generator, climbed, on_text=on_text
            )
        with watch.step("verify"):
            generation = _checked(generation, obedience)
        trace = trace_of(applied, guide, generation, served, steps=watch.steps, skipped=skipped)
        if guide.belief is not None:
            trace = self._told(guide.belief, tastes, trace)
        return Spoken(generation, trace, applied.messages)

    def tastes(self, scope: Scope, belief: Belief) -> tuple[Taste, ...]:
        """Return a user's tastes in every attribute that is encoded already, strongest first."""
        known = partial(self._learner.features.find, scope.tenant)
        return tastes_of(belief, tuple(self._attributes().all.values()), known)

    def _route(self, scope: Scope, belief: Belief | None) -> Route:
        """Return the user's adapter; without a belief it is asked for where adapters are in use."""
        found = belief
        return self._adapters.route(
            scope.tenant, lambda: found if found is not None else self._learner.belief(scope)
        )

    def _told(self, belief: Belief, tastes: Sequence[Taste], trace: Trace) -> Trace:
        return replace(
            trace,
            tastes=in_words(tastes),
            steering=self._attributes().in_words(belief.steering),
        )

    def _grounds(self, belief: Belief | None, obedience: Obedience) -> str:
        grounds = []
        if belief is not None and _knows(belief):
            grounds.append(f"by a posterior over {belief.posterior.count} comparisons")
            near = belief.neighbours
            grounds += [f"by what {near} people described alike have said"] if near else []
            steering = self._attributes().in_words(belief.steering)
            grounds += [f"by what was set by hand: {steering}"] if steering else []
        elif belief is not None:
            grounds.append("by what all users share: no comparison of this user is known")
        if obedience:
            several = "instructions" if len(obedience) > 1 else "instruction"
            grounds.append(f"by {len(obedience)} {several} in use")
        return "; ".join(grounds)


def _knows(belief: Belief | None) -> bool:
    return belief is not None and belief.model.personal and belief.informed


def _checked(generation: Generation, obedience: Obedience) -> Generation:
    """Return the candidates with what each keeps and breaks."""
    checks = obedience.checks([each.text for each in generation.candidates])
    candidates = zip(generation.candidates, checks, strict=True)
    return replace(
        generation, candidates=tuple(replace(c, checks=found) for c, found in candidates)
    )
