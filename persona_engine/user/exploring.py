"""Choosing among the host's candidates so that the choice teaches, and predicting preferences."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import numpy as np

from persona_engine.candidates import Judged, check_candidates
from persona_engine.conversation import as_conversation
from persona_engine.errors import InvalidInputError
from persona_engine.exploring import check_policy, propensities, relative_rewards
from persona_engine.features import Text
from persona_engine.interfaces import Reward, TextReward
from persona_engine.traces import trace_to_json
from persona_engine.trust import predicted
from persona_engine.types import (
    Candidate,
    Choice,
    Conversation,
    ExplorationPolicy,
    Explored,
    Prediction,
    Score,
    Trace,
)
from persona_engine.user.scoped import ScopedToUser, check_seed


class Exploring(ScopedToUser):
    """Choices that teach, and predictions that abstain."""

    def choose(
        self,
        prompt: str | Conversation,
        candidates: Sequence[str],
        *,
        explore: ExplorationPolicy = "thompson",
        epsilon: float = 0.05,
        optimism: float = 1.0,
        seed: int = 0,
    ) -> Choice:
        """Draw one of the host's candidates to show, and keep with what probability it was drawn.

        Give `feedback` by the choice's id: it is learned from as feedback on any reply, and joined
        to the propensities, so that `PersonaEngine.replay` can tell what another policy would have
        earned. The person's taste and the instructions that apply decide as in `rank`.

        Args:
            prompt: What the candidates answer.
            candidates: The replies, the host's own choice first.
            explore: ``thompson`` shows each as often as it is the best under the posterior, ``ucb``
                the one that could be best, ``greedy`` the one expected to be best, ``uniform`` any.
            epsilon: Share of the probability that is spread evenly; with 0 a policy may give some
                candidates none, and nothing is learned of them.
            optimism: Standard deviations that ``ucb`` adds to each expected reward.
            seed: Decides the draw; give every choice another one.

        Raises:
            InvalidInputError: There are no candidates, one is blank, or a setting is out of range.
        """
        check_policy(explore, epsilon=epsilon, optimism=optimism)
        check_seed(seed)
        judged = self._runtime.personalizer.judge(self.scope, prompt, candidates)
        rewards = (
            Score(np.zeros(len(candidates), np.float32), np.eye(len(candidates), dtype=np.float32))
            if judged.reward is None
            else relative_rewards(judged.features, judged.reward)
        )
        shares = propensities(rewards, explore, epsilon=epsilon, optimism=optimism, seed=seed)
        position = int(np.random.default_rng([seed, 1]).choice(len(candidates), p=shares))
        explored = Explored(explore, tuple(shares.tolist()), position, epsilon, optimism, seed)
        trace = _trace(judged, rewards, explored, candidates)
        choice_id = uuid.uuid4().hex
        self._rows.save_reply(
            choice_id,
            prompt=as_conversation(prompt),
            text=candidates[position],
            candidates=list(candidates),
            trace=trace_to_json(trace),
        )
        return Choice(
            choice_id,
            candidates[position],
            position,
            float(shares[position]),
            explored.propensities,
            trace,
        )

    def prefers(
        self, prompt: str | Conversation, a: str, b: str, *, error: float = 0.1
    ) -> Prediction:
        """Predict which of two replies the person would prefer, or abstain.

        Of the predictions that are given at most a share of ``error`` is wrong, on average over
        people, where the population was fitted to your users (`persona fit`): from what confidence
        on to answer was then learned on people held out, for as many answers as this person has
        given. Otherwise the model's own probability decides, and nothing is promised beyond it.

        Args:
            prompt: What the replies answer.
            a: One reply.
            b: The other.
            error: Largest share of wrong answers, above 0 and below ½.

        Raises:
            InvalidInputError: A reply is blank, or ``error`` is out of range.
        """
        check_candidates(prompt, [a, b])
        number = isinstance(error, int | float) and not isinstance(error, bool)
        if not number or not 0.0 < error < 0.5:
            raise InvalidInputError(f"error is {error!r}, expected a number above 0 and below 0.5")
        belief = self._runtime.learner.belief(self.scope, prompt=prompt)
        if belief is None:
            reason = "no population is published for this feature space"
            return Prediction(None, 0.5, None, calibrated=False, reason=reason)
        texts = [Text(each, prompt) for each in (a, b)]
        features = self._runtime.features.get(self.scope.tenant, texts, keep=False)
        reward: Reward = belief
        if isinstance(belief, TextReward):
            features, reward = belief.of_texts((a, b), features)
        score = reward.logit(features[:1], features[1:])
        return predicted(score, belief.posterior.count, belief.population.meta, error=error)


def _trace(judged: Judged, rewards: Score, explored: Explored, candidates: Sequence[str]) -> Trace:
    """Return why a candidate was drawn; the candidates stand as they were given."""
    spreads = np.sqrt(np.maximum(np.diag(rewards.std), 0.0))
    belief = judged.belief
    return Trace(
        personalized=judged.personalized,
        reason=f"drawn by {explored.policy}; {judged.reason}",
        instructions=judged.decisions,
        candidates=tuple(
            Candidate(text, float(rewards.mean[i]), float(spreads[i]), tokens=0)
            for i, text in enumerate(candidates)
        ),
        reward_model=None if belief is None else belief.model.name,
        population=None if belief is None else belief.population.version,
        exploration=explored,
    )
