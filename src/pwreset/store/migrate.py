"""Numbered migrations: recorded with their check sums, all pending ones in one transaction.

A file that is no store of ours, or one that a newer program has written, is refused and left untouched.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from pwreset.errors import StoreUnavailable, StoreVersionError

# "pwrs" in the file's header (SQLite's PRAGMA application_id) marks a store of ours.
APPLICATION_ID = 0x70777273

_RECORD = """
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """What is recorded, so that a program with another text under this number is noticed."""
        return sha256(self.text.encode()).hexdigest()


def known_migrations(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The migrations of this program, or of another folder, in order."""
    folder = folder or files("pwreset.store") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple(Migration(int(name[:4]), name, (folder / name).read_text(encoding="utf-8")) for name in names)


def version_of(connection: sqlite3.Connection) -> int:
    """The store's version: its newest migration; 0 for an empty file. Raises StoreVersionError for a foreign one."""
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application == 0 and tables == 0:
            return 0
        if application != APPLICATION_ID:
            raise StoreVersionError("The file is a database of another program, not a store of pwreset")
        return int(connection.execute("SELECT max(number) FROM migrations").fetchone()[0])
    except sqlite3.OperationalError as error:
        raise StoreUnavailable from error
    except sqlite3.DatabaseError as error:
        raise StoreVersionError("The file is not a store of pwreset") from error


def check_version(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> int:
    """The store's version, when this program can use or upgrade it. Raises StoreVersionError."""
    version = version_of(connection)
    newest = migrations[-1].number
    if version > newest:
        raise StoreVersionError(
            f"The store has version {version}, written by a newer pwreset; this one knows versions up to {newest}. "
            "Use the newer program, or restore a backup from before the upgrade"
        )
    if version:
        _check_record(connection, migrations)
    return version


def _check_record(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> None:
    ours = {migration.number: migration.checksum for migration in migrations}
    for number, checksum in connection.execute("SELECT number, checksum FROM migrations"):
        if ours.get(number) != checksum:
            raise StoreVersionError(f"The store's migration {number} is not the one of this program")


def upgrade(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> tuple[int, int]:
    """Apply what is pending, all of it or nothing: the versions before and after.

    Raises StoreVersionError, StoreUnavailable.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = check_version(connection, migrations)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(_RECORD)
            for migration in migrations:
                if migration.number > before:
                    _apply(connection, migration)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise StoreUnavailable from error
    return before, migrations[-1].number


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    for statement in _statements(migration.text):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO migrations (number, name, checksum, applied_at) VALUES (:number, :name, :checksum, :at)",
        {
            "number": migration.number,
            "name": migration.name,
            "checksum": migration.checksum,
            "at": time.time_ns() // 1000,
        },
    )


def _statements(text: str) -> Iterator[str]:
    """The statements of a file, one by one: `executescript` would commit before each script."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
