"""Reading of exported documents: every field is checked before a row is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from persona_engine.errors import InvalidInputError
from persona_engine.store import events, replies, steering, traits
from persona_engine.store.clock import to_micros
from persona_engine.store.instruction_rows import check_instruction, row_of
from persona_engine.store.records import NewComparison
from persona_engine.store.validate import check_name, check_number
from persona_engine.types import Instruction, Scope

FORMAT = "persona-user"
VERSION = 1
_OF_AN_INSTRUCTION = (
    *("kind", "strength", "scope", "source", "trust", "status"),
    *("supersedes", "superseded_by", "language"),
)

Rows = list[dict[str, Any]]


def read_document(document: Mapping[str, Any], scope: Scope) -> dict[str, Rows]:
    """Return the rows of a document in this scope, by table.

    Raises:
        InvalidInputError: Not such a document, or a field cannot be stored; the message says where.
    """
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise InvalidInputError(
            f"the document is not an export: its format is not {FORMAT!r}",
            remedy="pass what export() returned",
        )
    if document.get("version") != VERSION:
        raise InvalidInputError(
            f"the document has version {document.get('version')!r}, expected {VERSION}",
            remedy="install the persona-engine that wrote it, or a newer one",
        )
    rows = {
        "reply": _section(document, "replies", scope, _reply),
        "comparison": _section(document, "comparisons", scope, _comparison),
        "rating": _section(document, "ratings", scope, _rating),
        "instruction": _section(document, "instructions", scope, _instruction),
        "steering": _section(document, "steering", scope, _steering, key="attribute"),
        "trait": _section(document, "traits", scope, _trait, key="name"),
    }
    _check_replies(rows)
    return rows


def _section(
    document: Mapping[str, Any],
    name: str,
    scope: Scope,
    read: Callable[[Scope, Mapping[str, Any]], dict[str, Any]],
    *,
    key: str = "id",
) -> Rows:
    items = document.get(name, [])
    if not isinstance(items, list):
        raise InvalidInputError(f"{name} is a {type(items).__name__}, expected a list")
    rows: dict[str, dict[str, Any]] = {}
    for position, item in enumerate(items):
        row = _item(scope, item, read, f"{name}[{position}]")
        if row[key] in rows:
            raise InvalidInputError(f"{name}[{position}]: {key} {row[key]!r} occurs twice")
        rows[row[key]] = row
    return list(rows.values())


def _item(
    scope: Scope,
    item: object,
    read: Callable[[Scope, Mapping[str, Any]], dict[str, Any]],
    where: str,
) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise InvalidInputError(f"{where} is a {type(item).__name__}, expected a mapping")
    try:
        return read(scope, item)
    except KeyError as error:
        raise InvalidInputError(f"{where} lacks {error}") from error
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {error.message}", remedy=error.remedy) from error


def _comparison(scope: Scope, item: Mapping[str, Any]) -> dict[str, Any]:
    new = NewComparison(
        item["prompt"],
        item["chosen"],
        item["rejected"],
        weight=item.get("weight", 1.0),
        source=item.get("source", "comparison"),
        question=item.get("question"),
        reply=item.get("reply"),
        tie=item.get("tie", False),
    )
    events.check_comparison(new)
    key = item.get("idempotency_key")
    if key is not None:
        check_name("idempotency_key", key)
    ordinal = item.get("ordinal", 0)
    if not isinstance(ordinal, int):
        raise InvalidInputError(f"ordinal is {ordinal!r}, expected a whole number")
    check_number("ordinal", ordinal, low=0, high=2**31 - 1)
    return {
        **_head(scope, item),
        **{name: getattr(new, name) for name in NewComparison.__slots__},
        "weight": float(new.weight),
        "idempotency_key": key,
        "ordinal": ordinal,
    }


def _reply(scope: Scope, item: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        **_head(scope, item),
        "prompt": item["prompt"],
        "text": item["text"],
        "candidates": item["candidates"],
        "trace": item["trace"],
    }
    for name, kind in (("prompt", list), ("candidates", list), ("trace", dict)):
        if not isinstance(row[name], kind):
            raise InvalidInputError(
                f"{name} is a {type(row[name]).__name__}, expected a {kind.__name__}"
            )
    replies.check_reply(row)
    return row


def _rating(scope: Scope, item: Mapping[str, Any]) -> dict[str, Any]:
    check_name("reply", item["reply"])
    check_number("rating", item["value"], low=-replies.MAX_RATING, high=replies.MAX_RATING)
    key = item.get("idempotency_key")
    if key is not None:
        check_name("idempotency_key", key)
    return {
        **_head(scope, item),
        "reply": item["reply"],
        "value": float(item["value"]),
        "idempotency_key": key,
    }


def _instruction(scope: Scope, item: Mapping[str, Any]) -> dict[str, Any]:
    optional = {name: item[name] for name in _OF_AN_INSTRUCTION if name in item}
    rests_on = item.get("rests_on", [])
    if not isinstance(rests_on, list):
        raise InvalidInputError(f"rests_on is {rests_on!r}, expected a list of ids")
    instruction = Instruction(
        item["id"],
        item["text"],
        _moment("created_at", item["created_at"]),
        valid_from=_optional_moment("valid_from", item.get("valid_from")),
        valid_until=_optional_moment("valid_until", item.get("valid_until")),
        rests_on=tuple(rests_on),
        **optional,
    )
    check_instruction(instruction)
    return row_of(scope, instruction)


def _steering(scope: Scope, item: Mapping[str, Any]) -> dict[str, Any]:
    attribute, strength = item["attribute"], item["strength"]
    steering.check(attribute, strength)
    now = to_micros(_moment("created_at", item["created_at"]))
    return steering.row_of(scope, attribute, strength, now)


def _trait(scope: Scope, item: Mapping[str, Any]) -> dict[str, Any]:
    name, text = item["name"], item["text"]
    traits.check(name, text)
    now = to_micros(_moment("created_at", item["created_at"]))
    return traits.row_of(scope, name, text, now)


def _head(scope: Scope, item: Mapping[str, Any]) -> dict[str, Any]:
    check_name("id", item["id"])
    return {
        "tenant": scope.tenant,
        "user": scope.user,
        "id": item["id"],
        "created_at": to_micros(_moment("created_at", item["created_at"])),
    }


def _optional_moment(what: str, value: object) -> datetime | None:
    return None if value is None else _moment(what, value)


def _moment(what: str, value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]  # TypeError is the check
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{what} is {str(value)[:80]!r}, expected an ISO 8601 time with its zone"
        ) from error
    to_micros(moment)
    return moment


def _check_replies(rows: Mapping[str, Rows]) -> None:
    known = {row["id"] for row in rows["reply"]}
    for name in ("comparison", "rating"):
        for row in rows[name]:
            if row["reply"] is not None and row["reply"] not in known:
                raise InvalidInputError(
                    f"{name} {row['id']!r} is about reply {row['reply']!r}, "
                    "which the document does not hold"
                )
