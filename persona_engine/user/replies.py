"""Replies that fit a person, and why they are what they are."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from persona_engine.choosing import Decoding
from persona_engine.conversation import check_conversation
from persona_engine.rewards import OWN, RewardChoice
from persona_engine.streaming import ReplyStream, TextSink
from persona_engine.traces import Explanation, explain, trace_from_json, trace_to_json
from persona_engine.tracing import told_of_host
from persona_engine.types import Conversation, Personalization, Ranking, Reply
from persona_engine.user.speaking import Speaking


class Replies(Speaking):
    """Replies to a person, generated here or by the host."""

    def chat(
        self,
        messages: Conversation,
        *,
        seed: int = 0,
        candidates: int | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        stop: Sequence[str] = (),
        personal: bool = True,
        adapter: str | None = None,
        decoding: Decoding | None = None,
        budget: str | float | None = None,
        reward: RewardChoice = OWN,
        keep: bool = True,
    ) -> Reply:
        """Return a reply that fits the person, with the trace of why.

        Args:
            messages: OpenAI-style messages.
            seed: Decides every draw; equal seeds and knowledge give equal replies.
            candidates: Replies to choose among; the configured number if omitted.
            max_tokens: Longest reply; the configured length if omitted.
            temperature: The configured one if omitted.
            top_p: Nucleus of sampling; the configured one if omitted.
            stop: Texts that end the reply; they are not part of it.
            personal: False for exactly the base reply.
            adapter: Version of the tenant's adapters to speak with, whoever the person is; that of
                their cluster if omitted.
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
            keep: False for a reply that is stored nowhere: no feedback can be given on it.

        Raises:
            InvalidInputError: The messages or a setting cannot be used.
            NotFoundError: The tenant has no such adapter.
            PluginError: There is no such decoder; the message lists those there are.
            WeightsError: The language model cannot be found.
        """
        order = self._order(
            self._sampling(max_tokens, temperature, top_p, stop),
            self._way(decoding, budget),
            seed=seed,
            candidates=candidates,
            personal=personal,
            adapter=adapter,
            reward=reward,
        )
        return self._reply(messages, order, reply_id=uuid.uuid4().hex, keep=keep)

    def stream(
        self,
        messages: Conversation,
        *,
        seed: int = 0,
        candidates: int | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        stop: Sequence[str] = (),
        personal: bool = True,
        adapter: str | None = None,
        decoding: Decoding | None = None,
        budget: str | float | None = None,
        reward: RewardChoice = OWN,
        keep: bool = True,
    ) -> ReplyStream:
        """Do as `chat`, giving each piece of text as soon as it is settled.

        Returns:
            Iterate over it for the text; afterwards `ReplyStream.reply` is the reply.
        """
        check_conversation(messages)
        order = self._order(
            self._sampling(max_tokens, temperature, top_p, stop),
            self._way(decoding, budget),
            seed=seed,
            candidates=candidates,
            personal=personal,
            adapter=adapter,
            reward=reward,
        )
        reply_id = uuid.uuid4().hex

        def speak(sink: TextSink) -> Reply:
            return self._reply(messages, order, reply_id=reply_id, keep=keep, sink=sink)

        return ReplyStream(speak, reply_id=reply_id)

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
                self._sampling(None, None, None, ()),
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
