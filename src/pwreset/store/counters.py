"""Counts for limits that several nodes share, in PostgreSQL. They are right to the last half second after a crash of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from pwreset.errors import StoreUnavailable
from pwreset.reset.pool import digest_of
from pwreset.reset.ports import Limit
from pwreset.store.connection import Connection
from pwreset.store.lane import Job, Jobs, Lane, note
from pwreset.store.postgres_connection import PostgresConnection, Server
from pwreset.store.rows import micros

LOOK_SECONDS = 0.05
ALONE_SECONDS = 30.0  # longer than a directory may take to answer
SWEEP_SECONDS = 60.0
KEPT = timedelta(hours=1)  # what is over may count again where the clock is set back
KEYS_PER_SWEEP = 1000

# What still counts, and not for longer than from now on where the clock was set back.
_LIVE = """
ARRAY(
    SELECT least(at, excluded.times[1]) FROM unnest(kept.times) AS at
    WHERE least(at, excluded.times[1]) > 2 * excluded.times[1] - excluded.expires_at
)
"""

# Returns the keys that fit. In their order, so that two nodes do not wait for each other.
TAKE = f"""
INSERT INTO counters AS kept (key, times, most, expires_at)
SELECT key, ARRAY[at], most, at + per
FROM unnest(CAST(:keys AS text[]), CAST(:at AS bigint[]), CAST(:most AS bigint[]), CAST(:per AS bigint[]))
    AS asked (key, at, most, per)
