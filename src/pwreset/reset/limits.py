"""Counting for limits, in this process's memory, and what of it stays there where nodes share the rest.

A sliding log of times per key: exact, and small because the limits are. Each kind of key (the part before the first
colon) has a pool of its own, so that a flood of one kind never pushes out another's counts.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from pwreset.reset.pool import Kept, Key, Pool
from pwreset.reset.ports import Counters, Limit

KEYS_PER_KIND = 100_000

# What wards off floods: a write to the database for each request of a flood would carry it there.
NEAR = frozenset(["page", "report", "public-told"])
# The outbox knows them better: it has those of commands, too, and of the last moment before a kill.
IN_THE_OUTBOX = frozenset(["sms"])


Tell = Callable[[str], None]  # told the kind of a limit that has stopped something, and never the rest of its key


def alike(typed: str) -> str:
    """A name as limits see it: one text for all its ways to be typed that most directories take for the same."""
    return " ".join(unicodedata.normalize("NFKC", typed).casefold().split())


@dataclass(frozen=True, slots=True)
class Network:
    """Where strangers' asks and guesses come from and are counted for; a wider one may do so many `times` as much."""

    name: str
    times: int = 1


def by_network(kind: str, networks: Iterable[Network], count: int, per: timedelta) -> tuple[tuple[str, Limit], ...]:
    """The counters of an address's networks, with how much each may do, if the narrowest may do `count`."""
    return tuple((f"{kind}:{network.name}", Limit(count * network.times, per)) for network in networks)


def keep_quiet(_kind: str) -> None:
    """Nobody counts what is stopped."""


class MemoryCounters:
    """`pwreset.reset.ports.Counters` for one process. `are_kept`: whether somebody writes down what changes."""

    def __init__(self, keys_per_kind: int = KEYS_PER_KIND, tell: Tell = keep_quiet, *, are_kept: bool = False) -> None:
        self._tell = tell
        self._keys_per_kind = keys_per_kind
        self._are_kept = are_kept
        self._pools: dict[str, Pool] = {}
        self._last_row = 0

    async def take(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Count one, unless the limit is reached: then say how long until one fits. A limit of 0 counts nothing."""
        if limit.count == 0:
            return None
        pool = self._pool(key)
        count = pool.count(key, limit.per, now)
        times = count.times
        if len(times) >= limit.count:
            self._tell(key.partition(":")[0])
            return times[len(times) - limit.count] + limit.per - now
        times.append(now)
        pool.changed(count)
        return None

    async def peek(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Like `take`, without counting."""
        if limit.count == 0:
            return None
        times = self._pool(key).count(key, limit.per, now).times
        if len(times) < limit.count:
            return None
        self._tell(key.partition(":")[0])
        return times[len(times) - limit.count] + limit.per - now

    async def forget(self, key: str) -> None:
        """Start this key anew."""
        self._pool(key).forget(key)

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:  # noqa: ARG002 - the port's
        """Nothing: there is no other process."""
        yield

    def restore(self, key: str, times: Iterable[datetime]) -> None:
        """What was counted before this process began, oldest first."""
        self._pool(key).put(key, times)

    def restore_kept(self, kept: Kept, now: datetime) -> None:
        """What was written down before this process began (see `changes`). In the order in which they end."""
        self._last_row = max(self._last_row, kept.row)
        self._pool(kept.digest).put_kept(kept, now)

    def changes(self, most_per_kind: int, longest: int = sys.maxsize) -> list[Kept]:
        """What is to be written down since the last time, at most so many of each kind; the rest the next time.

        What happened more than `longest` times waits until it is asked for without that: it is written down whole, and
        so costs as much again with each time.
        """
        return [kept for pool in self._pools.values() for kept in pool.take_changes(most_per_kind, longest)]

    def drop_over(self, now: datetime, most_per_kind: int) -> None:
        """Drop what counts no more, at most so many of each kind."""
        for pool in self._pools.values():
            pool.drop_over(now, most_per_kind)

    def keys(self) -> Iterator[Key]:
        """The keys of all kinds."""
        return chain.from_iterable(pool.keys() for pool in self._pools.values())

    def known(self, kind: str) -> int:
        """How many keys of a kind (`page:`) are in memory."""
        return len(self._pool(kind))

    def _pool(self, key: str) -> Pool:
        kind = key.partition(":")[0]
        pool = self._pools.get(kind)
        if pool is None:
            is_kept = self._are_kept and kind not in NEAR | IN_THE_OUTBOX
            pool = self._pools[kind] = Pool(self._keys_per_kind, self._new_row if is_kept else None)
        return pool

    def _new_row(self) -> int:
        self._last_row += 1
        return self._last_row


class SharedCounters:
    """Counters that several nodes share, but for those of floods: each node wards off its own, in memory."""

    def __init__(self, shared: Counters, tell: Tell = keep_quiet) -> None:
        self._shared = shared
        self._tell = tell
        self._near = MemoryCounters()

    def _of(self, key: str) -> Counters:
        return self._near if key.partition(":")[0] in NEAR else self._shared

    async def take(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Count one, unless the limit is reached: then say how long until one fits."""
        return self._told(key, await self._of(key).take(key, limit, now))

    async def peek(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Like `take`, without counting."""
        return self._told(key, await self._of(key).peek(key, limit, now))

    async def forget(self, key: str) -> None:
        """Start this key anew."""
        await self._of(key).forget(key)

    def alone(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold this key, which no other process then holds."""
        return self._of(key).alone(key)

    def _told(self, key: str, wait: timedelta | None) -> timedelta | None:
        if wait is not None:
            self._tell(key.partition(":")[0])
        return wait
