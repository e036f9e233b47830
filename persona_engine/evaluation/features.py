"""Features of a dataset, encoded once and kept in a file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.evaluation.dataset import Comparisons, Dataset, Item
from persona_engine.evaluation.files import UNREADABLE, load_archive, replaced
from persona_engine.interfaces import Encoder, Progress, no_progress
from persona_engine.types import (
    Conversation,
    Evidence,
    FloatArray,
    PairText,
    PreferenceData,
)

MOST_ONE_HOT = 5_000
_ENCODED_AT_ONCE = 64
_SECONDS_BETWEEN_SAVES = 20.0


@dataclass(frozen=True, eq=False)
class Features:
    """Features of every item of a dataset, and of its prompts.

    Args:
        items: The items that the rows belong to.
        responses: ``(M, D)`` features of each item.
        prompts: ``(M, P)`` features of each item's prompt; None when no item has one.
        fingerprint: Feature space.
        of_others: Returns features ``(n, D)`` of texts that nobody compared; None where only the
            caller could compute them.
    """

    items: tuple[Item, ...]
    responses: FloatArray
    prompts: FloatArray | None
    fingerprint: str
    of_others: Callable[[Sequence[Item]], FloatArray] | None = None

    def preferences(self, rows: Comparisons, reads: Collection[str] = ()) -> PreferenceData:
        """Return comparisons as reward models learn from them; users are numbered anew from 0."""
        _, user = np.unique(rows.user, return_inverse=True)
        pairs = self.evidence(rows, reads)
        return PreferenceData(
            pairs.chosen,
            pairs.rejected,
            user.astype(np.int64),
            self.fingerprint,
            weight=pairs.weight,
            prompt=pairs.prompt,
            texts=pairs.texts,
            target=pairs.target,
        )

    def evidence(self, rows: Comparisons, reads: Collection[str] = ()) -> Evidence:
        """Return comparisons of one person.

        Args:
            rows: The comparisons.
            reads: Whether features of the ``prompt``, and ``texts``, belong to it.
        """
        return Evidence(
            self.responses[rows.chosen],
            self.responses[rows.rejected],
            weight=rows.weight.astype(np.float32),
            prompt=self._prompts(rows) if "prompt" in reads else None,
            texts=self._texts(rows) if "texts" in reads else None,
            target=rows.target.astype(np.float32),
        )

    def _prompts(self, rows: Comparisons) -> FloatArray | None:
        return None if self.prompts is None else self.prompts[rows.chosen]

    def _texts(self, rows: Comparisons) -> tuple[PairText, ...]:
        pairs = zip(rows.chosen, rows.rejected, strict=True)
        return tuple(
            PairText(self.items[a].prompt, self.items[a].text, self.items[b].text) for a, b in pairs
        )

    def with_item_identity(self) -> Features:
        """Append a one-hot of the item's text, for texts that recur among people.

        Raises:
            InvalidInputError: There are too many different texts.
        """
        names, identity = np.unique([item.id for item in self.items], return_inverse=True)
        if len(names) > MOST_ONE_HOT:
            raise InvalidInputError(
                f"+item asks for one feature for each of {len(names):,} texts, expected at most "
                f"{MOST_ONE_HOT:,}",
                remedy="leave +item out: it helps only where the same texts are compared often",
            )
        one_hot = np.eye(len(names), dtype=np.float32)[identity]
        return replace(
            self,
            responses=np.concatenate([self.responses, one_hot], 1),
            fingerprint=f"{self.fingerprint}+item/{_hash(*names)}",
            of_others=self.of_others and _widened(self.of_others, len(names)),
        )


def encode(
    dataset: Dataset, encoder: Encoder, folder: Path, *, progress: Progress = no_progress
) -> Features:
    """Return features of a dataset's items; what was encoded before is read from ``folder``.

    Features of a prompt are those of its text as a response to nothing.

    Args:
        dataset: Whose items.
        encoder: What encodes.
        folder: Where features are kept, one file for each feature space.
        progress: Told of what is encoded.
    """
    cache = _Cache(folder, encoder)
    prompts = [Item(item.prompt, item.prompt) for item in dataset.items if item.prompt]
    found = cache.get([*dataset.items, *dict.fromkeys(prompts)], progress)

    def rows(items: Sequence[Item]) -> FloatArray:
        known = cache.get(items, progress)
        return np.stack([known[_key(item)] for item in items])

    return Features(
        dataset.items,
        rows(dataset.items),
        prompt_rows(dataset.items, {item.id: found[_key(item)] for item in prompts}),
        encoder.fingerprint,
        rows,
    )


def _widened(
    of_others: Callable[[Sequence[Item]], FloatArray], count: int
) -> Callable[[Sequence[Item]], FloatArray]:
    """Return the same features beside those of an item's identity, which other texts have not."""
    return lambda items: np.pad(of_others(items), ((0, 0), (0, count)))


class _Cache:
    """Features of one feature space by content, in one file."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self._encoder = encoder
        self._path = folder / f"{_hash(encoder.fingerprint)}.npz"
        self._known = self._load()

    def get(self, items: Sequence[Item], progress: Progress) -> Mapping[str, FloatArray]:
        missing = [item for item in dict.fromkeys(items) if _key(item) not in self._known]
        missing.sort(key=lambda item: len(item.text))  # neighbours in length share a batch
        saved = time.monotonic()
        for start in range(0, len(missing), _ENCODED_AT_ONCE):
            progress("encoding", start, len(missing))
            some = missing[start : start + _ENCODED_AT_ONCE]
            vectors = self._encoder.encode([_prompt(item) for item in some], [i.text for i in some])
            self._known.update(zip(map(_key, some), np.asarray(vectors, np.float32), strict=True))
            if time.monotonic() - saved > _SECONDS_BETWEEN_SAVES:
                self._save()
                saved = time.monotonic()
        if missing:
            progress("encoding", len(missing), len(missing))
            self._save()
        return self._known

    def _load(self) -> dict[str, FloatArray]:
        try:
            archive = load_archive(self._path)
            keys, values = archive["keys"], archive["features"]
            whole = str(archive["fingerprint"]) == self._encoder.fingerprint
        except (*UNREADABLE, KeyError):
            return {}  # none yet, or damaged: a cache may be made again
        if not whole or values.shape != (len(keys), self._encoder.width):
            return {}
        return dict(zip(map(str, keys), values, strict=True))

    def _save(self) -> None:
        with replaced(self._path) as file:
            np.savez(
                file,
                fingerprint=np.array(self._encoder.fingerprint),
                keys=np.array(list(self._known)),
                features=np.stack(list(self._known.values())),
            )


def prompt_rows(items: Sequence[Item], of_prompt: Mapping[str, FloatArray]) -> FloatArray | None:
    """Return a row for each item, zeros for one without a prompt; None when none has any."""
    if not of_prompt:
        return None
    nothing = np.zeros_like(next(iter(of_prompt.values())))
    return np.stack([of_prompt.get(item.prompt, nothing) for item in items])


def _prompt(item: Item) -> Conversation:
    return [{"role": "user", "content": item.prompt}] if item.prompt else []


def _key(item: Item) -> str:
    return _hash(item.prompt, item.text)


def _hash(*texts: str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()[:24]
