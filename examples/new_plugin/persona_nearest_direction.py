"""A third-party reward model in one module: each user's mean difference, shrunk to everybody's."""

from dataclasses import replace

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel, no_progress
from persona_engine.types import Population, Posterior, Score


class NearestDirection(RewardModel):
    """Which way a user's choices point, by Fisher's discriminant with shrunken user means.

    With d = chosen - rejected: d ~ N(θ_u, s² I), θ_u ~ N(m, t² I), all of it in closed form:
    1/v = 1/t² + n/s², E[θ_u] = v (m/t² + Σ d/s²), and by Bayes' rule
    logit(a, b) = 2 θ_u·(a - b)/s².

    Reference: Efron & Morris 1973, "Stein's estimation rule and its competitors".
    """

    name = "nearest_direction"

    def fit(self, data, *, rng, progress=no_progress):
        if not len(data):
            raise InvalidInputError("there is no comparison to fit on, expected one at least")
        d = data.chosen - data.rejected  # (N, D)
        rows = np.unique(data.user, return_inverse=True)[1]
        count = np.bincount(rows, data.weight) + 1e-6  # (U,)
        means = np.stack([np.bincount(rows, data.weight * f) for f in d.T], axis=1) / count[:, None]
        floor = 1e-3 * float(np.mean(d**2)) + 1e-6
        s2 = max(float(np.mean((d - means[rows]) ** 2)), floor)
        t2 = max(float(means.var(axis=0).mean() - s2 * np.mean(1 / count)), floor)
        learned = {"m": means.mean(axis=0).astype(np.float32)}
        return Population(self.name, data.fingerprint, learned, {"s2": s2, "t2": t2})

    def infer(self, population, evidence):
        m = population.arrays["m"]
        spread = np.eye(len(m), dtype=np.float32) * np.float32(population.meta["t2"])
        where = (self.name, population.version, population.fingerprint)
        return self.update(population, Posterior(*where, m, spread, count=0), evidence)

    def update(self, population, posterior, evidence):
        posterior.require(population)
        s2, before = population.meta["s2"], float(posterior.covariance[0, 0])
        after = 1 / (1 / before + evidence.weight.sum(dtype=float) / s2)
        total = evidence.weight @ (evidence.chosen - evidence.rejected)  # (D,)
        mean = (after * (posterior.mean / before + total / s2)).astype(np.float32)
        spread = np.eye(len(mean), dtype=np.float32) * np.float32(after)
        count = posterior.count + len(evidence)
        return replace(posterior, mean=mean, covariance=spread, count=count)

    def score(self, population, posteriors, responses):
        each = [self.logit(population, p, responses, np.zeros_like(responses)) for p in posteriors]
        return Score(np.stack([s.mean for s in each]), np.stack([s.std for s in each]))  # (U, B)

    def logit(self, population, posterior, a, b):
        posterior.require(population)
        d = 2 * (a - b) / np.float32(population.meta["s2"])  # (B, D)
        std = np.linalg.norm(d, axis=1) * np.sqrt(posterior.covariance[0, 0])
        return Score(d @ posterior.mean, std)

    def embed(self, population, posterior):
        posterior.require(population)
        return posterior.mean


@hookimpl
def persona_reward_models():
    return {NearestDirection.name: NearestDirection}
