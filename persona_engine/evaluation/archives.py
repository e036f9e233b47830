"""Features that the caller brings, in a NumPy archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.evaluation.dataset import Dataset, Item
from persona_engine.evaluation.features import Features, prompt_rows
from persona_engine.evaluation.files import UNREADABLE, load_archive
from persona_engine.types import FloatArray


def read_features(dataset: Dataset, path: Path) -> Features:
    """Return features of a dataset's items from a NumPy archive that the caller made.

    The archive holds ``features`` ``(M, D)`` and beside it one text array ``(M,)``: ``ids`` (the
    items of --items; in comparisons, the texts themselves) or ``texts``. Where a response's
    features depend on its prompt, ``prompts`` ``(M,)`` holds that. ``prompt_texts`` ``(Q,)`` and
    ``prompt_features`` ``(Q, P)`` are for methods that condition on prompts.

    Raises:
        InvalidInputError: The file is no such archive, or an item of the dataset is not in it.
    """
    arrays = _read_archive(path)
    names = arrays.get("ids", arrays.get("texts"))
    values = arrays.get("features")
    if names is None or values is None:
        raise InvalidInputError(
            f"{path} holds {sorted(arrays)}, expected features and ids (or texts)",
            remedy="numpy.savez(FILE, ids=[…], features=…) with one row of features for each id",
        )
    rows = _finite_rows(path, "features", values, len(names))
    of_item = _lookup(arrays, names, rows)
    found = []
    for item in dataset.items:
        row = of_item(item)
        if row is None:
            raise InvalidInputError(
                f"{path} has no features of {item.id[:80]!r}, which {dataset.name} compares",
                remedy="add a row for each item that is compared",
            )
        found.append(row)
    return Features(
        dataset.items,
        np.stack(found),
        _given_prompts(path, arrays, dataset.items),
        f"file/{_hash(path)}/{rows.shape[1]}",
    )


def _lookup(
    arrays: Mapping[str, np.ndarray], names: np.ndarray, rows: FloatArray
) -> Callable[[Item], FloatArray | None]:
    """Return what finds an item's row by its id or text, and by its prompt where that is given."""
    by_id, with_prompt = "ids" in arrays, "prompts" in arrays
    prompts = arrays["prompts"] if with_prompt else np.full(len(names), "")
    table = {
        (str(name), str(prompt)): row
        for name, prompt, row in zip(names, prompts, rows, strict=True)
    }
    return lambda item: table.get(
        (item.id if by_id else item.text, item.prompt if with_prompt else "")
    )


def _given_prompts(
    path: Path, arrays: Mapping[str, np.ndarray], items: Sequence[Item]
) -> FloatArray | None:
    texts, values = arrays.get("prompt_texts"), arrays.get("prompt_features")
    if texts is None or values is None:
        return None
    rows = _finite_rows(path, "prompt_features", values, len(texts))
    of_prompt = dict(zip(map(str, texts), rows, strict=True))
    for item in items:
        if item.prompt and item.prompt not in of_prompt:
            raise InvalidInputError(
                f"{path} has no features of the prompt {item.prompt[:80]!r}",
                remedy="add a row of prompt_features for each prompt, or leave them out",
            )
    return prompt_rows(items, of_prompt)


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_archive(path)
    except UNREADABLE as error:
        raise InvalidInputError(
            f"{path} cannot be read as a NumPy archive: {error}",
            remedy="write it by numpy.savez(FILE, ids=[…], features=…), texts as text arrays",
        ) from error


def _finite_rows(path: Path, name: str, values: np.ndarray, count: int) -> FloatArray:
    if values.ndim != 2 or len(values) != count or values.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"{path}: {name} has shape {values.shape} and type {values.dtype}, expected "
            f"({count}, D) numbers",
            remedy="give one row of numbers for each text",
        )
    rows: FloatArray = values.astype(np.float32)
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
        raise InvalidInputError(f"{path}: row {bad} of {name} is not finite, expected numbers")
    return rows


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
