"""Checks of what a reward model says of replies: consistent, and right on planted preferences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from persona_engine.errors import FingerprintMismatchError
from persona_engine.testing.kit import CheckFailedError, require, require_close
from persona_engine.testing.planted import Planted
from persona_engine.testing.subjects import RewardModelSubject
from persona_engine.types import Population, Posterior


def logit_is_antisymmetric(subject: RewardModelSubject) -> None:
    """Prefer b to a exactly as much as a is dispreferred to b."""
    remedy = "compute logit(a, b) from the difference of the two rewards"
    a, b = subject.probes
    for posterior in (subject.prior, subject.posterior):
        forward = subject.model.logit(subject.population, posterior, a, b)
        backward = subject.model.logit(subject.population, posterior, b, a)
        require_close(forward.mean, -backward.mean, "logit(a, b) and -logit(b, a)", remedy=remedy)
        require_close(forward.std, backward.std, "their spreads", remedy=remedy)


def a_reply_ties_with_itself(subject: RewardModelSubject) -> None:
    """Have no preference, and no doubt, between a reply and itself."""
    remedy = "take the spread of the difference under the joint posterior: what is shared cancels"
    a, _ = subject.probes
    tie = subject.model.logit(subject.population, subject.posterior, a, a)
    scale = 1e-3 * max(1.0, float(subject.logits(subject.posterior).std.max()))
    require_close(tie.mean, np.zeros(len(a)), "logit(a, a)", remedy=remedy)
    require(
        float(tie.std.max()) <= scale, f"its spread is {tie.std.max():.3g}, not 0", remedy=remedy
    )


def logits_agree_with_logit(subject: RewardModelSubject) -> None:
    """Give each of several users the log-odds that logit gives them alone."""
    a, b = subject.probes
    users = (subject.posterior, subject.prior)
    together = subject.model.logits(subject.population, users, a, b)
    for row, posterior in enumerate(users):
        alone = subject.model.logit(subject.population, posterior, a, b)
        for name in ("mean", "std"):
            require_close(
                getattr(together, name)[row],
                getattr(alone, name),
                f"{name} of logits and of logit",
                remedy="let logits have a row for each posterior, in their order",
                tolerance=1e-4,
            )


def score_agrees_with_logit(subject: RewardModelSubject) -> None:
    """Differ in score by the logit of the pair (pairwise methods: order as the mean logits do)."""
    model, (a, b) = subject.model, subject.probes
    for population in (subject.population, subject.agreed_population):
        for evidence in (subject.nothing, subject.evidence[0]):
            posterior = model.infer(population, evidence)
            if model.pairwise:
                _require_order_of_mean_logits(subject, population, posterior)
                continue
            scores = [model.score(population, [posterior], each).mean[0] for each in (a, b)]
            require_close(
                scores[0] - scores[1],
                model.logit(population, posterior, a, b).mean,
                "score(a) - score(b) and logit(a, b)",
                remedy="let logit be the difference of the two scores",
                tolerance=1e-3,
            )


def _require_order_of_mean_logits(
    subject: RewardModelSubject, population: Population, posterior: Posterior
) -> None:
    """Raise unless scores of the probes agree with their mean logits over other probes."""
    model, (a, b) = subject.model, subject.probes
    score = model.score(population, [posterior], a).mean[0]
    beside = np.stack(
        [model.logit(population, posterior, each.repeat(len(b), 0), b).mean for each in a[:, None]]
    ).mean(1)
    spread = float(score.std() * beside.std())
    agreement = float(((score - score.mean()) * (beside - beside.mean())).mean()) / max(
        spread, 1e-12
    )
    require(
        agreement >= 0.8,
        f"scores and mean logits over other responses correlate by {agreement:.2f}, not 0.8",
        remedy="let the score of a response be its mean logit over the population's responses",
    )


def shared_preference_is_found(subject: RewardModelSubject) -> None:
    """Predict users never seen, without any answer of theirs, when all users want much the same."""
    planted, population = subject.agreed, subject.agreed_population
    stranger = subject.model.infer(population, subject.nothing)
    right = [
        subject.model.logit(population, stranger, each.chosen, each.rejected).mean > 0
        for each in planted.query
    ]
    _require_accuracy(float(np.mean(right)), planted, floor=0.75)


def personal_preference_is_found(subject: RewardModelSubject) -> None:
    """Predict users never seen from a few answers, when tastes are opposed (personal methods)."""
    if not subject.is_personal:
        return
    planted = subject.opposed
    people = subject.model.infer_many(subject.population, planted.support)
    right = [
        subject.model.logit(subject.population, person, each.chosen, each.rejected).mean > 0
        for person, each in zip(people, planted.query, strict=True)
    ]
    _require_accuracy(float(np.mean(right)), planted, floor=0.65)


def neighbours_want_alike(subject: RewardModelSubject) -> None:
    """Place users with like tastes nearer than users with opposite ones (personal methods)."""
    if not subject.is_personal:
        return
    tastes = subject.opposed.tastes
    people = subject.model.infer_many(subject.population, subject.opposed.support)
    embeddings = np.stack([subject.model.embed(subject.population, each) for each in people])
    upper = np.triu_indices(len(people), 1)
    distance = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)[upper]
    unlike = np.linalg.norm(tastes[:, None] - tastes[None], axis=2)[upper]
    agreement = 0.0 if distance.std() == 0 else float(np.corrcoef(distance, unlike)[0, 1])
    require(
        agreement >= 0.3,
        f"the distance of embeddings and that of tastes correlate by {agreement:.2f}, not 0.3",
        remedy="embed the posterior mean in coordinates where distance means disagreement",
    )


def foreign_posteriors_are_refused(subject: RewardModelSubject) -> None:
    """Raise FingerprintMismatchError for a posterior of another population."""
    a, b = subject.probes
    mine = subject.posterior
    foreign = Posterior(
        mine.reward_model,
        "another",
        mine.fingerprint,
        mine.mean,
        mine.covariance,
        mine.count,
        mine.state,
    )
    model, population = subject.model, subject.population
    calls = {
        "score": lambda: model.score(population, [mine, foreign], a),
        "logit": lambda: model.logit(population, foreign, a, b),
        "update": lambda: model.update(population, foreign, subject.evidence[0]),
        "embed": lambda: model.embed(population, foreign),
    }
    for name, call in calls.items():
        _require_refusal(name, call)


def _require_refusal(name: str, call: Callable[[], object]) -> None:
    remedy = f"call posterior.require(population) first in {name}"
    try:
        call()
    except FingerprintMismatchError:
        return
    except Exception as error:
        raise CheckFailedError(
            f"{name} raises {type(error).__name__}: {error}", remedy=remedy
        ) from error
    raise CheckFailedError(f"{name} mixes a posterior with a population not its own", remedy=remedy)


def _require_accuracy(accuracy: float, planted: Planted, *, floor: float) -> None:
    best = np.mean(
        [
            (each.chosen - each.rejected) @ taste > 0
            for each, taste in zip(planted.query, planted.tastes, strict=True)
        ]
    )
    require(
        accuracy >= floor,
        f"it is right on {accuracy:.2f} of the comparisons, expected {floor} at least; knowing the "
        f"tastes gives {best:.2f}, chance 0.50",
        remedy="check the sign of chosen - rejected, and that infer reads the evidence",
    )
