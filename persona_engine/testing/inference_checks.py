"""Checks of a reward model's beliefs: the prior, what evidence does, and what it must not do."""

from __future__ import annotations

import numpy as np

from persona_engine.testing.kit import require, require_close
from persona_engine.testing.subjects import RewardModelSubject
from persona_engine.types import Evidence, FloatArray, Posterior, Score


def shapes_and_types(subject: RewardModelSubject) -> None:
    """Return float32 of the shapes that the interface names, and count the comparisons."""
    remedy = "return the shapes and dtypes that persona_engine.interfaces.RewardModel documents"
    model, population = subject.model, subject.population
    a, b = subject.probes
    people = [subject.prior, subject.posterior]
    width = len(subject.prior.mean)
    for posterior, evidence in zip(people, [subject.nothing, subject.evidence[0]], strict=True):
        shapes = (posterior.mean.shape, posterior.covariance.shape, posterior.count)
        expected = ((width,), (width, width), len(evidence))
        require(
            shapes == expected, f"mean, covariance, count: {shapes}, not {expected}", remedy=remedy
        )
        posterior.require(population)
        _require_psd(posterior)
    for rows in (0, 1, len(a)):
        scores = model.score(population, people, a[:rows])
        logits = model.logit(population, subject.posterior, a[:rows], b[:rows])
        _require_score(scores, (2, rows), "score", remedy)
        _require_score(logits, (rows,), "logit", remedy)
    embeddings = [model.embed(population, each) for each in people]
    require(
        embeddings[0].ndim == 1 and embeddings[0].shape == embeddings[1].shape,
        f"embeddings have the shapes {[each.shape for each in embeddings]}, expected one (k,)",
        remedy=remedy,
    )
    require(
        all(each.dtype == np.float32 for each in (*embeddings, subject.posterior.mean)),
        "embed or the posterior's mean is not float32",
        remedy=remedy,
    )


def prior_is_shared_and_finite(subject: RewardModelSubject) -> None:
    """Believe the same, finite things of every user who has not answered anything."""
    remedy = "let n = 0 give the population's prior, whoever asks and whatever came before"
    model, population = subject.model, subject.population
    among_others = model.infer_many(
        population, [subject.evidence[0], subject.nothing, subject.evidence[1], subject.nothing]
    )
    others = [
        model.infer(population, subject.nothing),
        subject.factory().infer(population, subject.nothing),
        model.update(population, subject.prior, subject.nothing),
        among_others[1],
        among_others[3],
    ]
    first = subject.logits(subject.prior)
    require(_finite(subject.prior, first), "the prior has NaN or infinity", remedy=remedy)
    for other in others:
        require_close(other.mean, subject.prior.mean, "two priors' means", remedy=remedy)
        require_close(other.covariance, subject.prior.covariance, "their spreads", remedy=remedy)
        require_close(subject.logits(other).mean, first.mean, "their logits", remedy=remedy)


def inference_is_repeatable(subject: RewardModelSubject) -> None:
    """Give equal results for equal arguments, also in another instance and after other calls."""
    remedy = "draw nothing at random in infer, and keep nothing on the instance between calls"
    before = subject.model.infer(subject.population, subject.evidence[0])
    for other in subject.evidence[1:4]:
        subject.model.infer(subject.population, other)
    for model in (subject.model, subject.factory()):
        again = model.infer(subject.population, subject.evidence[0])
        require_close(again.mean, before.mean, "mean when asked again", remedy=remedy)
        require_close(again.covariance, before.covariance, "spread when asked again", remedy=remedy)
        subject.require_same_logits(again, before, "logits when asked again", remedy=remedy)


def order_is_irrelevant(subject: RewardModelSubject) -> None:
    """Infer the same from the same comparisons in another order."""
    remedy = "let infer depend on the set of comparisons only"
    evidence = subject.evidence[0]
    forward = subject.model.infer(subject.population, evidence)
    rng = np.random.default_rng(0)
    orders = [np.arange(len(evidence))[::-1], rng.permutation(len(evidence))]
    for order in orders:
        other = subject.model.infer(subject.population, evidence.take(order))
        require_close(
            other.mean, forward.mean, "mean in another order", remedy=remedy, tolerance=1e-3
        )
        subject.require_same_logits(
            other, forward, "logits in another order", remedy=remedy, tolerance=1e-3
        )


def update_agrees_with_infer(subject: RewardModelSubject) -> None:
    """Update to what infer gives on all comparisons together, where the method is exact."""
    if not subject.model.exact_update:
        return
    remedy = "make update exact, or declare exact_update = False on the class"
    at_once = subject.posterior
    for size in (1, 7):
        stepwise = _in_steps(subject, subject.evidence[0], size)
        require(
            stepwise.count == at_once.count,
            f"count is {stepwise.count} after updates, expected {at_once.count}",
            remedy=remedy,
        )
        subject.require_same_logits(
            stepwise, at_once, f"logits, {size} at a time", remedy=remedy, tolerance=1e-2
        )


def update_keeps_what_was_learned(subject: RewardModelSubject) -> None:
    """Still know the old comparisons after an update with new ones."""
    remedy = "start update from the posterior that it is given"
    evidence = subject.evidence[0]
    newest = subject.model.infer(subject.population, evidence.take([len(evidence) - 1]))
    stepwise = _in_steps(subject, evidence, len(evidence) - 1)
    target = subject.logits(subject.posterior).mean
    forgetful = np.abs(subject.logits(newest).mean - target).max()
    gap = np.abs(subject.logits(stepwise).mean - target).max()
    require(
        gap <= max(0.5 * forgetful, 1e-3),
        f"after an update the logits are {gap:.3g} from those of all comparisons together, "
        f"those of the newest comparison alone {forgetful:.3g}",
        remedy=remedy,
    )


