"""Forgetting a user: every row of theirs, what was cached of their texts, and whom it touches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select, update

from persona_engine.store import audit, idempotency, schema
from persona_engine.store.clock import from_micros
from persona_engine.store.corrections import take_out
from persona_engine.store.database import Database
from persona_engine.store.embeddings import batched, content_key
from persona_engine.store.records import ForgottenRows, Unlearning
from persona_engine.store.scrub import blank_texts
from persona_engine.store.users import ensure_tenant
from persona_engine.types import Scope

_CHILDREN_FIRST = (
    schema.rating,
    schema.comparison,
    schema.reply,
    schema.instruction,
    schema.steering,
    schema.trait,
    schema.posterior,
    schema.population_user,
    schema.clustering_user,
    schema.adapter_user,
    schema.app_user,
)


def _mine(table: Table) -> tuple[Any, ...]:
    return (table.c.tenant == bindparam("in_tenant"), table.c.user == bindparam("of_user"))


_DELETES = {table.name: delete(table).where(*_mine(table)) for table in _CHILDREN_FIRST}
_LOCK = select(schema.app_user.c.user).where(*_mine(schema.app_user)).with_for_update()
_COMPARISONS = select(
    schema.comparison.c.prompt, schema.comparison.c.chosen, schema.comparison.c.rejected
).where(*_mine(schema.comparison))
_INSTRUCTIONS = select(schema.instruction.c.text, schema.instruction.c.scope).where(
    *_mine(schema.instruction)
)
_TRAITS = select(schema.trait.c.text).where(*_mine(schema.trait))
_REPLIES = select(schema.reply.c.prompt, schema.reply.c.text, schema.reply.c.candidates).where(
    *_mine(schema.reply)
)
_DROP_CACHED = delete(schema.embedding_cache).where(
    schema.embedding_cache.c.tenant == bindparam("in_tenant"),
    schema.embedding_cache.c.key.in_(bindparam("keys", expanding=True)),
)
_LEARNED = tuple(
    (
        select(users.c.version).where(*_mine(users)),
        update(table)
        .where(
            table.c.tenant == bindparam("in_tenant"),
            table.c.version.in_(bindparam("names", expanding=True)),
        )
        .values(stale=True),
    )
    for users, table in (
        (schema.clustering_user, schema.clustering),
        (schema.adapter_user, schema.adapter),
    )
)
_DROP_AUDIT = delete(schema.audit_event).where(
    schema.audit_event.c.tenant == bindparam("in_tenant"),
    schema.audit_event.c.subject == bindparam("of_subject"),
)


def forget(
    database: Database, scope: Scope, unlearning: Unlearning | None, *, now: int
) -> ForgottenRows:
    """Delete everything about a user in one transaction; see `UserStore.forget`."""
    key = {"in_tenant": scope.tenant, "of_user": scope.user}

    def work(connection: Connection) -> ForgottenRows:
        connection.execute(_LOCK, key)
        cached = _drop_cached(connection, key)
        populations, corrected = take_out(connection, scope, unlearning, now=now)
        stale = (*populations, *_mark_stale(connection, key))
        blank_texts(connection, key)
        rows = {name: connection.execute(each, key).rowcount for name, each in _DELETES.items()}
        trail = {"in_tenant": scope.tenant, "of_subject": audit.subject(scope.user)}
        rows["idempotency"] = idempotency.forget(connection, scope.tenant, scope.user)
        rows["audit_event"] = connection.execute(_DROP_AUDIT, trail).rowcount
        ensure_tenant(connection, scope.tenant, now)
        detail = {"rows": rows, "cached_embeddings": cached, "stale": list(stale)}
        detail["corrected"] = corrected
        audit.append(connection, scope, "forget", detail, now)
        return ForgottenRows(rows, cached, stale, corrected, from_micros(now))

    return database.write(work, scope=scope)


def _mark_stale(connection: Connection, key: dict[str, str]) -> tuple[str, ...]:
    marked: list[str] = []
    for learned, mark in _LEARNED:
        versions = sorted(connection.execute(learned, key).scalars())
        connection.execute(mark, {"in_tenant": key["in_tenant"], "names": versions})
        marked += versions
    return tuple(marked)


def _drop_cached(connection: Connection, key: dict[str, str]) -> int:
    """Delete cached features of the user's texts.

    Also of those that others' events hold: to find these would take reading all comparisons of the
    tenant, and who needs the features encodes them once more.
    """
    mine = sorted(_cache_keys(connection, key))
    tenant = {"in_tenant": key["in_tenant"]}
    return sum(
        connection.execute(_DROP_CACHED, {**tenant, "keys": some}).rowcount
        for some in batched(mine)
    )


def _cache_keys(connection: Connection, key: dict[str, str]) -> set[str]:
    """Return under which keys features of the user's texts may be cached."""
    pairs: list[tuple[Any, str]] = []
    sentences: set[str] = set()
    for prompt, chosen, rejected in connection.execute(_COMPARISONS, key):
        pairs += [(prompt, chosen), (prompt, rejected)]
        sentences |= {prompt, chosen, rejected}
    for row in connection.execute(_INSTRUCTIONS, key):
        sentences |= set(row)
    sentences.update(connection.execute(_TRAITS, key).scalars())
    for prompt, text, candidates in connection.execute(_REPLIES, key):
        pairs += [(prompt, each) for each in (text, *candidates)]
        sentences |= {text, *candidates, *_contents(prompt)}
    keys = {content_key(prompt, response) for prompt, response in pairs}
    return keys | {content_key((), text) for text in sentences}


def _contents(prompt: Iterable[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in prompt if isinstance(message.get("content"), str)]
