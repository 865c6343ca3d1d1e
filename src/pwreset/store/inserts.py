"""Many rows in one statement."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from functools import cache

from pwreset.store.rows import Parameters

MOST_ROWS = 64  # each number of rows is a prepared statement that the connection keeps: see `connect`
_PARAMETER = re.compile(r":(\w+)")


def insert(connection: sqlite3.Connection, statement: str, rows: Sequence[Parameters]) -> None:
    """Add rows with an INSERT of one, as many as fit into each statement.

    Python's lock changes hands with the event loop's thread at each statement: under load that costs more than a row.
    """
    for start in range(0, len(rows), MOST_ROWS):
        some = rows[start : start + MOST_ROWS]
        text, names = _of_many(statement, len(some))
        connection.execute(text, [row[name] for row in some for name in names])


@cache
def _of_many(statement: str, count: int) -> tuple[str, tuple[str, ...]]:
    """`INSERT ... VALUES (:a, :b)` as `INSERT ... VALUES (?, ?), (?, ?)`, and its parameters of one row in order."""
    head, values, row = statement.partition("VALUES")
    return head + values + ", ".join([_PARAMETER.sub("?", row)] * count), tuple(_PARAMETER.findall(row))
