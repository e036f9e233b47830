"""Features of replies: remembered, else read from SQL, else encoded once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from persona_engine.conversation import as_conversation
from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Encoder, Progress, no_progress
from persona_engine.observing import SILENT, Observer
from persona_engine.store import Store, check_text, content_key
from persona_engine.types import Conversation, FloatArray

LONGEST_TEXT = 1_000_000
_REMEMBERED = 8_192
_ENCODED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Text:
    """A response and the prompt that it answers; a sentence by itself has no prompt."""

    response: str
    prompt: Conversation | str = ()

    @property
    def key(self) -> str:
        """Name of its features, equal for equal content."""
        if self.prompt == ():
            return _sentence_key(self.response)
        return content_key(self.prompt, self.response)

    @property
    def conversation(self) -> Conversation:
        """The prompt as messages."""
        return as_conversation(self.prompt)


@lru_cache(maxsize=_REMEMBERED)
def _sentence_key(sentence: str) -> str:
    # A person's standing instructions are looked up for every reply.
    return content_key((), sentence)


class FeatureCache:
    """Features of one encoder, cached by content hash and fingerprint.

    Equal texts are encoded once for each tenant: first looked up in memory, then in SQL. A tenant
    never sees what another one cached.

    Args:
        encoder: What encodes.
        store: Where features are kept.
        shipped: Returns the features that come with the package, by key.
        remembered: Most vectors to keep in memory.
        observer: Hears of what is encoded.
    """

    def __init__(
        self,
        encoder: Encoder,
        store: Store,
        *,
        shipped: Callable[[], Mapping[str, FloatArray]] = dict,
        remembered: int = _REMEMBERED,
        observer: Observer = SILENT,
    ) -> None:
        self.encoder = encoder
        self._store = store
        self._shipped = shipped
        self._remembered = remembered
        self._observer = observer
        self._memory: OrderedDict[tuple[str, str], FloatArray] = OrderedDict()
        self._guard = threading.Lock()

    @property
    def width(self) -> int:
        """Number of features, ``D``."""
        return self.encoder.width

    def get(
        self,
        tenant: str,
        texts: Sequence[Text],
        *,
        keep: bool = True,
        progress: Progress = no_progress,
    ) -> FloatArray:
        """Return features ``(n, D)``; what nobody encoded before is encoded now.

        Args:
            tenant: Whose cache.
            texts: What to encode.
            keep: False keeps new features in memory only: for texts that no event will hold, so
                that forgetting a person could not find them in SQL.
            progress: Told of what is encoded.

        Raises:
            InvalidInputError: A response is blank, longer than a million characters, or no valid
                Unicode.
        """
        keys = [text.key for text in texts]
        found = self._find(tenant, keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            found.update(self._encode(tenant, missing, keep, progress))
        return _stack([found[key] for key in keys], self.width)

    def missing(self, tenant: str, texts: Sequence[Text]) -> list[Text]:
        """Return those texts that nobody has encoded yet."""
        keys = [text.key for text in texts]
        found = self._find(tenant, keys)
        return [text for key, text in zip(keys, texts, strict=True) if key not in found]

    def find(self, tenant: str, texts: Sequence[Text]) -> FloatArray | None:
        """Return features ``(n, D)``, or None unless all of them are cached already."""
        keys = [text.key for text in texts]
        found = self._find(tenant, keys)
        if any(key not in found for key in keys):
            return None
        return _stack([found[key] for key in keys], self.width)

    def clear(self) -> None:
        """Forget what is in memory; SQL and what the package ships stay."""
        with self._guard:
            self._memory.clear()
        _sentence_key.cache_clear()

    def _find(self, tenant: str, keys: Sequence[str]) -> dict[str, FloatArray]:
        found: dict[str, FloatArray] = {}
        shipped = self._shipped()
        with self._guard:
            for key in keys:
                vector = shipped.get(key)
                if vector is None:
                    vector = self._memory.get((tenant, key))
                if vector is not None:
                    found[key] = vector
        unknown = [key for key in keys if key not in found]
        if unknown:
            stored = self._store.tenant(tenant).embeddings(self.encoder.fingerprint, unknown)
            with self._guard:
                for key, vector in stored.items():
                    found[key] = vector
                    self._remember(tenant, key, vector)
        return found

    def _encode(
        self, tenant: str, missing: Mapping[str, Text], keep: bool, progress: Progress
    ) -> dict[str, FloatArray]:
        for text in missing.values():
            check_response(text.response)
        # Neighbours in length share a batch, so that little is padded and each batch can be saved.
        order = sorted(missing, key=lambda key: len(missing[key].response))
        encoded: dict[str, FloatArray] = {}
        for start in range(0, len(order), _ENCODED_AT_ONCE):
            progress("encoding", start, len(order))
            keys = order[start : start + _ENCODED_AT_ONCE]
            with self._observer.span("features"):
                vectors = self.encoder.encode(
                    [missing[key].conversation for key in keys],
                    [missing[key].response for key in keys],
                )
            some = dict(zip(keys, vectors, strict=True))
            if keep:
                self._store.tenant(tenant).save_embeddings(self.encoder.fingerprint, some)
            encoded.update(some)
        progress("encoding", len(order), len(order))
        with self._guard:
            for key, vector in encoded.items():
                self._remember(tenant, key, vector)
        return encoded

    def _remember(self, tenant: str, key: str, vector: FloatArray) -> None:
        self._memory[(tenant, key)] = np.asarray(vector, np.float32)
        self._memory.move_to_end((tenant, key))
        while len(self._memory) > self._remembered:
            self._memory.popitem(last=False)


def check_response(text: object) -> None:
    """Raise unless a text can be encoded.

    Raises:
        InvalidInputError: It is no text, blank, longer than a million characters, or holds NUL or
            half a surrogate pair.
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"a response is {text!r}, expected text")
    if not text.strip():
        raise InvalidInputError("a response is blank, expected text that can be compared")
    if len(text) > LONGEST_TEXT:
        raise InvalidInputError(
            f"a response has {len(text):,} characters, expected at most {LONGEST_TEXT:,}",
            remedy="shorten the text",
        )
    check_text("a response", text)


def _stack(vectors: Sequence[FloatArray], width: int) -> FloatArray:
    if not vectors:
        return np.zeros((0, width), np.float32)
    return np.concatenate(vectors).reshape(len(vectors), width)  # np.stack takes twice as long