def spread_does_not_grow(subject: RewardModelSubject) -> None:
    """Get no less sure by seeing one consistent answer again and again."""
    remedy = "each comparison adds precision to the posterior; check its sign and scale"
    a, b = subject.probes
    judged = slice(1, 2) if subject.model.multimodal else slice(0, 2)  # the mean alone, or both
    expected = subject.logits(subject.prior).mean[0] >= 0
    chosen, rejected = (a[:1], b[:1]) if expected else (b[:1], a[:1])
    before = _spreads(subject, subject.prior)
    for repeats in (1, 2, 4, 8, 16):
        evidence = Evidence(np.repeat(chosen, repeats, 0), np.repeat(rejected, repeats, 0))
        after = _spreads(subject, subject.model.infer(subject.population, evidence))
        require(
            bool(np.all((after <= before * 1.01 + 1e-5)[judged])),
            f"after {repeats} equal answers the spread of that pair and the mean spread of others "
            f"are {after}, before they were {before}",
            remedy=remedy,
        )
        before = after


def evidence_narrows_the_spread(subject: RewardModelSubject) -> None:
    """Be unsure of a stranger, and surer of who has answered (personal methods)."""
    if not subject.is_personal:
        return
    stranger, known = (_spreads(subject, each)[1] for each in (subject.prior, subject.posterior))
    require(
        stranger > 0 and known < 0.95 * stranger,
        f"the mean spread is {stranger:.3g} for a stranger, {known:.3g} after "
        f"{subject.posterior.count} answers",
        remedy="return the posterior's own covariance, or declare personal = False on the class",
    )


def zero_weight_is_no_evidence(subject: RewardModelSubject) -> None:
    """Learn nothing from comparisons of weight 0."""
    evidence = subject.evidence[0]
    weightless = Evidence(evidence.chosen, evidence.rejected, np.zeros_like(evidence.weight))
    silent = subject.model.infer(subject.population, weightless)
    subject.require_same_logits(
        silent,
        subject.prior,
        "logits after weightless evidence",
        remedy="multiply each comparison's log-likelihood by its weight",
        tolerance=1e-3,
    )


def strange_evidence_is_survived(subject: RewardModelSubject) -> None:
    """Stay finite on contradictory, duplicate, empty-difference and enormous comparisons."""
    a, b = subject.probes
    both = np.concatenate([a[:4], b[:4]] * 5), np.concatenate([b[:4], a[:4]] * 5)
    cases = {
        "contradictory": Evidence(*both),
        "duplicate": Evidence(np.repeat(a[:1], 200, 0), np.repeat(b[:1], 200, 0)),
        "identical replies": Evidence(a[:3], a[:3]),
        "enormous features": Evidence(a[:3] * 1e4, b[:3] * 1e4),
        "enormous weights": Evidence(a[:3], b[:3], np.full(3, 1e4, np.float32)),
        "tiny weights": Evidence(a[:3], b[:3], np.full(3, 1e-12, np.float32)),
    }
    for name, evidence in cases.items():
        posterior = subject.model.infer(subject.population, evidence)
        require(
            _finite(posterior, subject.logits(posterior)),
            f"{name} comparisons give NaN or infinity",
            remedy="work in float64 inside, damp Newton steps, and add no log of zero",
        )


def _in_steps(subject: RewardModelSubject, evidence: Evidence, size: int) -> Posterior:
    """Return the posterior after updates with so many comparisons at a time."""
    posterior = subject.prior
    for start in range(0, len(evidence), size):
        rows = np.arange(start, min(start + size, len(evidence)))
        posterior = subject.model.update(subject.population, posterior, evidence.take(rows))
    return posterior


def _spreads(subject: RewardModelSubject, posterior: Posterior) -> FloatArray:
    std = subject.logits(posterior).std
    return np.asarray([std[0], std.mean()], np.float32)


def _finite(posterior: Posterior, score: Score) -> bool:
    arrays = (posterior.mean, posterior.covariance, score.mean, score.std)
    return all(bool(np.isfinite(each).all()) for each in arrays)


def _require_psd(posterior: Posterior) -> None:
    remedy = "symmetrise the covariance and keep its eigenvalues from going below zero"
    matrix = posterior.covariance.astype(np.float64)
    require_close(matrix, matrix.T, "covariance and its transpose", remedy=remedy)
    if len(matrix):
        lowest = float(np.linalg.eigvalsh(matrix).min())
        floor = -1e-4 * max(1.0, float(np.abs(matrix).max()))
        require(lowest >= floor, f"the covariance has the eigenvalue {lowest:.3g}", remedy=remedy)


def _require_score(score: Score, shape: tuple[int, ...], what: str, remedy: str) -> None:
    shapes = (score.mean.shape, score.std.shape)
    types = {str(score.mean.dtype), str(score.std.dtype)}
    require(shapes == (shape, shape), f"{what} has the shapes {shapes}, not {shape}", remedy=remedy)
    require(types == {"float32"}, f"{what} has the dtypes {sorted(types)}", remedy=remedy)
    require(bool((score.std >= 0).all()), f"{what} has a negative spread", remedy=remedy)
