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

# SQLSTATE classes and codes: read-only transaction, no resources left, a lock not had in time, an operator's or a time
# limit's interruption, the system's errors.
_BEFALLS_ALL = ("25", "53", "55P03", "57", "58")


def befalls_all(error: BaseException) -> bool:
    """Whether each job of a group would meet this failure, tried alone: then trying them would hold up all others."""
    return isinstance(error, ConnectionLost) or (
        isinstance(error, DatabaseFailed) and error.code.startswith(_BEFALLS_ALL)
    )
