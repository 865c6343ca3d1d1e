"""Groups are read in full once, and then asked whether they still are as they were.

A group whose mark did not move has been modified by nobody, and is not read again for up to 30 seconds. What the server
itself writes into groups, a renamed member's new name say, need not move the mark. So where that is known of a kind of
directory, the group is asked in the same search whether the person in question still is in it, or still is not; and a
group that is gone, or another one of the same name, makes us read all of them in full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import ldap
from ldap.filter import escape_filter_chars

from pwreset.directory.dialects import GroupFacts
from pwreset.directory.entries import Entry
from pwreset.directory.group_entries import ATTRIBUTES, MEMBER_ATTRIBUTES, Reading, has_person_class, told_in_full
from pwreset.directory.names import Name, is_below, read_dn
from pwreset.directory.pool import Answer, Pool
from pwreset.directory.reading import ANYTHING
from pwreset.directory.rootdse import RootDse
from pwreset.directory.shared import Search, SharedConnection
from pwreset.errors import DirectoryMisconfigured, DirectoryUnavailable

KEPT_SECONDS = 30.0
PEOPLE_KEPT_SECONDS = 600.0
PEOPLE_RENEWED_SECONDS = 400.0  # from this age on the next reading in the background finds them out again
# A server may answer to a renaming before it has written the new name into all groups.
SETTLED_SECONDS = 5.0
# Entries asked for with one filter. The server compares each of them with each, so more take longer again.
IN_ONE = 8

A = TypeVar("A")
B = TypeVar("B")
Key = Name | str  # the text of what is no DN


def key_of(dn: str) -> Key:
    """What an entry is kept by, however its DN is spelled."""
    return read_dn(dn) or dn


@dataclass(frozen=True, slots=True)
class Known:
    """A reading, when it was begun, and the entry's mark and identity then, on this server.

    Where servers do not say who they are, each connection stands for one of its own.
    """

    reading: Reading
    since: float
    mark: tuple[list[bytes], ...]
    identity: list[bytes]
    server: str | SharedConnection


@dataclass(frozen=True, slots=True)
class People:
    """Who is known to be a person, as found out from then on: they need not be asked again whether they are groups."""

    since: float
    names: set[Name] = field(default_factory=set)


class Members:
    """The groups of one domain as far as they have been read. `clock` tells seconds, and is never set back."""

    def __init__(self, pool: Pool, facts: Callable[[RootDse], GroupFacts], clock: Callable[[], float]) -> None:
        self.pool = pool
        self.clock = clock
        self.known: dict[Key, Known] = {}
        self.missing: dict[Key, float] = {}  # where no entry was found, since when
        self.upheavals = 0  # how often a group was gone, or another one: what others told of their members may be old
        self.people = People(clock())
        self._facts = facts

    async def look(self, person: str | None = None, *, whole: bool = False) -> Look:
        """Begin to look at groups as they are now; with `whole` all are read in full. Raises Unavailable.

        `person` is the DN in question. Whom else the server itself has renamed or removed in a group is seen up to
        30 seconds later.
        """
        now = self.clock()
        if now - self.people.since > PEOPLE_KEPT_SECONDS:
            self.people = People(now)
            self.known = {key: one for key, one in self.known.items() if now - one.since < PEOPLE_KEPT_SECONDS}
            self.missing.clear()
        is_renewed = whole and now - self.people.since > PEOPLE_RENEWED_SECONDS
        people = People(now) if is_renewed else self.people
        root = await self.pool.root()
        return Look(self, self._facts(root), root.texts("namingContexts"), people, person, whole=whole)

    def facts_at(self, connection: SharedConnection) -> GroupFacts:
        """Of the server at the other end."""
        return self._facts(connection.root)

    def compare(self, key: Key, now: Known | None) -> None:
        """Hold what was read of an entry now against what was known; None: there is none."""
        before = self.known.get(key)
        if before is not None and (now is None or now.identity != before.identity):
            self.upheavals += 1
            self.known.clear()
        if now is None:
            self.missing.setdefault(key, self.clock())
        else:
            self.missing.pop(key, None)


class Look:
    """One look at groups as they are now. Each entry is asked once, for whatever purpose."""

    def __init__(
        self,
        members: Members,
        facts: GroupFacts,
        contexts: Sequence[str],
        people: People,
        person: str | None,
        *,
        whole: bool,
    ) -> None:
        self.people = people
        self.whole = whole
        self.began = members.clock()
        self._members = members
        self._facts = facts
        self._contexts = contexts
        self._person = person
        self._found: dict[Key, Known | None] = {}
        self._upheavals = members.upheavals

    @property
    def is_shaken(self) -> bool:
        """Whether a group turned out to be gone, or another one, since it began."""
        return self._members.upheavals != self._upheavals

    def start_over(self) -> None:
        """Read everything in full after all."""
        self.whole = True
        self._upheavals = self._members.upheavals
        self._found.clear()

    async def ask(self, dns: Iterable[str]) -> None:
        """Ask all of these that were not asked yet, at once. Raises DirectoryUnavailable, DirectoryMisconfigured."""
        new = {key: dn for dn in dns if (key := key_of(dn)) not in self._found}
        await self._in_lanes(self._ask, list(new.items()))

    def at(self, dn: str) -> Known | None:
        """What was found at a DN that was asked; None where there is no entry that we may read."""
        return self._found[key_of(dn)]

    async def find_people(self, dns: Sequence[str]) -> None:
        """Find out of many who is a person, several with one search, where the server needs no index for that.

        Who is not shown to be one may be a group. Raises like `ask`.
        """
        if not self._facts.by_dn or len(dns) <= IN_ONE:
            return
        for context in self._contexts:
            base = read_dn(context)
            below = [dn for dn in dns if is_below(read_dn(dn), base)]
            first, *others = [below[start : start + IN_ONE] for start in range(0, len(below), IN_ONE)] or [[]]
            # A server that does not understand it finds none, and is not asked again.
            if first and await self._find_some(context, first):
                await self._in_lanes(self._find_some, [(context, some) for some in others])

    async def _find_some(self, base: str, dns: Sequence[str]) -> bool:
        """Take in those who are people. Whether any entry was found."""
        wanted = "".join(f"({self._facts.by_dn}={escape_filter_chars(dn)})" for dn in dns)
        empty = "".join(f"(!({attribute}=*))" for attribute in MEMBER_ATTRIBUTES)
        try:
            wanted = f"(&(|{wanted}){empty})"
            found = await self._members.pool.search(base, ldap.SCOPE_SUBTREE, wanted, ("objectClass",))
        except (ldap.NO_SUCH_OBJECT, ldap.SIZELIMIT_EXCEEDED, DirectoryMisconfigured, DirectoryUnavailable):
            return False  # it may be too much for the server: then each is asked by itself
        asked = {read_dn(dn) for dn in dns}
        for raw in found:
            name = read_dn(raw[0])
            if name is not None and name in asked and has_person_class(Entry(raw)):
                self.people.names.add(name)
        return bool(found)

    async def _ask(self, key: Key, dn: str) -> None:
        before = self._members.known.get(key)
        try:
            if before is not None and self._may_trust(before) and await self._is_as_it_was(dn, before):
                self._found[key] = before
                return
            now = await self._read(dn, before)
        except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
            now = None
        self._members.compare(key, now)
        if now is not None:
            self._keep(key, now)
        self._found[key] = now

    def _keep(self, key: Key, now: Known) -> None:
        if now.reading.is_person:
            if not isinstance(key, str):
                self.people.names.add(key)
        elif not self.is_shaken:
            self._members.known[key] = now

    async def _in_lanes(self, work: Callable[[A, B], Awaitable[object]], what: Sequence[tuple[A, B]]) -> None:
        """As many at once as the server likes, the others after them."""

        async def lane(some: Sequence[tuple[A, B]]) -> None:
            for first, second in some:
                await work(first, second)

        lanes = min(len(what), self._facts.at_once)
        await asyncio.gather(*(lane(what[start::lanes]) for start in range(lanes)))

    def _may_trust(self, known: Known) -> bool:
        """Whether its mark, if it has not moved, says that nobody has modified it."""
        is_young = self._members.clock() - known.since < KEPT_SECONDS
        tells = bool(known.mark and known.identity) and not known.reading.is_dynamic
        return is_young and tells and not self.whole and self._is_settled(known)

    def _is_settled(self, known: Known) -> bool:
        """Whether it still named those members that no entry is found of when that had been so for a while."""
        missing = self._members.missing
        return all(
            known.since - missing[key] > SETTLED_SECONDS for key in known.reading.members.keys() & missing.keys()
        )

    async def _is_as_it_was(self, dn: str, known: Known) -> bool:
        found = await self._search(dn, self._filter(known.reading), self._facts.attributes, known)
        if not found.entries or _server_at(found.connection) != known.server:
            return False
        entry, facts = Entry(found.entries[0]), self._members.facts_at(found.connection)
        return (_mark_of(entry, facts), entry.raw(facts.identity)) == (known.mark, known.identity)

    def _filter(self, reading: Reading) -> str:
        """One that finds the group as long as it says of the person in question what it said before."""
        if not self._facts.asks_for_member or self._person is None or not reading.attributes:
            return ANYTHING
        value = escape_filter_chars(self._person)
        holds = f"(|{''.join(f'({attribute}={value})' for attribute in reading.attributes)})"
        return holds if read_dn(self._person) in reading.members else f"(!{holds})"

    async def _read(self, dn: str, before: Known | None) -> Known | None:
        since = self._members.clock()
        found = await self._search(dn, ANYTHING, (*ATTRIBUTES, *self._facts.attributes), before)
        if not found.entries:
            return None
        told = await told_in_full(self._members.pool, found.entries[0], found.connection)
        # Nothing is decoded or compared again of a group of thousands that says the same.
        reading = before.reading if before is not None and before.reading.told == told else Reading(told)
        entry, facts = Entry(found.entries[0]), self._members.facts_at(found.connection)
        server = _server_at(found.connection)
        return Known(reading, since, _mark_of(entry, facts), entry.raw(facts.identity), server)

    async def _search(self, dn: str, filter_text: str, attributes: Sequence[str], before: Known | None) -> Answer:
        """On the same connection as the last time, where it alone stands for the server: marks are one server's."""
        near = None if before is None or isinstance(before.server, str) else before.server
        return await self._members.pool.search_near(near, Search(dn, ldap.SCOPE_BASE, filter_text, attributes))


def _server_at(connection: SharedConnection) -> str | SharedConnection:
    return connection.root.server or connection


def _mark_of(entry: Entry, facts: GroupFacts) -> tuple[list[bytes], ...]:
    """Empty where the entry does not tell what moves with every modification."""
    mark = facts.mark
    return tuple(entry.raw(name) for name in mark) if mark and entry.raw(mark[0]) else ()
