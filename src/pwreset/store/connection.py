"""What a unit of work needs of a database connection, whichever engine it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...

    def fetchone(self) -> Any:
        """The next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""
        ...


class Connection(Protocol):
    """A connection in autocommit mode. `sqlite3.Connection` is one, and so is `PostgresConnection`."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    def execute(self, sql: str, parameters: Mapping[str, object] | Sequence[object] = ..., /) -> Cursor:
        """Run one of `statements`. Raises one of `FAILURES`."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class DatabaseFailed(Exception):  # inside this package only; the lanes turn it into StoreUnavailable
    """PostgreSQL refused a statement: as sqlite3.Error for SQLite. `code` is its SQLSTATE, if it told one."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class ConnectionLost(DatabaseFailed):
    """The connection broke; whether what was under way was done, nobody knows."""


FAILURES = (sqlite3.Error, DatabaseFailed)


def is_shared(connection: Connection) -> bool:
    """Whether other processes may write at this moment."""
    return getattr(connection, "is_shared", False)
