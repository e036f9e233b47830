"""Fits one reward model on a split and takes down what it predicts."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from persona_engine.errors import PluginError
from persona_engine.evaluation.dataset import NO_GROUP, Comparisons, Doubles
from persona_engine.evaluation.features import Features
from persona_engine.evaluation.metrics import (
    BINS,
    calibration_bins,
    negative_log_likelihood,
    predicted,
)
from persona_engine.evaluation.splits import Case, Split, Trial
from persona_engine.interfaces import AsksLanguageModel, Progress, RewardModel, given, no_progress
from persona_engine.types import (
    AttributePairs,
    Context,
    Evidence,
    IntArray,
    LogLikelihood,
    Population,
    Posterior,
    PreferenceData,
    Score,
)

_TIMED_USERS = 15
_TIMED_MS = 2_000.0


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came out at one number of shots; one entry for each person.

    Args:
        shots: Comparisons that were evidence, None for all.
        accuracy: Share of each person's queries that were predicted.
        nll: Mean negative log-likelihood of each person's queries.
        queries: Number of each person's queries.
        support: Number of comparisons that each person's taste was inferred from.
        groups: By group, the accuracy of each person on the queries of that group.
        bins: Reliability bins, ``(10, 3)``; each person weighs 1, or as many as their queries where
            all their comparisons are evidence.
        adapt_ms: Median CPU milliseconds to infer one person.
    """

    shots: int | None
    accuracy: tuple[float, ...]
    nll: tuple[float, ...]
    queries: tuple[int, ...]
    support: tuple[int, ...]
    groups: Mapping[str, Sequence[float]]
    bins: tuple[tuple[float, ...], ...]
    adapt_ms: float


