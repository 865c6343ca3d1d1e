"""Counts for limits where one process serves the store, on SQLite: they are in its memory, and written down behind it.

No call waits for that. After an orderly stop nothing is missing; after kill -9 what was counted in the last second.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

import msgspec

from pwreset import logs
from pwreset.errors import StoreUnavailable
from pwreset.reset.limits import MemoryCounters
from pwreset.reset.pool import Kept
from pwreset.reset.ports import Clock
from pwreset.store.connection import Connection
from pwreset.store.lane import Lane
from pwreset.store.rows import as_json, micros, moment

SECONDS = 0.5
KEYS_PER_KIND = 1000  # at once: a flood of new keys must not become one of writes, nor hold up those of other kinds
LONGEST = 5_000  # times of one key; what happens more often is written down at the stop only
ROWS_PER_COMMIT = 250  # calls that wait for the same commit wait a millisecond longer

SWEEP = "DELETE FROM counters WHERE expires_at <= :now"
READ = "SELECT id, key, times, expires_at FROM counters ORDER BY expires_at"
# Rows: JSON, [[id, key, [time, ...], expires_at], ...].
KEEP = """
INSERT INTO counters (id, key, times, expires_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(:rows) WHERE true
ON CONFLICT (id) DO UPDATE SET times = excluded.times, expires_at = excluded.expires_at
"""
FORGET = "DELETE FROM counters WHERE id IN (SELECT value FROM json_each(:rows))"

_times = msgspec.json.Decoder(list[int]).decode

log = logs.get("store")


class CountKeeper:
    """Writes down what counters count, twice a second, on the lane of the store's writer. Built by `begin`."""

    def __init__(self, counters: MemoryCounters, writer: Lane, clock: Clock) -> None:
        self._counters = counters
        self._writer = writer
        self._clock = clock
        # What was taken from the counters and is not known to be written. It is tried until it is, so that nothing
        # that came later is overwritten by it.
        self._under_way: deque[Sequence[Kept]] = deque()
        self._task = asyncio.create_task(self._keep(), name="counts")

    @classmethod
    async def begin(cls, counters: MemoryCounters, writer: Lane, clock: Clock) -> CountKeeper:
        """Give the counters what an earlier process has counted and still counts. Raises StoreUnavailable."""
        now = clock.now()
        for row, digest, times, until in await writer.run(lambda c: _read(c, now)):
            kept = Kept(row, digest.encode(), tuple(map(moment, _times(times))), moment(until))
            counters.restore_kept(kept, now)
        return cls(counters, writer, clock)

    async def close(self) -> None:
        """Write down what is left."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        try:
            while await self._write(sys.maxsize):
                pass
        except StoreUnavailable:
            log.warning("what was counted last for limits is not written: the next start does not know of it")

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            self._counters.drop_over(self._clock.now(), KEYS_PER_KIND)
            with suppress(StoreUnavailable):  # the lane has told it
                await self._write(LONGEST)

    async def _write(self, longest: int) -> bool:
        """Write down some of what has changed; False when there was nothing. Raises StoreUnavailable."""
        if not self._under_way:
            changes = self._counters.changes(KEYS_PER_KIND, longest)
            starts = range(0, len(changes), ROWS_PER_COMMIT)
            self._under_way.extend(changes[start : start + ROWS_PER_COMMIT] for start in starts)
        if not self._under_way:
            return False
        while self._under_way:
            await self._writer.run(partial(_write, self._under_way[0]))
            self._under_way.popleft()
        return True


def _read(connection: Connection, now: datetime) -> list[tuple[int, str, str, int]]:
    connection.execute(SWEEP, {"now": micros(now)})
    return connection.execute(READ).fetchall()


def _write(kept: Sequence[Kept], connection: Connection) -> None:
    gone = [one.row for one in kept if one.until is None]
    rows = [
        [one.row, one.digest, list(map(micros, one.times)), micros(one.until)] for one in kept if one.until is not None
    ]
    if gone:
        connection.execute(FORGET, {"rows": as_json(gone)})
    if rows:
        connection.execute(KEEP, {"rows": as_json(rows)})
