"""Many rows in one statement."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter

from pwreset.store.connection import Connection
from pwreset.store.rows import Parameters

MOST_ROWS = 64  # each number of rows is a prepared statement that the connection keeps: see `connect`
_PARAMETER = re.compile(r":(\w+)")


def insert(connection: Connection, statement: str, rows: Sequence[Parameters]) -> None:
    """Add rows with an INSERT of one, as many as fit into each statement.

    Python's lock changes hands with the event loop's thread at each statement: under load that costs more than a row.
    """
    for start in range(0, len(rows), MOST_ROWS):
        some = rows[start : start + MOST_ROWS]
        text, values_of = _of_many(statement, len(some))
        connection.execute(text, tuple(chain.from_iterable(map(values_of, some))))


@cache
def _of_many(statement: str, count: int) -> tuple[str, Callable[[Parameters], tuple[object, ...]]]:
    """`INSERT ... VALUES (:a, :b)` as `INSERT ... VALUES (?, ?), (?, ?)`, and what takes a row's values in that order."""
    head, values, row = statement.partition("VALUES")
    return head + values + ", ".join([_PARAMETER.sub("?", row)] * count), itemgetter(*_PARAMETER.findall(row))
