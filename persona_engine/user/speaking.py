"""Orders for replies, and how they are carried out and kept."""

from __future__ import annotations

from collections.abc import Sequence

from persona_engine.choosing import AUTO, Decoding, Way
from persona_engine.decoding.plan import parse_allowance
from persona_engine.errors import InvalidInputError
from persona_engine.personalize import Order, Spoken
from persona_engine.rewards import RewardChoice, reward_parts
from persona_engine.stopwatch import Stopwatch
from persona_engine.streaming import TextSink
from persona_engine.traces import trace_to_json
from persona_engine.tracing import finished
from persona_engine.types import Conversation, Ended, Reply, Sampling, Step
from persona_engine.user.scoped import ScopedToUser, check_seed


class Speaking(ScopedToUser):
    """How `persona_engine.user.replies.Replies` come about."""

    def _order(
        self,
        sampling: Sampling,
        way: Way,
        *,
        seed: int,
        candidates: int | None,
        personal: bool,
        adapter: str | None,
        reward: RewardChoice,
    ) -> Order:
        count = self._runtime.config.candidates if candidates is None else candidates
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 256:
            raise InvalidInputError(f"candidates is {count!r}, expected 1 to 256")
        check_seed(seed)
        if adapter is not None:
            self._runtime.adapters.registry(self.scope.tenant).find(adapter)
        return Order(sampling, count, seed, way, personal, reward_parts(reward), adapter)

    def _sampling(
        self,
        max_tokens: int | None,
        temperature: float | None,
        top_p: float | None,
        stop: Sequence[str],
    ) -> Sampling:
        config = self._runtime.config
        if isinstance(stop, str):
            raise InvalidInputError(f"stop is {stop!r}, expected a list of texts")
        return Sampling(
            temperature=config.temperature if temperature is None else temperature,
            top_p=config.top_p if top_p is None else top_p,
            max_tokens=config.max_tokens if max_tokens is None else max_tokens,
            stop=tuple(stop),
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

    def _reply(
        self,
        messages: Conversation,
        order: Order,
        *,
        reply_id: str,
        keep: bool,
        sink: TextSink | None = None,
    ) -> Reply:
        observation = self._runtime.observation
        with observation.span("reply"):
            spoken = self._runtime.personalizer.speak(
                self.scope, messages, order, self._runtime.generator, on_text=sink
            )
            step = self._keep(reply_id, messages, spoken) if keep else None
        personalized, search = spoken.trace.personalized, spoken.generation.search
        observation.count("replies", tenant=self.scope.tenant, personalized=personalized)
        if search is not None:
            observation.count("tokens", search.compute.token_steps, tenant=self.scope.tenant)
        count = self._runtime.count_tokens
        return Reply(
            reply_id,
            spoken.generation.candidates[0].text,
            spoken.trace if step is None else finished(spoken.trace, step),
            ended=_ended(spoken, order.sampling),
            prompt_tokens=sum(count(message["content"]) for message in spoken.messages),
        )

    def _keep(self, reply_id: str, messages: Conversation, spoken: Spoken) -> Step:
        watch = Stopwatch(self._runtime.observation)
        with watch.step("store"):
            self._rows.save_reply(
                reply_id,
                prompt=messages,
                text=spoken.generation.candidates[0].text,
                candidates=[each.text for each in spoken.generation.candidates],
                trace=trace_to_json(spoken.trace),
            )
        return watch.steps[-1]


def _ended(spoken: Spoken, sampling: Sampling) -> Ended:
    search = spoken.generation.search
    full = spoken.generation.candidates[0].tokens >= sampling.max_tokens
    return "length" if full or (search is not None and search.ended) else "stop"
