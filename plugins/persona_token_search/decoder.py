"""The decoder: look ahead at the plausible tokens, take the one that is worth most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from persona_engine.decoding import (
    Objective,
    Outlet,
    PrefixValue,
    begin,
    check_setting,
    conclude,
    load_prefix_value,
)
from persona_engine.interfaces import Generator, Reward
from persona_engine.types import DecodingRequest, Generation
from persona_token_search.choice import How
from persona_token_search.walk import Rules, Walk


class TokenSearch:
    """Alignment as reward-guided search, ARGS (Khanov et al. 2024, arXiv 2402.01694).

    Of the k likeliest tokens v that have at least a share of the likeliest one's probability, one
    is drawn by

        q(v) ∝ p(v | x, y) · exp( ω · |y⁺| / w · ( E[r(φ(x, y⁺))] − c · sd[r(φ(x, y⁺))] ) )

    at the request's temperature, or the best one is taken. y⁺ is y with v and what will follow: a
    prefix value head (`persona_engine.decoding.PrefixValue`, as CD-FUDGE, Mudgal et al. 2024, arXiv
    2310.17022) reads in v's own hidden state what the rest of the reply will be like. Without it,
    in a feature space that has none, tokens are judged for themselves, as in ARGS. r is the reward
    of a mean over tokens, which one token moves by 1 / |y|; times |y| it is what this token adds to
    the sum, so that w weighs alike from the first token to the last. It is ascent of |y| · J(y), J
    being `persona_engine.decoding.Objective` and w its ``likelihood``; ARGS' own weight is 1 / w.
    ω is 1, or as much less as keeps KL(q ‖ p) within a trust region. Ending the reply changes
    neither features nor reward.

    All k are read in one forward, on the hidden states that decoding computes anyway, and the one
    that is taken is not read again. Where one token is plausible, nothing is looked ahead at. The
    plain sample grows beside the searched replies in the same forward; it is shown when the reward
    cannot tell them apart. Of n candidates n − 1 are searched, each with draws of its own; the
    reply is the one that is worth most as a whole, with a weight on its likelihood that is greater
    than w: bold words make replies that differ, and among these choosing likely ones costs nothing.

    Use it where steering should be strongest for about the cost of one reply: it moves every token,
    while `best_of_n` chooses among what the model says anyway. It trusts the reward in mid-sentence
    and pays in likelihood; raise ``likelihood`` for text nearer to the model's own, and use
    `blockwise` where the reward is about the whole.

    Args:
        k: Most tokens to look ahead at.
        plausible: Least probability of a token as a share of the likeliest one's.
        choice: A token drawn from q, or its best one, with which equal prompts get equal replies.
        likelihood: w, log-odds of being preferred that one nat per token is worth to a token's
            choice; above 0.
        reply_likelihood: The same to the choice among finished replies.
        caution: c, standard deviations of the reward taken off.
        most_kl: Largest KL(q ‖ p) at one token, in nats.
        foresee: Whether the head is used where there is one.
        min_confidence: Least probability that the searched reply is preferred to the plain sample.

    Raises:
        ConfigError: A setting is out of range.
    """

    name = "token_search"

    def __init__(
        self,
        *,
        k: int = 10,
        plausible: float = 0.1,
        choice: How = "sampled",
        likelihood: float = 0.4,
        reply_likelihood: float = 1.5,
        caution: float = 0.0,
        most_kl: float = 1.5,
        foresee: bool = True,
        min_confidence: float = 0.55,
    ) -> None:
        check_setting("k", k, 2 <= k <= 256, "2 to 256")
        check_setting("plausible", plausible, 0.0 <= plausible < 1.0, "0 to below 1")
        check_setting("choice", choice, choice in ("sampled", "best"), "'sampled' or 'best'")
        check_setting("min_confidence", min_confidence, 0.5 <= min_confidence <= 1.0, "0.5 to 1")
        check_setting("most_kl", most_kl, 0.0 < most_kl <= 100.0, "above 0, at most 100")
        check_setting("foresee", foresee, isinstance(foresee, bool), "true or false")
        objective = Objective(caution=caution, likelihood=likelihood)
        check_setting("likelihood", likelihood, likelihood > 0.0, "above 0")
        self._whole = Objective(caution=caution, likelihood=reply_likelihood)
        self._rules = Rules(k, plausible, choice, objective, most_kl)
        self._foresee = foresee
        self._min_confidence = min_confidence

    def generate(
        self,
        request: DecodingRequest,
        generator: Generator,
        reward: Reward | None,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Return the searched replies and the plain one, best first; see `Decoder`.

        One branch runs, plainly, without a reward, at temperature 0, and where one candidate is
        asked for.

        Raises:
            InvalidInputError: ``candidates`` is below 1, or the conversation cannot be read.
            GenerationError: The language model failed.
            PluginError: The reward is not finite.
        """
        branches, sampling = begin(request, generator, reward, length_spread=0.0)
        outlet = Outlet(on_text, early=request.mend is None)
        walk = None
        if reward is not None and branches.size > 1:
            head = self._head(generator)
            walk = Walk(branches, sampling, reward, rules=self._rules, head=head, request=request)
        while True:
            result = branches.step(sampling) if walk is None else walk.step()
            outlet.settle_shared(result.texts)
            if all(result.finished):
                break
        generation = conclude(
            result.texts,
            branches,
            reward,
            min_confidence=self._min_confidence,
            request=request,
            generator=generator,
            objective=self._whole,
        )
        outlet.settle(generation.candidates[0].text)
        if walk is None:
            return generation
        return replace(generation, reason=walk.explain(generation.reason))

    def _head(self, generator: Generator) -> PrefixValue | None:
        if not self._foresee:
            return None
        return load_prefix_value(generator.feature_encoder.fingerprint)
