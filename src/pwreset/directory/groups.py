"""Who is protected and who is a manager: group memberships, nested ones included.

Groups are read downwards, from the configured DNs to their members. That needs no index and no overlay in the
directory; the person's own `memberOf` is looked at too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pwreset import logs
from pwreset.directory.dialects import Dialect
from pwreset.directory.group_entries import Reading
from pwreset.directory.members import KEPT_SECONDS, Known, Look, Members, People
from pwreset.directory.names import Name, read_dn
from pwreset.directory.pool import Pool

RENEWED_SECONDS = 20.0  # from this age on it is read again while it is still good

log = logs.get("directory")


@dataclass(frozen=True, slots=True)
class Closure:
    """The configured DNs, all groups below them and all their members."""

    names: frozenset[Name]
    unresolved: tuple[str, ...]  # configured DNs that name no entry we can read
    people: int  # how many of the names are people

    def holds(self, dn: str, member_of: Iterable[str] = ()) -> bool:
        """Whether the DN, or one of the groups it says it is in, is in the closure."""
        return any(read_dn(one) in self.names for one in (dn, *member_of))


@dataclass(frozen=True, slots=True)
class Kept:
    """A closure, and what it was made of."""

    closure: Closure
    readings: Mapping[str, Reading | None]  # of all DNs in it but people's
    people: People
    since: float  # when the oldest of the readings was begun


class Groups:
    """The closures of one domain, by purpose."""

    def __init__(
        self,
        pool: Pool,
        domain: str,
        dialect: Dialect,
        wanted: Mapping[str, Iterable[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._domain = domain
        self._clock = clock
        self._dns = {purpose: tuple(dict.fromkeys(dns)) for purpose, dns in wanted.items()}
        self._members = Members(pool, dialect.group_facts, clock)
        self._kept: dict[str, Kept] = {}
        self._reading: asyncio.Task[list[Closure]] | None = None

    async def closures(self, purposes: Sequence[str]) -> list[Closure]:
        """As they were at most 30 seconds ago. Raises DirectoryUnavailable, DirectoryMisconfigured."""
        kept = [self._kept[purpose] for purpose in purposes if purpose in self._kept]
        if len(kept) < len(purposes) or self._is_any_older(kept, KEPT_SECONDS):
            await asyncio.shield(self._start_reading())
            return [self._kept[purpose].closure for purpose in purposes]
        self._renew(purposes)
        return [one.closure for one in kept]

    async def fresh(self, purposes: Sequence[str], person: str | None = None) -> list[Closure]:
        """As they are now, for this person's DN. Raises DirectoryUnavailable, DirectoryMisconfigured."""
        closures = await self._closures(purposes, await self._members.look(person))
        self._renew(purposes)
        return closures

    def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()

    def _renew(self, purposes: Sequence[str]) -> None:
        """Read in the background what is not to be relied on for much longer, so that nobody has to wait for it."""
        if self._is_any_older([self._kept[purpose] for purpose in purposes], RENEWED_SECONDS):
            self._start_reading()

    def _is_any_older(self, kept: Iterable[Kept], seconds: float) -> bool:
        return any(self._clock() - one.since >= seconds for one in kept)

    def _start_reading(self) -> asyncio.Task[list[Closure]]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_in_full())
            self._reading.add_done_callback(self._reading_is_over)
        return self._reading

    def _reading_is_over(self, task: asyncio.Task[list[Closure]]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # seen: who waits for it gets it too

    async def _read_in_full(self) -> list[Closure]:
        look = await self._members.look(whole=True)
        closures = await self._closures(tuple(self._dns), look)
        self._members.people = look.people
        return closures

    async def _closures(self, purposes: Sequence[str], look: Look) -> list[Closure]:
        found = await self._walk_all(purposes, look)
        if look.is_shaken:
            look.start_over()
            found = await self._walk_all(purposes, look)
        self._kept |= found
        for purpose, kept in found.items():
            if kept.closure.unresolved:
                dns = list(kept.closure.unresolved)
                log.error("configured DNs cannot be read", domain=self._domain, setting=purpose, dns=dns)
        return [found[purpose].closure for purpose in purposes]

    async def _walk_all(self, purposes: Sequence[str], look: Look) -> dict[str, Kept]:
        """All groups known from the last time are asked at once, then what is new is followed downwards."""
        before = {purpose: self._kept.get(purpose) for purpose in purposes}
        known = [dn for kept in before.values() if kept is not None for dn in kept.readings]
        await look.ask([*(dn for purpose in purposes for dn in self._dns[purpose]), *known])
        return {
            purpose: _as_before(kept, look) or await self._walk(self._dns[purpose], look)
            for purpose, kept in before.items()
        }

    async def _walk(self, dns: Sequence[str], look: Look) -> Kept:
        readings: dict[str, Reading | None] = {}
        names: set[Name] = set()
        level, since = list(dns), look.began
        while level:
            await look.ask(level)
            found = {dn: look.at(dn) for dn in level}
            readings |= {dn: None if known is None else known.reading for dn, known in found.items()}
            since = min([since, *(known.since for known in found.values() if known is not None)])
            names.update(name for dn in level if (name := read_dn(dn)) is not None)
            level = await _next_level(found.values(), names, look)
        closure = Closure(
            frozenset(names),
            tuple(dn for dn in dns if readings[dn] is None),
            len(names & look.people.names),
        )
        groups = {dn: reading for dn, reading in readings.items() if dn in dns or not _is_person(reading)}
        return Kept(closure, groups, look.people, since)


async def _next_level(found: Iterable[Known | None], names: set[Name], look: Look) -> list[str]:
    """Members not seen before that may be groups. Those known to be people are taken in at once."""
    new: dict[Name, str] = {}
    for known in found:
        if known is not None:
            new |= {name: dn for name, dn in known.reading.members.items() if name not in names}
    await look.find_people([dn for name, dn in new.items() if name not in look.people.names])
    people = new.keys() & look.people.names
    names |= people
    return [dn for name, dn in new.items() if name not in people]


def _as_before(kept: Kept | None, look: Look) -> Kept | None:
    """What was kept, if everything in it says the same as then."""
    if kept is None or look.people is not kept.people:
        return None
    found = {dn: look.at(dn) for dn in kept.readings}
    if any(not _is_same(reading, found[dn]) for dn, reading in kept.readings.items()):
        return None
    return replace(kept, since=min([look.began, *(known.since for known in found.values() if known is not None)]))


def _is_same(reading: Reading | None, known: Known | None) -> bool:
    if reading is None or known is None:
        return reading is None and known is None
    # Of people nothing is kept, and nothing matters but that they are.
    return known.reading is reading or (known.reading.is_person and reading.is_person)


def _is_person(reading: Reading | None) -> bool:
    return reading is not None and reading.is_person
