"""Statements of the hot path, compiled once and handed to the driver as they are.

SQLAlchemy spends some 45 µs on a statement's execution, several times what SQLite needs to run it.
Recording feedback takes three statements, so the difference is felt there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.exc import DBAPIError

Bind = Callable[[Mapping[str, Any]], Any]


class Prepared:
    """A statement whose columns need no conversion by SQLAlchemy: text, numbers and bytes.

    Args:
        statement: A select, insert, update or delete with named parameters.
        columns: Names of the parameters of an insert or update that its columns take.
    """

    def __init__(self, statement: ClauseElement, *, columns: tuple[str, ...] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, tuple[str, Bind]] = {}

    def execute(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Run on the connection and return the driver's cursor.

        Raises:
            DBAPIError: The database refused; the same error as SQLAlchemy's own.
        """
        dialect = connection.dialect
        text, bind = self._compiled.get(dialect.name) or self._compile(connection)
        driver: Any = connection.connection.driver_connection
        try:
            return driver.execute(text, bind(parameters))
        except Exception as error:
            dbapi: Any = dialect.loaded_dbapi
            if not isinstance(error, dbapi.Error):
                raise
            raise DBAPIError.instance(text, None, error, dbapi.Error, dialect=dialect) from error

    def _compile(self, connection: Connection) -> tuple[str, Bind]:
        dialect = connection.dialect
        keys = None if self._columns is None else list(self._columns)
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=keys)
        names: list[str] | None = compiled.positiontup

        def by_position(parameters: Mapping[str, Any]) -> list[Any]:
            return [parameters[name] for name in names or ()]

        def by_name(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
            return parameters

        entry = (str(compiled), by_name if names is None else by_position)
        self._compiled[dialect.name] = entry
        return entry