@dataclass(frozen=True, slots=True)
class CellResult:
    """What one fit came to.

    Args:
        fit_s: Seconds that the fit took.
        fitted: Comparisons that it learned from.
        trials: One result for each number of shots.
    """

    fit_s: float
    fitted: int
    trials: tuple[TrialResult, ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return what `document` wrote.

        Raises:
            KeyError: It is something else.
            TypeError: It is something else.
        """
        trials = tuple(TrialResult(**trial) for trial in document["trials"])
        return cls(float(document["fit_s"]), int(document["fitted"]), trials)


@dataclass(frozen=True, slots=True)
class Aids:
    """What some methods need besides people's comparisons.

    Args:
        attributes: Returns labelled pairs of named attributes, for methods that read them.
        log_likelihood: Returns a language model's log-probability of responses, for methods that
            ask for it.
    """

    attributes: Callable[[], tuple[AttributePairs, ...]] = tuple
    log_likelihood: LogLikelihood | None = None

    def given_to(self, model: RewardModel) -> RewardModel:
        """Return a model that may ask the language model, if it wants to."""
        if self.log_likelihood is None or not isinstance(model, AsksLanguageModel):
            return model
        return model.asking(self.log_likelihood)

    def data(self, data: PreferenceData, model: RewardModel) -> PreferenceData:
        """Return what a model learns from, with attributes if it reads them."""
        if "attributes" not in model.reads:
            return data
        return replace(data, attributes=self.attributes())


@dataclass(frozen=True, slots=True)
class Material:
    """What reward models are judged on.

    Args:
        rows: Comparisons.
        features: Features of the items that they are about.
        groups: Names of groups.
        aids: What some methods need besides.
    """

    rows: Comparisons
    features: Features
    groups: Sequence[str]
    aids: Aids

    def evidence(self, rows: IntArray, reads: Collection[str]) -> Evidence:
        """Return the comparisons of one person."""
        return self.features.evidence(self.rows.take(rows), reads)

    def sides(self, rows: IntArray) -> tuple[Comparisons, Doubles]:
        """Return queries ``(n,)`` with every other one turned round, and 1 or -1 for each.

        What is preferred must not always stand first: a model would be right by believing that.
        """
        asked = self.rows.take(rows)
        turned = np.arange(len(rows)) % 2 == 1
        first = np.where(turned, asked.rejected, asked.chosen)
        second = np.where(turned, asked.chosen, asked.rejected)
        return replace(asked, chosen=first, rejected=second), np.where(turned, -1.0, 1.0)


def judge(
    model: RewardModel,
    material: Material,
    split: Split,
    *,
    seed: int,
    progress: Progress = no_progress,
) -> CellResult:
    """Fit a reward model and predict every trial of a split.

    Args:
        model: What is judged.
        material: What the split's rows index.
        split: Who is fitted on and who is predicted.
        seed: Of the fit.
        progress: Told of the fit.
    """
    model = material.aids.given_to(model)
    data = material.features.preferences(material.rows.take(split.fit), model.reads)
    data = material.aids.data(data, model)
    started = time.perf_counter()
    population = model.fit(data, rng=np.random.default_rng(seed), progress=progress)
    seconds = time.perf_counter() - started
    trials = []
    for number, trial in enumerate(split.trials):
        progress("predicting", number, len(split.trials))
        trials.append(_try(model, population, material, trial))
    progress("predicting", len(split.trials), len(split.trials))
    return CellResult(seconds, len(split.fit), tuple(trials))


def _try(
    model: RewardModel, population: Population, material: Material, trial: Trial
) -> TrialResult:
    evidence = [material.evidence(case.support, model.reads) for case in trial.cases]
    posteriors = model.infer_many(population, evidence) if evidence else []
    figures: list[tuple[float, float]] = []
    by_group: dict[str, list[float]] = defaultdict(list)
    bins = np.zeros((BINS, 3))
    for case, posterior in zip(trial.cases, posteriors, strict=True):
        score = _predict(model, population, posterior, material, case)
        right, probability = predicted(score), score.probability().astype(np.float64)
        figures.append((float(right.mean()), negative_log_likelihood(probability)))
        weight = 1.0 if trial.shots is None else 1.0 / len(case.query)
        bins += calibration_bins(probability, np.full(len(case.query), weight))
        group = material.rows.group[case.query]
        for each in np.unique(group[group != NO_GROUP]):
            by_group[material.groups[each]].append(float(right[group == each].mean()))
    return TrialResult(
        shots=trial.shots,
        accuracy=tuple(each for each, _ in figures),
        nll=tuple(each for _, each in figures),
        queries=tuple(len(case.query) for case in trial.cases),
        support=tuple(len(case.support) for case in trial.cases),
        groups=dict(by_group),
        bins=tuple(map(tuple, bins.tolist())),
        adapt_ms=_adaptation(model, population, evidence),
    )


def _predict(
    model: RewardModel,
    population: Population,
    posterior: Posterior,
    material: Material,
    case: Case,
) -> Score:
    """Return the log-odds of what the person preferred."""
    asked, sign = material.sides(case.query)
    query = material.features.evidence(asked, model.reads)
    ask = material.aids.log_likelihood if "texts" in model.reads else None
    context = Context(query.prompt, query.texts, ask) if model.reads else None
    score = model.logit(population, posterior, query.chosen, query.rejected, **given(context))
    _check(score, len(query))
    return Score((sign * score.mean).astype(np.float32), score.std)


def _adaptation(model: RewardModel, population: Population, evidence: Sequence[Evidence]) -> float:
    """Return the median CPU milliseconds to infer one person; features are at hand already."""
    spent: list[float] = []
    for each in evidence[: _TIMED_USERS + 1]:
        if sum(spent) > _TIMED_MS:
            break
        started = time.process_time_ns()
        model.infer(population, each)
        spent.append((time.process_time_ns() - started) / 1e6)
    later = spent[1:] or spent  # the first call may import
    return float(np.median(later)) if later else 0.0


def _check(score: Score, count: int) -> None:
    """Raise unless there is one finite logit for each query.

    Raises:
        PluginError: The reward model broke its contract.
    """
    for name, values in (("mean", score.mean), ("std", score.std)):
        if values.shape != (count,) or not np.isfinite(values).all():
            raise PluginError(
                f"logit gave a {name} of shape {values.shape} with "
                f"{np.count_nonzero(~np.isfinite(values))} values that are not finite, expected "
                f"({count},) finite ones",
                remedy="run persona_engine.testing.check_reward_model on the plugin",
            )
