"""Getting to know a person: which comparisons to show them, from which pool."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from persona_engine.belief import Belief
from persona_engine.errors import InvalidInputError
from persona_engine.features import Text, check_response
from persona_engine.onboarding import (
    LEAST_GAIN,
    OWN,
    PATIENCE,
    QUESTIONS,
    Criterion,
    Interview,
    Material,
    Plan,
    Pool,
    answered,
    draw_replies,
    most_telling,
    questions_of,
)
from persona_engine.types import Conversation, FloatArray, Neighbour, Question, Sampling
from persona_engine.user.scoped import (
    ScopedToUser,
    by_key,
    check_count,
    check_seed,
    no_population,
    prompt_text,
)

_LATEST = 8  # requests that pairs are generated on


class Onboarding(ScopedToUser):
    """Asks a person what teaches most about them."""

    def onboard(
        self,
        *,
        questions: int | None = None,
        until: float | None = None,
        pool: Pool = "bank",
        criterion: Criterion = "bald",
        least_gain: float = LEAST_GAIN,
        skipped: Sequence[str] = (),
    ) -> Interview:
        """Return the comparisons that teach most about this person, each knowing earlier answers.

        Answer with `prefer`: ``"a"``, ``"b"``, ``"no difference"`` or ``"skip"``. What was answered
        once is never asked again, what was skipped not in this sitting. It ends early when nothing
        more is to be learned.

        Args:
            questions: How many to ask at most; 4 unless told, 32 where only ``until`` is given.
            until: Ask until the engine expects to be right about so large a share of the pool's
                answers, such as 0.7.
            pool: ``"bank"``; a list of your own questions, as `Question` or as mappings with
                ``prompt``, ``a`` and ``b``; or ``"prompts"`` for pairs that the engine's generator
                writes on the person's latest requests (see `pairs`).
            criterion: ``bald``, the information expected on the joint posterior; ``d_optimal``,
                the volume that the posterior loses; or ``pref``, the criterion of PReF.
            least_gain: End when no answer is expected to say more about the person, in nats.
            skipped: Ids of questions that are not to be asked, such as those that were skipped
                where a sitting is spread over several calls.

        Returns:
            Iterate over it. Its ``confidence``, ``gain`` and ``ended`` say how far it is.

        Raises:
            InvalidInputError: A value is out of range, or the pool holds what is no question.
            NoPopulationError: While iterating: there is no population to choose by.
        """
        if questions is not None:
            check_count("questions", questions)
        if questions is None:
            questions = QUESTIONS if until is None else PATIENCE
        plan = Plan(questions, until, criterion, least_gain)
        known = () if isinstance(pool, str) and pool == "prompts" else questions_of(pool)
        seed = hashlib.sha256(f"{self.scope.tenant}\0{self.scope.user}".encode()).digest()
        return Interview(
            self._belief,
            lambda: self._material(known or self.pairs()),
            plan,
            np.random.default_rng(list(seed)),
            skipped=skipped,
        )

    def cold_start(
        self, *, locale: str | None = None, traits: str | None = None
    ) -> tuple[Neighbour, ...]:
        """Say what the host knows of the person, so that they need not start from nothing.

        People whose description is near and who have answered count, together, as a few answers of
        this person would, until there are sixteen own ones. As how many, the tenant's users decide:
        those whose answers their neighbours foretell. Where there are no such neighbours, or they
        do not help, the plain prior holds. What is said stays until it is said anew, and is
        exported and forgotten with the rest.

        Args:
            locale: Such as ``"de-AT"``; ``""`` takes it back, None leaves it as it is.
            traits: In words, such as ``"nurse, night shifts, hates small talk"``; likewise.

        Returns:
            Whose answers are presumed to be like theirs, nearest first; empty for the plain prior.

        Raises:
            InvalidInputError: A text cannot be stored.
        """
        given = {"locale": locale, "traits": traits}
        self._rows.describe({name: text for name, text in given.items() if text is not None})
        population = self._runtime.learner.population(self.scope.tenant)
        if population is None:
            return ()
        found = self._runtime.cold_start.presumed(self.scope, population)
        return () if found is None else found.neighbours

    def pairs(
        self,
        prompts: Sequence[str | Conversation] | None = None,
        *,
        candidates: int = 8,
        max_tokens: int | None = None,
        seed: int = 0,
    ) -> tuple[Question, ...]:
        """Return a question on each of the person's own requests, to pass to `onboard` as a pool.

        The engine's generator draws several replies to each, plain and under opposite wishes of
        style, and the two are kept whose comparison teaches most about this person. They are kept
        in memory only, until one is answered.

        Args:
            prompts: The requests; those of the latest eight replies if omitted.
            candidates: Replies to draw for each.
            max_tokens: Longest reply; the configured length if omitted.
            seed: Decides every draw.

        Returns:
            Fewer than prompts where all replies to one are equal.

        Raises:
            InvalidInputError: There is no request, one is blank, or a number is out of range.
            ConfigError: The engine was set up without a generator.
            NoPopulationError: There is no population to choose by.
        """
        check_count("candidates", candidates)
        check_seed(seed)
        asked = self._requests(prompts)
        config = self._runtime.config
        longest = config.max_tokens if max_tokens is None else max_tokens
        sampling = Sampling(temperature=config.temperature, top_p=config.top_p, max_tokens=longest)
        generator, belief = self._runtime.generator, self._belief()
        found = []
        for done, prompt in enumerate(asked):
            self._runtime.progress("writing pairs of replies", done, len(asked))
            texts = draw_replies(
                generator, prompt, count=candidates, sampling=sampling, seed=seed + done
            )
            found.append(most_telling(belief, prompt, texts, self._encoder(prompt), seed=seed))
        self._runtime.progress("writing pairs of replies", len(asked), len(asked))
        return tuple(each for each in found if each is not None)

    def _requests(self, prompts: Sequence[str | Conversation] | None) -> list[str]:
        if isinstance(prompts, str):
            raise InvalidInputError(f"prompts is {prompts!r}, expected a list of requests")
        given = self._rows.prompts(_LATEST) if prompts is None else prompts
        asked = list(dict.fromkeys(prompt_text(each) for each in given))
        if not asked:
            raise InvalidInputError(
                f"{self.scope.user!r} has made no request yet, expected one to write replies to",
                remedy="pass prompts, or ask from the bank",
            )
        for each in asked:
            check_response(each)
        return asked

    def _encoder(self, prompt: str) -> Callable[[Sequence[str]], FloatArray]:
        def encode(texts: Sequence[str]) -> FloatArray:
            rows = [Text(each, prompt) for each in texts]
            return self._runtime.features.get(self.scope.tenant, rows, keep=False)

        return encode

    def _belief(self) -> Belief:
        belief = self._runtime.learner.belief(self.scope)
        if belief is None:
            raise no_population()
        return belief

    def _material(self, pool: Sequence[Question]) -> Material:
        comparisons = self._rows.comparisons()
        done = answered(pool, comparisons)
        features: dict[str, FloatArray] = {}
        for private in (False, True):
            texts = [
                Text(side, each.prompt)
                for each in pool
                for side in (each.a, each.b)
                if each.id.startswith(OWN) == private
            ]
            if texts:
                # What a person asked is kept with their answer only, where forgetting finds it.
                rows = self._runtime.features.get(
                    self.scope.tenant,
                    texts,
                    keep=not private,
                    progress=self._runtime.progress,
                )
                features.update(by_key(texts, rows))
        return Material(pool, features, frozenset(done))
