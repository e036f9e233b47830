"""Posteriors, populations and clusterings as bytes: safetensors, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import ArtefactError, InvalidInputError
from persona_engine.store.tensors import pack, unpack
from persona_engine.types import Arrays, Clustering, FloatArray, Population, Posterior

_FORMAT = "1"
_STATE = "state."


def encode_posterior(posterior: Posterior) -> bytes:
    """Return a posterior as bytes that name what it was learned in."""
    arrays = {"mean": posterior.mean, "covariance": posterior.covariance}
    arrays.update({_STATE + name: value for name, value in posterior.state.items()})
    about = {
        "format": _FORMAT,
        "reward_model": posterior.reward_model,
        "population": posterior.population,
        "fingerprint": posterior.fingerprint,
        "count": str(posterior.count),
    }
    return _encode("posterior", arrays, about)


def decode_posterior(blob: bytes) -> Posterior:
    """Return the posterior of `encode_posterior`'s bytes.

    Raises:
        ArtefactError: The bytes are damaged or not a posterior.
    """
    arrays, about = _decode("posterior", blob)
    try:
        return Posterior(
            reward_model=about["reward_model"],
            population=about["population"],
            fingerprint=about["fingerprint"],
            mean=arrays.pop("mean"),
            covariance=arrays.pop("covariance"),
            count=int(about["count"]),
            state={name.removeprefix(_STATE): value for name, value in arrays.items()},
        )
    except (KeyError, ValueError) as error:
        raise _damaged("posterior", f"{error!r}") from error


def encode_population(population: Population) -> bytes:
    """Return a population's state as bytes; its ``meta`` is kept beside it, as JSON."""
    about = {
        "format": _FORMAT,
        "reward_model": population.reward_model,
        "fingerprint": population.fingerprint,
    }
    return _encode("population", population.arrays, about)


def decode_population(blob: bytes, meta: Mapping[str, Any], *, version: str) -> Population:
    """Return the population of `encode_population`'s bytes and its ``meta``.

    Raises:
        ArtefactError: The bytes are damaged, or their content is not that of ``version``.
    """
    arrays, about = _decode("population", blob)
    try:
        population = Population(about["reward_model"], about["fingerprint"], arrays, meta)
    except KeyError as error:
        raise _damaged("population", f"{error!r}") from error
    if population.version != version:
        raise _damaged("population", f"content is {population.version}, expected {version}")
    return population


def encode_clustering(clustering: Clustering) -> bytes:
    """Return a clustering's state as bytes; its ``meta`` is kept beside it, as JSON."""
    about = {
        "format": _FORMAT,
        "clusterer": clustering.clusterer,
        "population": clustering.population,
        "names": json.dumps(list(clustering.names)),
    }
    return _encode("clustering", clustering.arrays, about)


def decode_clustering(blob: bytes, meta: Mapping[str, Any], *, version: str) -> Clustering:
    """Return the clustering of `encode_clustering`'s bytes and its ``meta``.

    Raises:
        ArtefactError: The bytes are damaged, or their content is not that of ``version``.
    """
    arrays, about = _decode("clustering", blob)
    try:
        names = tuple(json.loads(about["names"]))
        found = Clustering(about["clusterer"], about["population"], names, arrays, meta)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged("clustering", f"{error!r}") from error
    if found.version != version:
        raise _damaged("clustering", f"content is {found.version}, expected {version}")
    return found


def encode_vector(vector: FloatArray) -> bytes:
    """Return ``(D,)`` features as little-endian float32 bytes.

    Raises:
        InvalidInputError: Not one vector of finite numbers.
    """
    values = np.asarray(vector)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise InvalidInputError(
            f"an embedding has shape {values.shape}, expected (D,) finite numbers"
        )
    return values.astype("<f4").tobytes()


def decode_vector(blob: bytes, width: int) -> FloatArray | None:
    """Return the features of `encode_vector`'s bytes, or None when they are damaged."""
    if len(blob) != 4 * width:
        return None
    return np.frombuffer(blob, "<f4").astype(np.float32, copy=False)


def _encode(what: str, arrays: Arrays, about: dict[str, str]) -> bytes:
    values = {name: np.asarray(value) for name, value in arrays.items()}
    try:
        return pack(values, about)
    except (TypeError, ValueError) as error:
        kinds = {name: value.dtype.str for name, value in values.items()}
        raise InvalidInputError(
            f"the {what} has arrays of {kinds}, expected numbers: {error}",
            remedy="keep only numeric arrays in the plugin's state",
        ) from error


def _decode(what: str, blob: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    try:
        arrays, about = unpack(blob)
    except ValueError as error:
        raise _damaged(what, str(error)) from error
    if about.get("format") != _FORMAT:
        raise _damaged(what, f"format is {about.get('format')!r}, expected {_FORMAT!r}")
    return arrays, about


def _damaged(what: str, why: str) -> ArtefactError:
    command = "persona cluster" if what == "clustering" else "persona fit"
    return ArtefactError(
        f"the stored {what} is damaged: {why}",
        remedy=f"run `{command}`, which builds it again from the events",
    )
