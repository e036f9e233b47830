"""``persona audit``: who did what to whose data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import GlobalOptions, JsonOption, options_of
from persona_engine.cli.output import json_line, print_json, print_table, stdout
from persona_engine.cli.times import long_of
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from persona_engine.store import AuditEvent, AuditQuery

SinceOption = Annotated[
    str | None, typer.Option(help="From then on: a time in ISO 8601, or 30m, 12h or 90d ago.")
]
UntilOption = Annotated[str | None, typer.Option(help="Up to then, likewise.")]
ActionOption = Annotated[
    str | None, typer.Option(help="read, write, export, delete, or what the engine itself did.")
]
OfUserOption = Annotated[str | None, typer.Option("--user", "-u", help="To whose data.")]
KeyOption = Annotated[str | None, typer.Option(help="With which key, by its id.")]
_COLUMNS = ("at", "action", "subject", "key", "request", "what")
_PAGE = 1_000

app = Commands(no_args_is_help=True, help="Who did what to whose data; names stand as sha256.")


@app.command("list")
def list_events(
    context: typer.Context,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    action: ActionOption = None,
    user: OfUserOption = None,
    key: KeyOption = None,
    limit: Annotated[int, typer.Option(help="How many, the latest ones.", min=1)] = 50,
    json: JsonOption = False,
) -> None:
    """Show the latest events of the tenant's audit trail, oldest of them first."""
    query = _query(since, until, action, user, key, limit=limit, latest=True)
    found = list(_events(options_of(context), query))
    if json:
        print_json({"events": found})
        return
    print_table("Audit trail", _COLUMNS, [_cells(each) for each in found], width=120)


@app.command("export")
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to; one JSON object a line.")],
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    action: ActionOption = None,
    user: OfUserOption = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Write every event that is asked for to a file that does not exist yet."""
    query = _query(since, until, action, user, key, limit=_PAGE)
    count = 0
    try:
        with file.open("x", encoding="utf-8") as lines:
            for event in _events(options_of(context), query):
                lines.write(json_line(event) + "\n")
                count += 1
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be written: {error.strerror}", remedy="name another file"
        ) from error
    if json:
        print_json({"file": file, "events": count})
    else:
        stdout().print(f"{count} events in {file}.", soft_wrap=True)


@app.command("prune")
def prune(
    context: typer.Context,
    *,
    before: Annotated[str, typer.Option(help="A time in ISO 8601, or how long ago: 90d, 365d.")],
    json: JsonOption = False,
) -> None:
    """Delete the events from before a time, once they need not be kept any longer."""
    from persona_engine.store import NewAuditEvent, Store

    options = options_of(context)
    moment = moment_of("before", before, datetime.now(UTC))
    with Store(options.settings().database) as store:
        count = store.tenant(options.tenant).prune_audit(before=moment)
        detail = {"events": count, "before": moment.isoformat()}
        store.audit([NewAuditEvent(options.tenant, None, "prune", detail)])
    if json:
        print_json({"pruned": count})
    else:
        stdout().print(f"{count} events are deleted.", soft_wrap=True)


def moment_of(what: str, text: str, now: datetime) -> datetime:
    """Return a time that is given as such, or as how long ago it was.

    Raises:
        InvalidInputError: It is neither.

    Examples:
        >>> moment_of("since", "2d", datetime(2026, 1, 3, tzinfo=UTC)).isoformat()
        '2026-01-01T00:00:00+00:00'
    """
    ago = long_of(text)
    try:
        if ago is not None:
            return now - ago
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"{what} is {text!r}, expected a time such as 2026-01-31T12:00, or 30m, 12h or 90d"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _query(
    since: str | None,
    until: str | None,
    action: str | None,
    user: str | None,
    key: str | None,
    *,
    limit: int,
    latest: bool = False,
) -> AuditQuery:
    from persona_engine.store import AuditQuery

    now = datetime.now(UTC)
    return AuditQuery(
        since=None if since is None else moment_of("since", since, now),
        until=None if until is None else moment_of("until", until, now),
        action=action,
        user=user,
        actor=key,
        limit=limit,
        latest=latest,
    )


def _events(options: GlobalOptions, query: AuditQuery) -> Iterator[AuditEvent]:
    """Yield what is asked for; all of it, page by page, where it is not the latest."""
    from persona_engine.store import Store

    with Store(options.settings().database) as store:
        tenant = store.tenant(options.tenant)
        page = tenant.audit_events(query)
        yield from page
        while not query.latest and len(page) == query.limit:
            query = dataclasses.replace(query, after=page[-1].number)
            page = tenant.audit_events(query)
            yield from page


def _cells(event: AuditEvent) -> tuple[object, ...]:
    detail = event.detail
    what = f"{detail['method']} {detail['route']} {detail['status']}" if "route" in detail else ""
    told = what or ", ".join(f"{name} {value}" for name, value in detail.items())
    at = f"{event.created_at:%Y-%m-%d %H:%M:%S}"
    return at, event.action, event.subject[:12], event.actor, event.request, told[:200]
