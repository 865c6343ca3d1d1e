"""Moving a store from SQLite to PostgreSQL: every row, in one transaction, compared on both sides before it is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from pwreset.errors import StartError, StoreUnavailable
from pwreset.store.connection import DatabaseFailed
from pwreset.store.file import FileLock, connect, prepare
from pwreset.store.postgres import migrate
from pwreset.store.postgres_connection import Server

# In the order in which rows point at one another, each with what its rows are told apart by.
TABLES = {
    "requests": ("sequence",),
    "deliveries": ("sequence",),
    "events": ("sequence",),
    "blocks": ("node", "number"),
    "heads": ("node",),
    "once": ("key",),
    "challenges": ("request_id",),
    "counters": ("key",),
}
NUMBERED = ("requests", "deliveries", "events")
ROWS_AT_ONCE = 1000
# There is no time limit for one statement here: a table may be large.
PATIENT = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "enable_seqscan": "on"}

Row = tuple[Any, ...]

# Counts are numbered here and found by their keys there, and their times are JSON here and a list there.
LEFT_OUT = {"counters": "id"}
AS_THERE: dict[str, Callable[[Row], Row]] = {"counters": lambda row: (row[0], msgspec.json.decode(row[1]), *row[2:])}


def copy_store(path: Path, target: Server, advance: Callable[[int], None]) -> dict[str, int]:
    """Copy a SQLite store that nobody serves to an empty database: how many rows of each table.

    `advance` is told of rows done: each counts twice, copied and compared. Raises StartError when a process serves it,
    when the target holds rows already, or when what arrived is not what was sent: then nothing is kept.
    """
    lock = FileLock(path)
    try:
        prepare(path, locked=True)
        migrate(target)
        with closing(connect(path)) as source, target.connect(**PATIENT) as there, there.transaction():
            _refuse_rows(there)
            return {table: _copy(source, there, table, advance) for table in TABLES}
    except (sqlite3.Error, psycopg.Error, DatabaseFailed) as error:
        raise StoreUnavailable from error
    finally:
        lock.close()


def row_count(path: Path) -> int:
    """How many rows there are to copy. Upgrades the store where needed, and raises what that raises."""
    prepare(path, locked=False)
    with closing(connect(path)) as source:
        return sum(int(source.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in TABLES)  # noqa: S608


def _refuse_rows(there: psycopg.Connection[Row]) -> None:
    for table in TABLES:
        # Locked, so that no process begins to write between this look and the commit.
        there.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.Identifier(table)))
        if there.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))).fetchone():
            raise StartError(f"the target holds {table} already: only an empty store is copied to")


def _copy(
    source: sqlite3.Connection, there: psycopg.Connection[Row], table: str, advance: Callable[[int], None]
) -> int:
    names = [row[1] for row in source.execute(f"PRAGMA table_info({table})") if row[1] != LEFT_OUT.get(table)]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    order = ", ".join(TABLES[table])
    listed = ", ".join(f'"{name}"' for name in names)
    rows = source.execute(f"SELECT {listed} FROM {table} ORDER BY {order}")  # noqa: S608 - our own names
    as_there = AS_THERE.get(table, tuple)
    sent, count = sha256(), 0
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with there.cursor().copy(into) as copy:
        while some := rows.fetchmany(ROWS_AT_ONCE):
            for row in map(as_there, some):
                sent.update(_text(row))
                copy.write_row(row)
            count += len(some)
            advance(len(some))
    if _arrived(there, table, columns, advance) != sent.hexdigest():
        raise StartError(f"{table}: what arrived is not what was sent; nothing is kept")
    if table in NUMBERED:
        there.execute(
            sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'sequence'), max(sequence)) FROM {}").format(
                sql.Literal(table), sql.Identifier(table)
            )
        )
    if table == "blocks":
        # Where several write, an event's block is written down: the numbers alone do not tell it there.
        there.execute("UPDATE events SET block = number FROM blocks WHERE sequence BETWEEN first AND last")
    return count


def _arrived(there: psycopg.Connection[Row], table: str, columns: sql.Composed, advance: Callable[[int], None]) -> str:
    # COLLATE: as SQLite orders text, by its bytes.
    order = [
        sql.SQL('{} COLLATE "C"').format(sql.Identifier(name))
        if name in {"node", "key", "request_id"}
        else sql.Identifier(name)
        for name in TABLES[table]
    ]
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(columns, sql.Identifier(table), sql.SQL(", ").join(order))
    digest = sha256()
    with there.cursor(name="compare") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        for row in cursor.execute(query):
            digest.update(_text(row))
            advance(1)
    return digest.hexdigest()


def _text(row: Iterable[Any]) -> bytes:
    return msgspec.msgpack.encode(list(row))
