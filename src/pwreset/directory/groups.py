"""Who is protected and who is a manager: group memberships, nested ones included.

Groups are read downwards, from the configured DNs to their members. That needs no index and no overlay in the
directory; the person's own `memberOf` is looked at too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

import ldap

from pwreset import logs
from pwreset.directory.entries import Entry
from pwreset.directory.names import Name, read_dn
from pwreset.directory.pool import Pool
from pwreset.directory.shared import RawEntry

KEPT_SECONDS = 30.0
RENEWED_SECONDS = 20.0  # from this age on it is read again while it is still good
PEOPLE_KEPT_SECONDS = 600.0
AT_ONCE = 64
MEMBER_ATTRIBUTES = ("member", "uniqueMember")
RANGED = "member;range="
# An entry need not list the superiors of its object classes.
PERSON_CLASSES = frozenset({"person", "organizationalperson", "inetorgperson", "account", "posixaccount", "user"})

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


class Groups:
    """The closure of some configured DNs, kept for up to 30 seconds."""

    def __init__(self, pool: Pool, domain: str, purpose: str, dns: Iterable[str]) -> None:
        self._pool = pool
        self._domain = domain
        self._purpose = purpose
        self._dns = tuple(dict.fromkeys(dns))
        self._kept: tuple[Closure, float] | None = None
        self._reading: asyncio.Task[Closure] | None = None
        # Members known to be people: they are not asked again and again whether they are groups.
        self._people: set[Name] = set()
        self._people_since = time.monotonic()

    async def closure(self) -> Closure:
        """The closure as it was at most 30 seconds ago. Raises DirectoryUnavailable, DirectoryMisconfigured."""
        if self._kept is not None:
            kept, since = self._kept
            age = time.monotonic() - since
            if age < KEPT_SECONDS:
                if age > RENEWED_SECONDS:
                    self._start_reading()
                return kept
        return await asyncio.shield(self._start_reading())

    async def fresh(self) -> Closure:
        """The closure as it is now. Raises DirectoryUnavailable, DirectoryMisconfigured."""
        begun = time.monotonic()
        closure = await self._read()
        self._kept = closure, begun
        return closure

    def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()

    def _start_reading(self) -> asyncio.Task[Closure]:
        if self._reading is None:
            self._reading = asyncio.create_task(self.fresh())
            self._reading.add_done_callback(self._reading_is_over)
        return self._reading

    def _reading_is_over(self, task: asyncio.Task[Closure]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # seen: who waits for it gets it too

    async def _read(self) -> Closure:
        self._forget_people()
        unresolved: list[str] = []
        names: set[Name] = set()
        level = list(self._dns)
        gate = asyncio.Semaphore(AT_ONCE)
        top = True
        while level:
            members = await asyncio.gather(*(self._members(dn, gate) for dn in level))
            if top:
                unresolved = [dn for dn, found in zip(level, members, strict=True) if found is None]
                top = False
            names.update(name for dn in level if (name := read_dn(dn)) is not None)
            level = self._next_level((member for found in members for member in found or ()), names)
        if unresolved:
            log.error("configured DNs cannot be read", domain=self._domain, setting=self._purpose, dns=unresolved)
        return Closure(frozenset(names), tuple(unresolved), len(names & self._people))

    def _next_level(self, members: Iterable[str], names: set[Name]) -> list[str]:
        """Members not seen before that may be groups. Those known to be people are taken in at once."""
        level: dict[Name, str] = {}
        for member in members:
            name = read_dn(member)
            if name is None or name in names:
                continue
            if name in self._people:
                names.add(name)
            else:
                level[name] = member
        return list(level.values())

    async def _members(self, dn: str, gate: asyncio.Semaphore) -> list[str] | None:
        """The members of a group, none for an entry that is no group, None when there is no such entry."""
        async with gate:
            try:
                found = await self._pool.search(
                    dn, ldap.SCOPE_BASE, "(objectClass=*)", ("objectClass", *MEMBER_ATTRIBUTES)
                )
                if not found:
                    return None
                entry = Entry(found[0])
                members = [member for attribute in MEMBER_ATTRIBUTES for member in entry.texts(attribute)]
                members += await read_ranges(self._pool, found[0])
            except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
                return None
        is_person = any(name.lower() in PERSON_CLASSES for name in entry.texts("objectClass"))
        if is_person and not members and (name := read_dn(dn)) is not None:
            self._people.add(name)
        return members

    def _forget_people(self) -> None:
        if time.monotonic() - self._people_since > PEOPLE_KEPT_SECONDS:
            self._people.clear()
            self._people_since = time.monotonic()


async def read_ranges(pool: Pool, group: RawEntry) -> list[str]:
    """The members of a large group in Active Directory, which are told in parts ([MS-ADTS] 3.1.1.3.1.3.3).

    `group` holds the first part, as `member;range=0-1499`; the last part is the one that ends in `-*`. None for other
    entries. Raises like `Pool.search`.
    """
    members: list[str] = []
    while told := [(name, values) for name, values in group[1].items() if name.lower().startswith(RANGED)]:
        [(name, values)] = told
        members += [value.decode() for value in values]
        last = name.rpartition("-")[2]
        if not last.isdecimal():
            break
        found = await pool.search(group[0], ldap.SCOPE_BASE, "(objectClass=*)", (f"{RANGED}{int(last) + 1}-*",))
        if not found:
            break
        group = found[0]
    return members
