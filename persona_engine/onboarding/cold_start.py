"""What is presumed of a new person: what people like them, as the host describes them, have said.

A host often knows something before anybody answers: a locale, or traits in words. People whose
description is near are looked up in the index of descriptions, and what they said counts for the
newcomer as a few answers would, until there are own ones. How much it counts is found on the
tenant's own users: on how much better their answers are predicted with it than without.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from persona_engine.features import FeatureCache, Text
from persona_engine.index import VectorCache
from persona_engine.interfaces import RewardModel
from persona_engine.onboarding.neighbourly import Case, strength_for
from persona_engine.presuming import Presumption
from persona_engine.store import Store
from persona_engine.types import Comparison, Evidence, FloatArray, Neighbour, Population, Scope

_NEIGHBOURS = 8
_ANSWERS = 8  # latest of each neighbour
_NEAR = 0.6  # least cosine of descriptions with traits
_SAME_LOCALE = 0.42  # the same where only a locale is known
_LOCALE_SHARE = 0.2  # of a description's squared length
_LOCALE_WIDTH = 64
_JUDGED = 32  # users on whom the strength is found
_REMEMBERED = 4_096
_SECONDS = 60.0  # for which neighbours are remembered
_SECONDS_OF_STRENGTH = 3_600.0


class ColdStart:
    """Presumes of new people what others like them have said; of anybody else, nothing.

    Args:
        store: Where descriptions and comparisons are.
        model: The reward model.
        sentences: Returns sentence embeddings.
        index: Returns a tenant's index of descriptions in a feature space.
        evidence: Returns a tenant's comparisons as evidence.
    """

    def __init__(
        self,
        store: Store,
        model: RewardModel,
        *,
        sentences: Callable[[], FeatureCache],
        index: Callable[[str, str], VectorCache],
        evidence: Callable[[str, list[Comparison]], Evidence],
    ) -> None:
        self._store = store
        self._model = model
        self._sentences = sentences
        self._index = index
        self._evidence = evidence
        self._known: OrderedDict[tuple[str, str, str], tuple[float, Presumption | None]]
        self._known = OrderedDict()
        self._strengths: dict[tuple[str, str], tuple[float, float]] = {}

    def presumed(self, scope: Scope, population: Population) -> Presumption | None:
        """Return what is presumed of a person, or None where nothing is: the plain prior holds."""
        known = self._store.user(scope).traits()
        if not known:
            return None
        key = (scope.tenant, scope.user, f"{population.version}\0{sorted(known.items())}")
        held = self._known.get(key)
        if held is not None and time.monotonic() - held[0] < _SECONDS:
            return held[1]
        found = self._presume(scope, population, known)
        self._known[key] = (time.monotonic(), found)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    def clear(self) -> None:
        """Forget what was remembered of anybody."""
        self._known.clear()
        self._strengths.clear()

    def _presume(
        self, scope: Scope, population: Population, known: Mapping[str, str]
    ) -> Presumption | None:
        near = self._neighbours(scope, known)
        if not near:
            return None
        strength = self._strength(scope.tenant, population)
        if strength == 0.0:
            return None
        return self._said(scope.tenant, near, strength)

    def _said(
        self, tenant: str, near: list[tuple[Neighbour, list[Comparison]]], strength: float
    ) -> Presumption:
        """Return what neighbours said, each as much as they are near, as so many answers in all."""
        events = [event for _, said in near for event in said]
        evidence = self._evidence(tenant, events)
        share = np.concatenate(
            [np.full(len(said), each.similarity / len(said)) for each, said in near]
        )
        weight = strength * share / share.sum()
        weighed = replace(evidence, weight=(weight * evidence.weight).astype(np.float32))
        return Presumption(weighed, tuple(each for each, _ in near))

    def _neighbours(
        self, scope: Scope, known: Mapping[str, str]
    ) -> list[tuple[Neighbour, list[Comparison]]]:
        """Return people whose description is near and who have answered, with what they said."""
        rows = self._store.tenant(scope.tenant)
        cache = self._index(scope.tenant, f"traits/{self._sentences().encoder.fingerprint}")
        found = cache.search(
            lambda: self._described(scope.tenant),
            rows.traits_generation,
            self._vector(scope.tenant, known),
            count=4 * _NEIGHBOURS,
            exclude=[scope.user],
        )
        least = _NEAR if known.get("traits") else _SAME_LOCALE
        near = []
        for user, similarity in found:
            said = self._store.user(Scope(scope.tenant, user)).comparisons()[-_ANSWERS:]
            if similarity >= least and said:
                near.append((Neighbour(user, similarity), list(said)))
            if len(near) == _NEIGHBOURS:
                break
        return near

    def _described(self, tenant: str) -> Iterator[tuple[str, FloatArray]]:
        for user, known in self._store.tenant(tenant).iter_traits():
            yield user, self._vector(tenant, known)

    def _vector(self, tenant: str, known: Mapping[str, str]) -> FloatArray:
        """Return a description as one vector, whose cosine weighs traits and locale."""
        sentences = self._sentences()
        traits = np.zeros(sentences.width, np.float32)
        if known.get("traits"):
            traits = sentences.get(tenant, [Text(known["traits"])])[0]
            traits = traits / max(float(np.linalg.norm(traits)), 1e-12)
        locale = locale_vector(known.get("locale", ""))
        return np.concatenate(
            [np.sqrt(1.0 - _LOCALE_SHARE) * traits, np.sqrt(_LOCALE_SHARE) * locale]
        ).astype(np.float32)

    def _strength(self, tenant: str, population: Population) -> float:
        """Return as how many answers neighbours count together, found on the tenant's users."""
        key = (tenant, population.version)
        held = self._strengths.get(key)
        if held is not None and time.monotonic() - held[0] < _SECONDS_OF_STRENGTH:
            return held[1]
        cases = list(islice(self._cases(tenant), _JUDGED))
        strength = strength_for(self._model, population, cases)
        self._strengths[key] = (time.monotonic(), strength)
        return strength

    def _cases(self, tenant: str) -> Iterator[Case]:
        """Yield users who have answered and have neighbours: what they said, and what these did."""
        for user, known in self._store.tenant(tenant).iter_traits():
            scope = Scope(tenant, user)
            said = list(self._store.user(scope).comparisons()[:_ANSWERS])
            near = self._neighbours(scope, known) if said else []
            if near:
                yield Case(self._evidence(tenant, said), self._said(tenant, near, 1.0).evidence)


def locale_vector(locale: str) -> FloatArray:
    """Return a unit vector ``(64,)`` of a locale; half of it says the language.

    Examples:
        >>> def near(a, b):
        ...     return round(float(locale_vector(a) @ locale_vector(b)), 2)
        >>> near("de-AT", "de_at"), near("de-AT", "de-CH"), near("de-AT", "fr-FR")
        (1.0, 0.5, 0.0)
    """
    vector = np.zeros(_LOCALE_WIDTH, np.float32)
    plain = locale.strip().lower().replace("_", "-")
    if not plain:
        return vector
    half = _LOCALE_WIDTH // 2
    for name, start in ((plain.partition("-")[0], 0), (plain, half)):
        vector[start + hashlib.sha256(name.encode()).digest()[0] % half] = np.sqrt(0.5)
    return vector
