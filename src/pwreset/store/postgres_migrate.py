"""Numbered migrations of a store on PostgreSQL: under a lock, all pending ones in one transaction.

Nodes are upgraded one after the other while the others serve people, so a migration says in its first line from which
version on programs can still work with what it makes: `-- Works with programs that know: 1`. A program that knows less
is refused; one that knows enough serves a store that is ahead of it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from pwreset.errors import StoreUnavailable, StoreVersionError
from pwreset.store.connection import DatabaseFailed
from pwreset.store.migrate import Migration, known_migrations
from pwreset.store.postgres_connection import PostgresConnection
from pwreset.store.postgres_statements import LOCK_MIGRATIONS

_WORKS_WITH = re.compile(r"-- Works with programs that know: (\d+)\n")

_RECORD = """
CREATE TABLE IF NOT EXISTS migrations (
    number BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    works_from BIGINT NOT NULL,
    applied_at BIGINT NOT NULL
)
"""
# Whether our record is there, and whether anything is.
_WHOSE = """
SELECT EXISTS (
    SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('migrations') AND attname = 'works_from'
), EXISTS (
    SELECT 1 FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = to_regnamespace(current_schema())
)
"""
_ADD = """
INSERT INTO migrations (number, name, checksum, works_from, applied_at)
VALUES (:number, :name, :checksum, :works_from, :at)
"""


@dataclass(frozen=True, slots=True)
class _Applied:
    number: int
    checksum: str
    works_from: int


def known(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The migrations of this program, or of another folder, in order."""
    return known_migrations(folder or files("pwreset.store") / "migrations" / "postgres")


def version_of(connection: PostgresConnection) -> int:
    """The store's version: its newest migration; 0 when there is none. Raises StoreUnavailable."""
    try:
        return max((one.number for one in _applied(connection)), default=0)
    except DatabaseFailed as error:
        raise StoreUnavailable from error


def prepare(connection: PostgresConnection, folder: Traversable | None = None) -> tuple[int, int]:
    """Make or upgrade the store where that is needed: its versions before and after.

    Raises StoreVersionError, StoreUnavailable.
    """
    migrations = known(folder)
    try:
        before = _check(_applied(connection), migrations)
        if before >= migrations[-1].number:
            return before, before
        return _upgrade(connection, migrations)
    except DatabaseFailed as error:
        raise StoreUnavailable from error


def _upgrade(connection: PostgresConnection, migrations: tuple[Migration, ...]) -> tuple[int, int]:
    connection.execute("BEGIN")
    try:
        connection.execute(LOCK_MIGRATIONS)  # several nodes may start at once
        before = _check(_applied(connection), migrations)
        connection.execute(_RECORD)
        for migration in migrations:
            if migration.number > before:
                _apply(connection, migration)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return before, max(before, migrations[-1].number)


def _applied(connection: PostgresConnection) -> list[_Applied]:
    ours, tables = connection.execute(_WHOSE).fetchone()
    if tables and not ours:
        raise StoreVersionError("The database holds tables of another program, not a store of pwreset")
    if not tables:
        return []
    rows = connection.execute("SELECT number, checksum, works_from FROM migrations ORDER BY number").fetchall()
    return [_Applied(*row) for row in rows]


def _check(applied: list[_Applied], migrations: tuple[Migration, ...]) -> int:
    """The store's version, when this program can use or upgrade it. Raises StoreVersionError."""
    newest = migrations[-1].number
    ours = {migration.number: migration.checksum for migration in migrations}
    for one in applied:
        if one.number > newest and one.works_from > newest:
            raise StoreVersionError(
                f"The store has version {applied[-1].number}, made by a newer pwreset; this one knows versions up to"
                f" {newest}, and {one.works_from} is needed. Use the newer program, or restore a backup from before the"
                " upgrade"
            )
        if one.number <= newest and ours.get(one.number) != one.checksum:
            raise StoreVersionError(f"The store's migration {one.number} is not the one of this program")
    return applied[-1].number if applied else 0


def _apply(connection: PostgresConnection, migration: Migration) -> None:
    told = _WORKS_WITH.match(migration.text)
    connection.execute(migration.text)
    connection.execute(
        _ADD,
        {
            "number": migration.number,
            "name": migration.name,
            "checksum": migration.checksum,
            "works_from": int(told[1]) if told else migration.number,
            "at": time.time_ns() // 1000,
        },
    )