ORDER BY key
ON CONFLICT (key) DO UPDATE
SET times = {_LIVE} || excluded.times, most = excluded.most, expires_at = excluded.expires_at
WHERE cardinality({_LIVE}) < excluded.most
RETURNING key
"""  # noqa: S608 - our own constant
TIMES = "SELECT key, times FROM counters WHERE key = ANY(:keys)"
# The clock was set back. What was counted stays counted, and not for longer than from now on.
SET_BACK = """
UPDATE counters SET times = ARRAY(SELECT least(at, :at) FROM unnest(times) AS at), expires_at = :at + :per
WHERE key = :key
"""
FORGET = "DELETE FROM counters WHERE key = :key"
SWEEP_OVER = """
DELETE FROM counters WHERE key = ANY(ARRAY(
    SELECT key FROM counters WHERE expires_at < :before ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
))
"""
LOCK = "SELECT pg_try_advisory_lock(hashtextextended(:key, 1))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(:key, 1))"


@dataclass(frozen=True, slots=True)
class _Take:
    """Counts one. Answers how long until one fits, if none does now."""

    key: str
    limit: Limit
    now: datetime

    def __call__(self, connection: Connection) -> timedelta | None:
        return _take(connection, [self])[0]


class PostgresCounters:
    """`pwreset.reset.ports.Counters` for all nodes on one database.

    What is asked for at the same moment is one statement. Keys are kept as digests: who is in them is nobody's business.
    """

    def __init__(self, server: Server) -> None:
        # A lost half second of counts is no harm, and waiting for the disk would be on each call's way.
        connection = PostgresConnection(server, synchronous_commit="off")
        self._lane = Lane("store-counters", connection, _count, abort=connection.abort, seconds=ALONE_SECONDS)
        self._swept = 0.0

    async def take(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Count one, unless the limit is reached: then say how long until one fits. A limit of 0 counts nothing."""
        if limit.count == 0:
            return None
        self._sweep(now)
        return await self._lane.run(_Take(digest_of(key), limit, now))

    async def peek(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Like `take`, without counting."""
        if limit.count == 0:
            return None
        digest = digest_of(key)
        return await self._lane.run(lambda c: _waits(c, [_Take(digest, limit, now)])[0])

    async def forget(self, key: str) -> None:
        """Start this key anew."""
        await self._lane.run(lambda c: c.execute(FORGET, {"key": digest_of(key)}).rowcount)

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Hold this key, which no other process then holds. Raises StoreUnavailable when one holds it for too long.

        The lock is the connection's: a process that dies gives it up. Two tasks of one process hold it both.
        """
        parameters = {"key": digest_of(key)}
        try:
            async with asyncio.timeout(ALONE_SECONDS):
                # Who holds it may be on another machine, and rings no bell here.
                while not await self._lane.run(lambda c: bool(c.execute(LOCK, parameters).fetchone()[0])):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise StoreUnavailable from None
        try:
            yield
        finally:
            with suppress(StoreUnavailable):  # the connection is lost, and the lock with it
                await self._lane.run(lambda c: c.execute(UNLOCK, parameters).rowcount)

    async def close(self) -> None:
        """Count what is queued and close."""
        await self._lane.close()

    def _sweep(self, now: datetime) -> None:
        """Delete, now and then, some of what counts no more. Nobody waits for it."""
        if abs(now.timestamp() - self._swept) > SWEEP_SECONDS:
            self._swept = now.timestamp()
            parameters = {"before": micros(now - KEPT), "limit": KEYS_PER_SWEEP}
            swept = self._lane.run(lambda c: c.execute(SWEEP_OVER, parameters).rowcount)
            swept.add_done_callback(lambda done: done.exception())  # when the database is away, another time


def _count(connection: Connection, jobs: Jobs) -> None:
    """Run jobs in their order, neighbouring takes of different keys in one statement."""
    group: dict[str, Job[Any]] = {}
    for job in jobs:
        if isinstance(job.work, _Take) and job.work.key not in group:
            group[job.work.key] = job
            continue
        _together(connection, group)
        group = {job.work.key: job} if isinstance(job.work, _Take) else {}
        if not group:
            _try([job], lambda job=job: job.run(connection))
    _together(connection, group)


def _together(connection: Connection, group: dict[str, Job[Any]]) -> None:
    jobs = list(group.values())

    def take() -> None:
        for job, wait in zip(jobs, _take(connection, [cast("_Take", job.work) for job in jobs]), strict=True):
            job.answer = wait

    if jobs:
        _try(jobs, take)


def _try(jobs: Jobs, what: Any) -> None:
    try:
        what()
    except BaseException as error:  # noqa: BLE001 - it belongs to the jobs' callers, and the thread must live
        note(error)
        for job in jobs:
            job.fail(error)


def _take(connection: Connection, takes: Sequence[_Take]) -> list[timedelta | None]:
    fit = {
        row[0]
        for row in connection.execute(
            TAKE,
            {
                "keys": [take.key for take in takes],
                "at": [micros(take.now) for take in takes],
                "most": [take.limit.count for take in takes],
                "per": [take.limit.per // timedelta(microseconds=1) for take in takes],
            },
        )
    }
    refused = [take for take in takes if take.key not in fit]
    waits = iter(_waits(connection, refused) if refused else ())
    # What is refused and would fit a moment later was forgotten meanwhile on another node: then at once.
    return [None if take.key in fit else next(waits) or timedelta(0) for take in takes]


def _waits(connection: Connection, takes: Sequence[_Take]) -> list[timedelta | None]:
    """How long until one fits, of each; None: now."""
    times = dict(connection.execute(TIMES, {"keys": [take.key for take in takes]}).fetchall())
    for take in takes:
        latest = micros(take.now)
        if max(times.get(take.key, ()), default=0) > latest + 1_000_000:  # nodes differ by milliseconds
            per = take.limit.per // timedelta(microseconds=1)
            connection.execute(SET_BACK, {"key": take.key, "at": latest, "per": per})
    return [_wait(times.get(take.key, ()), take.limit, take.now) for take in takes]


def _wait(times: Sequence[int], limit: Limit, now: datetime) -> timedelta | None:
    """How long until one more fits; None: now."""
    at, per = micros(now), limit.per // timedelta(microseconds=1)
    live = sorted(time for time in (min(time, at) for time in times) if time + per > at)
    return timedelta(microseconds=live[-limit.count] + per - at) if len(live) >= limit.count else None
