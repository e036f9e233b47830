"""One user of one tenant: everything that a product asks of the engine about a person."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import numpy as np

from persona_engine.errors import ConflictError, InvalidInputError, NoPopulationError
from persona_engine.features import Text
from persona_engine.feedback import Preference, check_rating, from_choice, from_edit, from_rating
from persona_engine.instructions import reconcile, validate_instruction
from persona_engine.onboarding import next_question, question, question_bank, tastes
from persona_engine.personalize import Order, Spoken, Stopwatch, check_conversation, finished
from persona_engine.runtime import Runtime
from persona_engine.store import NewComparison, StoredReply, check_text
from persona_engine.streaming import ReplyStream, TextSink
from persona_engine.traces import Explanation, explain, trace_from_json, trace_to_json
from persona_engine.types import (
    Comparison,
    Conversation,
    FloatArray,
    Instruction,
    InstructionKind,
    Neighbour,
    Personalization,
    Profile,
    Question,
    Ranking,
    Receipt,
    Reply,
    Sampling,
    Scope,
    Side,
    Step,
    Strength,
    Taste,
)


class User:
    """A person, by the stable id that the product knows them by; made by `PersonaEngine.user`.

    Nothing is kept here: any number of these, in any number of processes, are the same person.
    """

    def __init__(self, runtime: Runtime, scope: Scope) -> None:
        self.scope = scope
        self._runtime = runtime
        self._rows = runtime.store.user(scope)

    # Learning what the person prefers

    def onboard(self, *, questions: int = 4) -> Iterator[Question]:
        """Yield the comparisons that teach most about this person, each knowing the answers so far.

        Answer with `prefer`, or not at all; it ends early when nothing more is to be learned.

        Raises:
            InvalidInputError: ``questions`` is below 1.
            NoPopulationError: There is no population to choose by.
        """
        _check_count("questions", questions)
        return self._questions(questions)

    def _questions(self, count: int) -> Iterator[Question]:
        asked = {each.question for each in self._rows.comparisons() if each.question is not None}
        seed = hashlib.sha256(f"{self.scope.tenant}\0{self.scope.user}".encode()).digest()
        rng = np.random.default_rng(list(seed))
        features = self._bank_features()
        for _ in range(count):
            belief = self._runtime.learner.belief(self.scope)
            if belief is None:
                raise _no_population()
            chosen = next_question(
                belief.model,
                belief.population,
                belief.posterior,
                question_bank(),
                features,
                asked=asked,
                rng=rng,
            )
            if chosen is None:
                return
            asked.add(chosen.id)
            yield chosen

    def prefer(
        self, asked: Question | str, choice: Side, *, idempotency_key: str | None = None
    ) -> Comparison:
        """Record the answer to a question, by its value or its id, and learn from it.

        Raises:
            InvalidInputError: ``choice`` is neither ``"a"`` nor ``"b"``.
            NotFoundError: No question has that id.
            ConflictError: The idempotency key was used for another answer.
        """
        if choice not in ("a", "b"):
            raise InvalidInputError(f"choice is {choice!r}, expected 'a' or 'b'")
        if isinstance(asked, str):
            asked = question(asked)
        if not isinstance(asked, Question):
            raise InvalidInputError(f"asked is {asked!r}, expected a question or its id")
        chosen, rejected = (asked.a, asked.b) if choice == "a" else (asked.b, asked.a)
        new = NewComparison(asked.prompt, chosen, rejected, source="onboarding", question=asked.id)
        return self._runtime.learner.record(self.scope, [new], key=idempotency_key)[0]

    def compare(
        self,
        prompt: str | Conversation,
        chosen: str,
        rejected: str,
        *,
        weight: float = 1.0,
        idempotency_key: str | None = None,
    ) -> Comparison:
        """Record that one reply to a prompt was preferred to another, and learn from it.

        Raises:
            InvalidInputError: A text is blank or the weight is not a number of at least 0.
            ConflictError: The idempotency key was used for another comparison.
        """
        new = NewComparison(prompt_text(prompt), chosen, rejected, weight=weight)
        return self._runtime.learner.record(self.scope, [new], key=idempotency_key)[0]

    def feedback(
        self,
        reply_id: str,
        *,
        rating: float | None = None,
        better: str | None = None,
        chosen: int | str | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Comparison, ...]:
        """Learn from what the person says about a reply; exactly one of the three ways.

        Args:
            reply_id: `Reply.id`.
            rating: −1 to 1.
            better: The text that the person would have liked.
            chosen: The candidate that the person picked, by its position in the trace or its text.
            idempotency_key: A repeated call with the same key and content does nothing.

        Returns:
            The comparisons that were learned from; a rating without other candidates gives none.

        Raises:
            InvalidInputError: Not exactly one way was given, or its value cannot be used.
            NotFoundError: This user was given no such reply.
            ConflictError: The idempotency key was used for other feedback.
        """
        if sum(each is not None for each in (rating, better, chosen)) != 1:
            raise InvalidInputError(
                f"feedback got rating={rating!r}, better={better!r}, chosen={chosen!r}, "
                "expected exactly one of them"
            )
        reply = self._rows.reply(reply_id)
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

    # Standing instructions

    def instruct(
        self,
        text: str,
        *,
        kind: InstructionKind = "preference",
        strength: Strength = "prefer",
        scope: str = "",
        valid_until: datetime | None = None,
    ) -> Instruction:
        """Keep what the person wants from now on; what says the same as another is merged.

        Returns:
            The instruction that is in force: the new one, or the one that said it already.

        Raises:
            InvalidInputError: The text is blank, too long, or cannot be stored.
        """
        new = validate_instruction(
            Instruction(
                id=uuid.uuid4().hex,
                text=text,
                created_at=self._runtime.clock(),
                kind=kind,
                strength=strength,
                scope=scope,
                valid_until=valid_until,
            )
        )
        verdict = reconcile(new, self.instructions())
        if verdict.action == "keep" and verdict.existing is not None:
            return verdict.existing
        if verdict.action == "replace" and verdict.existing is not None:
            new = replace(new, supersedes=verdict.existing.id)
            self._rows.replace_instruction(verdict.existing.id, new)
        else:
            self._rows.add_instruction(new)
        return new

    def revise(self, instruction_id: str, text: str) -> Instruction:
        """Put other words in an instruction's place; the old ones stay in the history.

        Raises:
            NotFoundError: This user has no such instruction.
            InvalidInputError: The text cannot be kept.
            ConflictError: The instruction is not active any more.
        """
        old = self._rows.instruction(instruction_id)
        if old.status != "active":
            raise ConflictError(
                f"instruction {instruction_id!r} is {old.status}, expected an active one",
                remedy="revise the one that is active now (`instructions()` lists them)",
            )
        new = replace(
            old,
            id=uuid.uuid4().hex,
            text=text,
            created_at=self._runtime.clock(),
            supersedes=old.id,
        )
        new = validate_instruction(new)
        self._rows.replace_instruction(old.id, new)
        return new

    def retract(self, instruction_id: str) -> Instruction:
        """Take an instruction back; it stays in the history.

        Raises:
            NotFoundError: This user has no such instruction.
        """
        return self._rows.set_instruction_status(instruction_id, "retracted")

    def instructions(self) -> tuple[Instruction, ...]:
        """Return the active instructions in the order in which they were said."""
        return self._rows.instructions(status="active")

    def history(self) -> tuple[Instruction, ...]:
        """Return every instruction, also superseded and retracted ones."""
        return self._rows.instructions()

    def find_instructions(self, query: str, *, count: int = 5) -> list[tuple[Instruction, float]]:
        """Return the person's active instructions nearest in meaning to a text, with cosines.

        Raises:
            InvalidInputError: The query is blank or ``count`` is below 1.
        """
        if not isinstance(query, str) or not query.strip():
            raise InvalidInputError(f"query is {query!r}, expected text")
        check_text("query", query)
        _check_count("count", count)
        mine = {each.id: each for each in self.instructions()}
        if not mine:
            return []
        sentences, tenant = self._runtime.sentences, self.scope.tenant
        rows = self._runtime.store.tenant(tenant)
        index = self._runtime.index(tenant, "instructions", sentences.encoder.fingerprint)

        def load() -> Iterator[tuple[str, FloatArray]]:
            active = [each for _, each in rows.iter_instructions() if each.status == "active"]
            vectors = sentences.get(tenant, [Text(each.text) for each in active])
            return zip((each.id for each in active), vectors, strict=True)

        vector = sentences.encoder.encode([()], [query])[0]
        found = index.search(
            load, rows.instruction_generation(), vector, count=count, allowed=tuple(mine)
        )
        return [(mine[key], cosine) for key, cosine in found]

    # Replies

    def chat(
        self,
        messages: Conversation,
        *,
        seed: int = 0,
        candidates: int | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        personal: bool = True,
    ) -> Reply:
        """Return a reply that fits the person, with the trace of why.

        Args:
            messages: OpenAI-style messages.
            seed: Decides every draw; equal seeds and knowledge give equal replies.
            candidates: Replies to choose among; the configured number if omitted.
            max_tokens: Longest reply; the configured length if omitted.
            temperature: The configured one if omitted.
            personal: False for exactly the base reply.

        Raises:
            InvalidInputError: The messages or a setting cannot be used.
            WeightsError: The language model cannot be found.
        """
        order = self._order(seed, candidates, max_tokens, temperature, personal)
        spoken = self._runtime.personalizer.speak(
            self.scope, messages, order, self._runtime.generator
        )
        return self._keep(messages, spoken)

    def stream(
        self,
        messages: Conversation,
        *,
        seed: int = 0,
        candidates: int | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        personal: bool = True,
    ) -> ReplyStream:
        """Do as `chat`, giving each piece of text as soon as it is settled.

        Returns:
            Iterate over it for the text; afterwards `ReplyStream.reply` is the reply.
        """
        check_conversation(messages)
        order = self._order(seed, candidates, max_tokens, temperature, personal)

        def speak(sink: TextSink) -> Reply:
            spoken = self._runtime.personalizer.speak(
                self.scope, messages, order, self._runtime.generator, on_text=sink
            )
            return self._keep(messages, spoken)

        return ReplyStream(speak)

    def rank(self, prompt: str | Conversation, candidates: Sequence[str]) -> Ranking:
        """Order replies that the host has already by how this person would like them.

        Raises:
            InvalidInputError: There are no candidates, or one is blank.
        """
        return self._runtime.personalizer.rank(self.scope, prompt, candidates)

    def personalize(self, messages: Conversation) -> Personalization:
        """Return messages, adapter and decoding settings for a host that calls its own model.

        Raises:
            InvalidInputError: The messages cannot be used.
        """
        order = self._order(0, None, None, None, True)
        return self._runtime.personalizer.personalize(
            self.scope, messages, order.sampling, candidates=order.candidates
        )

    def explain(self, reply_id: str) -> Explanation:
        """Say in words and numbers why a reply was given.

        Raises:
            NotFoundError: This user was given no such reply.
        """
        return explain(trace_from_json(self._rows.reply(reply_id).trace))

    # What is known, and forgetting it

    def profile(self) -> Profile:
        """Return what the engine knows about the person."""
        count = self._rows.comparison_count()
        belief = self._runtime.learner.belief(self.scope) if count else None
        return Profile(
            tenant=self.scope.tenant,
            user=self.scope.user,
            instructions=self.history(),
            comparisons=count,
            tastes=() if belief is None else self._tastes(),
            reward_model=None if belief is None else belief.model.name,
            population=None if belief is None else belief.population.version,
            created_at=self._rows.created_at(),
        )

    def neighbours(self, count: int = 5) -> tuple[Neighbour, ...]:
        """Return the tenant's users whose taste is nearest, nearest first.

        Raises:
            InvalidInputError: ``count`` is below 1.
            NoPopulationError: There is no population to compare in.
        """
        _check_count("count", count)
        belief = self._runtime.learner.belief(self.scope)
        if belief is None:
            raise _no_population()
        model, population = belief.model, belief.population
        rows = self._runtime.store.tenant(self.scope.tenant)
        space = f"{model.name}/{population.version}"

        def load() -> Iterator[tuple[str, FloatArray]]:
            for user, posterior in rows.iter_posteriors(model.name, population.version):
                yield user, model.embed(population, posterior)

        found = self._runtime.index(self.scope.tenant, "users", space).search(
            load,
            rows.posterior_generation(model.name, population.version),
            model.embed(population, belief.posterior),
            count=count,
            exclude=[self.scope.user],
        )
        return tuple(Neighbour(user, similarity) for user, similarity in found)

    def export(self) -> dict[str, Any]:
        """Return everything that is kept about the person, as JSON values."""
        return self._rows.export()

    def import_(self, document: Mapping[str, Any]) -> int:
        """Import what `export` wrote, all of it or nothing, and return the number of rows written.

        Raises:
            InvalidInputError: It is no such document.
            ConflictError: A row of the same id is stored with other content.
        """
        return self._rows.restore(document)

    def forget(self) -> Receipt:
        """Erase the person from database, indexes and caches; the receipt lists what was erased."""
        mine = tuple(each.id for each in self.history())
        gone = self._rows.forget()
        self._runtime.forget_cached()
        vectors = self._runtime.erase_vectors(self.scope, mine)
        receipt = Receipt(
            tenant=self.scope.tenant,
            user=self.scope.user,
            erased_at=gone.erased_at,
            rows=dict(gone.rows),
            index_vectors=vectors,
            cached_embeddings=gone.cached_embeddings,
            refit=gone.stale,
        )
        content = json.dumps(asdict(receipt), sort_keys=True, default=str)
        return replace(receipt, sha256=hashlib.sha256(content.encode()).hexdigest())

    # Inside

    def _order(
        self,
        seed: int,
        candidates: int | None,
        max_tokens: int | None,
        temperature: float | None,
        personal: bool,
    ) -> Order:
        config = self._runtime.config
        count = config.candidates if candidates is None else candidates
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 256:
            raise InvalidInputError(f"candidates is {count!r}, expected 1 to 256")
        check_seed(seed)
        sampling = Sampling(
            temperature=config.temperature if temperature is None else temperature,
            top_p=config.top_p,
            max_tokens=config.max_tokens if max_tokens is None else max_tokens,
        )
        return Order(sampling, count, seed, personal)

    def _keep(self, messages: Conversation, spoken: Spoken) -> Reply:
        text = spoken.generation.candidates[0].text
        watch = Stopwatch()
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

    def _bank_features(self) -> Mapping[str, FloatArray]:
        texts = [Text(side, each.prompt) for each in question_bank() for side in (each.a, each.b)]
        features = self._runtime.features.get(
            self.scope.tenant, texts, progress=self._runtime.progress
        )
        return {text.key: row for text, row in zip(texts, features, strict=True)}

    def _tastes(self) -> tuple[Taste, ...]:
        texts = [Text(side, each.prompt) for each in question_bank() for side in (each.a, each.b)]
        features = self._runtime.features.find(self.scope.tenant, texts)
        belief = self._runtime.learner.belief(self.scope)
        if features is None or belief is None:
            return ()
        by_key = {text.key: row for text, row in zip(texts, features, strict=True)}
        return tastes(belief.model, belief.population, belief.posterior, by_key)


def check_seed(seed: object) -> None:
    """Raise unless a seed can start a generator of random numbers.

    Raises:
        InvalidInputError: It is no whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidInputError(f"seed is {seed!r}, expected a whole number of at least 0")


def prompt_text(prompt: str | Conversation) -> str:
    """Return a prompt as one text: the last user turn of a conversation.

    Raises:
        InvalidInputError: It is no conversation, or nobody asks anything in it.
    """
    if isinstance(prompt, str):
        return prompt
    check_conversation(prompt)
    asked = [message["content"] for message in prompt if message["role"] == "user"]
    if not asked:
        raise InvalidInputError("the conversation has no user turn, expected one that was answered")
    return asked[-1]


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


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInputError(f"{name} is {value!r}, expected a whole number of at least 1")


def _no_population() -> NoPopulationError:
    return NoPopulationError(
        "no population is published for this reward model and feature space",
        remedy="run `persona fit --default`, or engine.fit_default()",
    )
