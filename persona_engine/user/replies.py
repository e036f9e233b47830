"""Replies that fit a person, and why they are what they are."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from persona_engine.choosing import AUTO, Decoding, Way
from persona_engine.conversation import check_conversation
from persona_engine.decoding.plan import parse_allowance
from persona_engine.errors import InvalidInputError
from persona_engine.personalize import Order, Spoken
from persona_engine.rewards import OWN, RewardChoice, reward_parts
from persona_engine.stopwatch import Stopwatch
from persona_engine.streaming import ReplyStream, TextSink
from persona_engine.traces import Explanation, explain, trace_from_json, trace_to_json
from persona_engine.tracing import finished, told_of_host
from persona_engine.types import Conversation, Personalization, Ranking, Reply, Sampling, Step
from persona_engine.user.scoped import ScopedToUser, check_seed


class Replies(ScopedToUser):
    """Replies to a person, generated here or by the host."""

    def chat(
        self,
        messages: Conversation,
        *,
        seed: int = 0,
        candidates: int | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        personal: bool = True,
        decoding: Decoding | None = None,
        budget: str | float | None = None,
        reward: RewardChoice = OWN,
    ) -> Reply:
        """Return a reply that fits the person, with the trace of why.

        Args:
            messages: OpenAI-style messages.
            seed: Decides every draw; equal seeds and knowledge give equal replies.
            candidates: Replies to choose among; the configured number if omitted.
            max_tokens: Longest reply; the configured length if omitted.
            temperature: The configured one if omitted.
            personal: False for exactly the base reply.
            decoding: A decoder's name, ``(name, settings)``, or a decoder; ``"auto"`` chooses the
                one that gains most for the budget. The configured one if omitted, or ``"auto"``
                where a budget is given.
            budget: What the reply may cost: ``"800ms"``, or a number of milliseconds, for any
                decoder, after which what has been said by then is the reply; ``"2x"`` of plain
                decoding for ``"auto"``.
            reward: What the search climbs, beside the instructions that can be verified:
                ``"user"`` for the person's own posterior; a function that returns a log-odds-like
                number for each of some replies; `persona_engine.rewards.Together` for several
                people; or a list of such with weights, ``[("user", 1.0), (function, 0.5)]``.

        Raises:
            InvalidInputError: The messages or a setting cannot be used.
            PluginError: There is no such decoder; the message lists those there are.
            WeightsError: The language model cannot be found.
        """
        order = self._order(
            seed,
            candidates,
            max_tokens,
            temperature,
            personal,
            way=self._way(decoding, budget),
            reward=reward,
        )
        return self._reply(messages, order)

    def stream(
        self,
        messages: Conversation,
        *,
        seed: int = 0,
        candidates: int | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        personal: bool = True,
        decoding: Decoding | None = None,
        budget: str | float | None = None,
        reward: RewardChoice = OWN,
    ) -> ReplyStream:
        """Do as `chat`, giving each piece of text as soon as it is settled.

        Returns:
            Iterate over it for the text; afterwards `ReplyStream.reply` is the reply.
        """
        check_conversation(messages)
        order = self._order(
            seed,
            candidates,
            max_tokens,
            temperature,
            personal,
            way=self._way(decoding, budget),
            reward=reward,
        )

        return ReplyStream(lambda sink: self._reply(messages, order, sink))

    def rank(self, prompt: str | Conversation, candidates: Sequence[str]) -> Ranking:
        """Order replies that the host has already by how this person would like them.

        Raises:
            InvalidInputError: There are no candidates, or one is blank.
        """
        with self._runtime.observation.span("rank"):
            return self._runtime.personalizer.rank(self.scope, prompt, candidates)

    def personalize(self, messages: Conversation) -> Personalization:
        """Return messages, adapter and decoding settings for a host that calls its own model.

        Raises:
            InvalidInputError: The messages cannot be used.
        """
        with self._runtime.observation.span("personalize"):
            return self._runtime.personalizer.personalize(
                self.scope,
                messages,
                self._sampling(None, None),
                candidates=self._runtime.config.candidates,
            )

    def tells_apart(self, messages: Conversation, personalized: Personalization) -> bool:
        """Say whether anything is known by which replies to these messages could be told apart.

        That is the person's taste, or an instruction in use that can be verified. Where nothing is,
        one reply is as good as several.

        Args:
            messages: The conversation as it was before `personalize`.
            personalized: What `personalize` returned for it.
        """
        decisions = personalized.trace.instructions
        return self._runtime.personalizer.tells_apart(self.scope, messages, decisions)

    def replied(
        self,
        messages: Conversation,
        text: str,
        *,
        candidates: Sequence[str] = (),
        personalized: Personalization | None = None,
        ranking: Ranking | None = None,
        reply_id: str | None = None,
    ) -> Reply:
        """Keep a reply that the host's own model gave, for `feedback` and `explain`.

        Args:
            messages: The conversation as it was before `personalize`.
            text: What the person is shown.
            candidates: All replies that there were, in the host's order; those of ``ranking`` come
                in its order.
            personalized: What `personalize` returned for it, if that was asked.
            ranking: What `rank` returned, if there were several replies.
            reply_id: The reply's name, where it must be known before the reply; else a fresh one.

        Raises:
            InvalidInputError: The messages or the text cannot be stored.
            ConflictError: A reply of that id is stored.
        """
        check_conversation(messages)
        trace = told_of_host(candidates or [text], personalized, ranking)
        reply = Reply(uuid.uuid4().hex if reply_id is None else reply_id, text, trace)
        self._rows.save_reply(
            reply.id,
            prompt=messages,
            text=text,
            candidates=[each.text for each in trace.candidates],
            trace=trace_to_json(trace),
        )
        return reply

    def explain(self, reply_id: str) -> Explanation:
        """Say in words and numbers why a reply was given.

        Raises:
            NotFoundError: This user was given no such reply.
        """
        return explain(trace_from_json(self._rows.reply(reply_id).trace))

    def _order(
        self,
        seed: int,
        candidates: int | None,
        max_tokens: int | None,
        temperature: float | None,
        personal: bool,
        *,
        way: Way,
        reward: RewardChoice,
    ) -> Order:
        config = self._runtime.config
        count = config.candidates if candidates is None else candidates
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 256:
            raise InvalidInputError(f"candidates is {count!r}, expected 1 to 256")
        check_seed(seed)
        sampling = self._sampling(max_tokens, temperature)
        return Order(sampling, count, seed, way, personal, reward_parts(reward))

    def _sampling(self, max_tokens: int | None, temperature: float | None) -> Sampling:
        config = self._runtime.config
        return Sampling(
            temperature=config.temperature if temperature is None else temperature,
            top_p=config.top_p,
            max_tokens=config.max_tokens if max_tokens is None else max_tokens,
        )

    def _way(self, decoding: Decoding | None, budget: str | float | None) -> Way:
        config = self._runtime.config
        if decoding is None:
            decoding = config.decoder if budget is None else AUTO
        decoder = self._runtime.decoders.named(decoding)
        if budget is None and decoder is None:
            budget = config.decoding_budget
        allowance = None if budget is None else parse_allowance(budget)
        if decoder is not None and allowance is not None and allowance.times is not None:
            raise InvalidInputError(
                f"budget is {budget!r} with decoding {decoder.name!r}, expected a time, such as "
                "'800ms'",
                remedy="say decoding='auto', which chooses how many candidates a share pays for",
            )
        return Way(decoder, allowance)

    def _reply(self, messages: Conversation, order: Order, sink: TextSink | None = None) -> Reply:
        observation = self._runtime.observation
        with observation.span("reply"):
            spoken = self._runtime.personalizer.speak(
                self.scope, messages, order, self._runtime.generator, on_text=sink
            )
            reply = self._keep(messages, spoken)
        personalized, search = reply.trace.personalized, spoken.generation.search
        observation.count("replies", tenant=self.scope.tenant, personalized=personalized)
        if search is not None:
            observation.count("tokens", search.compute.token_steps, tenant=self.scope.tenant)
        return reply

    def _keep(self, messages: Conversation, spoken: Spoken) -> Reply:
        text = spoken.generation.candidates[0].text
        watch = Stopwatch(self._runtime.observation)
        reply_id = uuid.uuid4().hex
        with watch.step("store"):
            self._rows.save_reply(
                reply_id,
                prompt=messages,
                text=text,
                candidates=[each.text for each in spoken.generation.candidates],
                trace=trace_to_json(spoken.trace),
            )
        trace = finished(spoken.trace, Step("store", watch.steps[-1].milliseconds))
        return Reply(reply_id, text, trace)
