"""The store: one database that holds the truth about every user."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from persona_engine.observing import SILENT, Observer
from persona_engine.store import audit, integrity, migrate, schema, scrub
from persona_engine.store.api_keys import ApiKeys
from persona_engine.store.clock import Clock, to_micros, utc_now
from persona_engine.store.database import BUSY_SECONDS, Database, Dialect
from persona_engine.store.idempotency import Idempotency
from persona_engine.store.rates import Rates
from persona_engine.store.records import NewAuditEvent
from persona_engine.store.redacted import Redact, as_it_is
from persona_engine.store.sessions import Sessions
from persona_engine.store.tenant_store import TenantStore
from persona_engine.store.user_store import UserStore
from persona_engine.store.validate import check_scope, check_scope_name
from persona_engine.types import Scope


class Store:
    """An open database, safe to use from several threads and processes.

    A SQLite file is made and migrated on opening; a server's database must be at the head
    (`persona db upgrade`).

    Args:
        url: ``sqlite:///persona.db`` or ``postgresql://user@host/name``.
        clock: Gives the time of what is written.
        observer: Hears of every select and transaction.
        redact: What every text of a person goes through before it is written: a function of the
            text that changes nothing when it is applied again.

    Raises:
        ConfigError: The URL cannot be used.
        SchemaVersionError: The schema is newer than this code, or a server's is older.
        StoreUnavailableError: The database cannot be reached, read or written.
        MissingExtraError: The driver for PostgreSQL is not installed.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Store(f"sqlite:///{folder}/persona.db") as store:
        ...         alice = store.user(Scope("default", "alice"))
        ...         alice.touch()
        ...         store.tenant("default").users()
        ('alice',)
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock = utc_now,
        observer: Observer = SILENT,
        redact: Redact = as_it_is,
    ) -> None:
        self.url = url
        self.redact = redact
        self._clock = clock
        self._database = Database(url, observer=observer)
        self.dialect: Dialect = self._database.dialect
        try:
            self._open()
        except BaseException:
            self._database.close()
            raise

    def user(self, scope: Scope) -> UserStore:
        """Return what is stored about one user.

        Raises:
            ScopeError: Tenant or user is not a name of 1 to 256 characters.
        """
        check_scope(scope)
        return UserStore(self._database, scope, self._clock, self.redact)

    def tenant(self, tenant: str) -> TenantStore:
        """Return what is stored about all users of a tenant.

        Raises:
            ScopeError: The tenant is not a name of 1 to 256 characters.
        """
        check_scope_name("tenant", tenant)
        return TenantStore(self._database, tenant, self._clock, self.redact)

    @property
    def api_keys(self) -> ApiKeys:
        """Who may call the server, for every tenant."""
        return ApiKeys(self._database, self._clock)

    @property
    def sessions(self) -> Sessions:
        """The sessions of the console."""
        return Sessions(self._database, self._clock)

    @property
    def rates(self) -> Rates:
        """How many requests each key may still make."""
        return Rates(self._database, self._clock)

    @property
    def idempotency(self) -> Idempotency:
        """Answers to requests that carried an idempotency key."""
        return Idempotency(self._database, self._clock)

    def audit(self, events: Sequence[NewAuditEvent]) -> None:
        """Append events of any tenants to their audit trails, all or none.

        Raises:
            InvalidInputError: An action is no name, or a detail is no JSON.
        """
        audit.write_all(self._database, events, now=to_micros(self._clock()))

    def flush_log(self, *, patience: float = 0.05) -> bool:
        """Cut off SQLite's write-ahead log, so that what was deleted is not in it any more.

        Args:
            patience: Seconds to wait for others, who may still read from the log.

        Returns:
            Whether nothing is left there. False on other databases: a server keeps its own.
        """
        return scrub.flush_log(self._database, patience=patience)

    def vacuum(self, *, patience: float = BUSY_SECONDS) -> bool:
        """Write the database anew, without any copy of what was deleted.

        It takes the time of writing all of it, and room for it beside the old one; meanwhile others
        wait to write. On a server it is ``VACUUM FULL``.

        Args:
            patience: Seconds to wait for others who write or read.

        Returns:
            Whether the old content is in no file any more: False where SQLite's file was not
            written anew because others wrote, or its log not cut off because others read.
        """
        return scrub.vacuum(self._database, patience=patience)

    def file_size(self) -> int:
        """Return the bytes of SQLite's file, 0 on a server."""
        return scrub.size(self._database)

    def check(self) -> tuple[str, ...]:
        """Return what is wrong with the database, in words; empty when it is sound."""
        return integrity.faults(self._database)

    def revision(self) -> str | None:
        """Return the revision of the database's schema."""
        return migrate.current_revision(self._database)

    def head(self) -> str:
        """Return the revision that this code needs."""
        return schema.REVISION

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> None:
        if self.dialect == "sqlite" and migrate.current_revision(self._database) != self.head():
            migrate.upgrade_database(self._database)
        migrate.require_current(self._database)
