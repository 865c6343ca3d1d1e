"""Counting for limits, in this process's memory, and what of it stays there where nodes share the rest.

A sliding log of times per key: exact, and small because the limits are. Each kind of key (the part before the first
colon) has a pool of its own, so that a flood of one kind never pushes out another's counts.
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from pwreset.reset.ports import Counters, Limit

KEYS_PER_KIND = 100_000


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
    """`pwreset.reset.ports.Counters` for one process."""

    def __init__(self, keys_per_kind: int = KEYS_PER_KIND, tell: Tell = keep_quiet) -> None:
        self._tell = tell
        self._keys_per_kind = keys_per_kind
        self._pools: dict[str, OrderedDict[str, deque[datetime]]] = {}

    async def take(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Count one, unless the limit is reached: then say how long until one fits. A limit of 0 counts nothing."""
        if limit.count == 0:
            return None
        times = self._times(key, limit, now)
        if len(times) >= limit.count:
            self._tell(key.partition(":")[0])
            return times[len(times) - limit.count] + limit.per - now
        times.append(now)
        return None

    async def peek(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Like `take`, without counting."""
        if limit.count == 0:
            return None
        times = self._times(key, limit, now)
        if len(times) < limit.count:
            return None
        self._tell(key.partition(":")[0])
        return times[len(times) - limit.count] + limit.per - now

    async def forget(self, key: str) -> None:
        """Start this key anew."""
        self._pool(key).pop(key, None)

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:  # noqa: ARG002 - the port's
        """Nothing: there is no other process."""
        yield

    def restore(self, key: str, times: Iterable[datetime]) -> None:
        """What was counted before this process began, oldest first."""
        self._pool(key)[key] = deque(times)

    def keys(self) -> Iterator[str]:
        """The keys of all kinds."""
        return chain.from_iterable(self._pools.values())

    def known(self, kind: str) -> int:
        """How many keys of a kind (`page:`) are in memory."""
        return len(self._pool(kind))

    def _pool(self, key: str) -> OrderedDict[str, deque[datetime]]:
        return self._pools.setdefault(key.partition(":")[0], OrderedDict())

    def _times(self, key: str, limit: Limit, now: datetime) -> deque[datetime]:
        pool = self._pool(key)
        times = pool.get(key)
        if times is None:
            times = pool[key] = deque()
            self._make_room(pool, limit, now)
        else:
            pool.move_to_end(key)
        if times and times[-1] > now:
            # The clock was set back. What was counted stays counted, and not for longer than from now on.
            times = pool[key] = deque(min(at, now) for at in times)
        while times and times[0] + limit.per <= now:
            times.popleft()
        return times

    def _make_room(self, pool: OrderedDict[str, deque[datetime]], limit: Limit, now: datetime) -> None:
        """Drop keys whose counts are over, the longest unused first: two for each new one, so that they never pile up.

        All keys of a kind have the same window.
        """
        for _ in range(2):
            oldest = next(iter(pool.values()))
            if len(pool) <= self._keys_per_kind and (len(pool) == 1 or (oldest and oldest[-1] + limit.per > now)):
                return
            pool.popitem(last=False)


NEAR = frozenset(["page", "report", "public-told"])


class SharedCounters:
    """Counters that several nodes share, but for those of floods: each node wards off its own, in memory.

    A write to the database for each request of a flood would carry it there.
    """

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
