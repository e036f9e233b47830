"""Cached features by content hash: what was encoded once is not encoded again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii as _quoted
from operator import itemgetter

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from persona_engine.errors import InvalidInputError
from persona_engine.store.codec import decode_vector, encode_vector
from persona_engine.store.database import Database
from persona_engine.store.schema import embedding_cache as table
from persona_engine.types import Conversation, FloatArray

_BATCH = 500
_HASH_LENGTH = 64
_JSON = json.JSONEncoder(ensure_ascii=True, sort_keys=True)  # json.dumps makes one for every call

_FIND = select(table.c.key, table.c.width, table.c.vector).where(
    table.c.tenant == bindparam("in_tenant"),
    table.c.fingerprint == bindparam("in_space"),
    table.c.key.in_(bindparam("keys", expanding=True)),
)
_SAVE = insert(table).on_conflict_do_nothing()


def content_key(prompt: Conversation | str, response: str) -> str:
    """Return the key under which the features of a response, given its prompt, are cached.

    Forgetting a user deletes what is cached under the keys of their texts, so every cache of
    features must use this key. A sentence by itself has the prompt ``()``.

    Args:
        prompt: The conversation; text is one user message.
        response: The text that was encoded.

    Examples:
        >>> conversation = [{"role": "user", "content": "Hi"}]
        >>> content_key("Hi", "Hello!") == content_key(conversation, "Hello!")
        True
    """
    if isinstance(prompt, str):
        content = f'[[{{"content": {_quoted(prompt)}, "role": "user"}}], {_quoted(response)}]'
    else:
        content = _JSON.encode([list(prompt), response])
    return hashlib.sha256(content.encode()).hexdigest()


def load(
    database: Database, tenant: str, fingerprint: str, keys: Sequence[str]
) -> dict[str, FloatArray]:
    """Return the cached features of these keys; damaged ones count as missing."""
    found: dict[str, FloatArray] = {}
    for some in batched(tuple(dict.fromkeys(keys))):
        with database.read() as connection:
            parameters = {"in_tenant": tenant, "in_space": fingerprint, "keys": some}
            rows = connection.execute(_FIND, parameters).all()
        for key, width, blob in rows:
            vector = decode_vector(blob, width)
            if vector is not None:
                found[key] = vector
    return found


def save(
    database: Database,
    tenant: str,
    fingerprint: str,
    vectors: Mapping[str, FloatArray],
) -> None:
    """Cache features; keys that are cached already stay as they are.

    Raises:
        InvalidInputError: A key is not a sha256, or a vector not finite.
    """
    rows = [
        {
            "tenant": tenant,
            "key": _checked(key),
            "fingerprint": fingerprint,
            "width": len(vector),
            "vector": encode_vector(vector),
        }
        for key, vector in sorted(vectors.items(), key=itemgetter(0))  # one order: no deadlocks
    ]

    def work(connection: Connection) -> None:
        for start in range(0, len(rows), _BATCH):
            connection.execute(_SAVE, rows[start : start + _BATCH])

    if rows:
        database.write(work)


def batched(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield ``keys`` in pieces that fit one statement."""
    for start in range(0, len(keys), _BATCH):
        yield keys[start : start + _BATCH]


def _checked(key: str) -> str:
    if len(key) != _HASH_LENGTH or not key.isascii() or not key.isalnum():
        raise InvalidInputError(
            f"embedding key is {key[:80]!r}, expected a sha256 in hex", remedy="use content_key()"
        )
    return key
