"""``persona keys``: make, list and revoke the keys that open the server for a tenant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, options_of
from persona_engine.cli.output import jsonable, print_json, print_table, stderr, stdout
from persona_engine.cli.times import long_of
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from persona_engine.store import ApiKey

_COLUMNS = ("key", "label", "scopes", "per minute", "status", "created", "expires", "last used")
_NO_TIME = "never"

app = Commands(no_args_is_help=True, help="The keys that open the server for a tenant.")


@app.command("create")
def create(
    context: typer.Context,
    label: Annotated[str, typer.Argument(help="What to call it, such as the caller's name.")],
    *,
    scope: Annotated[
        list[str], typer.Option(help="chat, feedback or admin, which includes both; repeatable.")
    ],
    expires: Annotated[
        str, typer.Option(help="After which time it stops: 30m, 12h, 90d, or never.")
    ] = "90d",
    per_minute: Annotated[
        int | None, typer.Option(help="Requests per minute; the server's limit if omitted.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a key for --tenant and print its secret, which is never shown again."""
    from persona_engine.store import Store

    options = options_of(context)
    end = moment_of(expires, datetime.now(UTC))
    with Store(options.settings().database) as store:
        made = store.api_keys.create(
            options.tenant, label=label, scopes=scope, expires_at=end, per_minute=per_minute
        )
    if json:
        print_json({"key": _told(made.key), "secret": made.secret})
        return
    stdout().print(made.secret, soft_wrap=True)
    stderr().print(
        f"Key {made.key.id} of tenant {options.tenant!r}. Keep the secret above: only its hash is "
        "stored, and nobody can show it again.",
        soft_wrap=True,
    )


@app.command("list")
def list_keys(context: typer.Context, *, json: JsonOption = False) -> None:
    """List the tenant's keys: what they may do, whether they are live, when they were used."""
    from persona_engine.store import Store

    options = options_of(context)
    with Store(options.settings().database) as store:
        keys = store.api_keys.list(options.tenant)
    if json:
        print_json({"tenant": options.tenant, "keys": [_told(key) for key in keys]})
        return
    print_table(f"Keys of {options.tenant}", _COLUMNS, [_cells(key) for key in keys], width=120)


@app.command("revoke")
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Id of the key, as `persona keys list` shows it.")],
    *,
    json: JsonOption = False,
) -> None:
    """Stop a key for good, at once and in every process, with the sessions made from it."""
    from persona_engine.store import Store

    options = options_of(context)
    with Store(options.settings().database) as store:
        revoked = store.api_keys.revoke(options.tenant, key)
    if json:
        print_json({"key": _told(revoked)})
    else:
        stdout().print(f"Key {key} ({revoked.label}) is revoked.", soft_wrap=True)


def moment_of(text: str, now: datetime) -> datetime | None:
    """Return when a time like ``90d`` from now ends, or None for ``never``.

    Raises:
        InvalidInputError: It is no such time.

    Examples:
        >>> moment_of("12h", datetime(2026, 1, 1, tzinfo=UTC)).isoformat()
        '2026-01-01T12:00:00+00:00'
    """
    if text == _NO_TIME:
        return None
    length = long_of(text)
    try:
        if length is not None:
            return now + length
    except OverflowError:
        pass
    raise InvalidInputError(
        f"expires is {text!r}, expected a time such as 30m, 12h or 90d, or never"
    )


def _told(key: ApiKey) -> dict[str, object]:
    fields = jsonable(key)
    return {**fields, "scopes": sorted(key.scopes), "status": key.status(datetime.now(UTC))}


def _cells(key: ApiKey) -> tuple[object, ...]:
    moments = (key.created_at, key.expires_at, key.used_at)
    created, expires, used = (
        _NO_TIME if each is None else f"{each:%Y-%m-%d %H:%M}" for each in moments
    )
    scopes = ", ".join(sorted(key.scopes))
    limit = "server's" if key.per_minute is None else key.per_minute
    return key.id, key.label, scopes, limit, key.status(datetime.now(UTC)), created, expires, used
