"""Reads and writes what a scorer learned: names as JSON, arrays as safetensors beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import ArtefactError, FingerprintMismatchError
from persona_engine.types import FloatArray

Built = TypeVar("Built")


def read_scorer(
    build: Callable[[Mapping[str, Any], Mapping[str, FloatArray]], Built],
    described: Path,
    arrays: Path,
    *,
    train: str,
) -> Built:
    """Return what ``build`` makes of a JSON object and of arrays, which come as float32.

    Args:
        build: Makes the scorer; what it raises for a missing or malformed part (KeyError,
            TypeError, ValueError) is reported as a damaged file.
        described: The JSON file.
        arrays: The ``.safetensors`` file.
        train: The command that writes both, for the error's remedy.

    Raises:
        ArtefactError: A file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        names: Mapping[str, Any] = json.loads(described.read_text(encoding="utf-8"))
        found = {name: array.astype(np.float32) for name, array in load_file(arrays).items()}
        return build(names, found)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ArtefactError(
            f"the scorer in {described.parent} cannot be read: {error}",
            remedy=f"install the package again, or run {train}",
        ) from error


def write_scorer(
    names: Mapping[str, Any],
    values: Mapping[str, NDArray[Any]],
    described: Path,
    arrays: Path,
    *,
    indent: int = 1,
) -> None:
    """Write what `read_scorer` reads; arrays keep their types, so float16 halves a file.

    Args:
        names: What JSON can hold.
        values: Arrays by name.
        described: The JSON file; its folder is made if need be.
        arrays: The ``.safetensors`` file.
        indent: Of the JSON.
    """
    from safetensors.numpy import save

    described.parent.mkdir(parents=True, exist_ok=True)
    arrays.write_bytes(save({key: np.ascontiguousarray(each) for key, each in values.items()}))
    text = json.dumps(names, indent=indent, ensure_ascii=False) + "\n"
    described.write_text(text, encoding="utf-8")


def check_encoder(found: str | None, expected: str, *, scorer: str, remedy: str) -> None:
    """Raise unless embeddings are of the encoder that a scorer was trained on.

    Args:
        found: Fingerprint of the encoder in use; None where nobody knows, which passes.
        expected: The scorer's.
        scorer: What it is called in the error.
        remedy: What to do then.

    Raises:
        FingerprintMismatchError: They differ.

    Examples:
        >>> check_encoder("sentence/a/mean/384", "sentence/a/mean/384", scorer="it", remedy="")
    """
    if found is not None and found != expected:
        raise FingerprintMismatchError(
            f"{scorer} got sentence embeddings of {found}, but was trained on {expected}",
            remedy=remedy,
        )
