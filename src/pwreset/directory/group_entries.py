"""What one entry says of its members, and whether it is a group at all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import ldap

from pwreset.directory.entries import Entry
from pwreset.directory.names import Name, read_dn
from pwreset.directory.pool import Pool
from pwreset.directory.reading import ANYTHING
from pwreset.directory.shared import RawEntry, Search, SharedConnection

MEMBER_ATTRIBUTES = ("member", "uniqueMember")
RANGED = "member;range="
# A search makes the members of such a group: they change without anybody modifying it.
DYNAMIC_ATTRIBUTES = ("memberURL", "dgIdentity")
DYNAMIC_CLASS = "groupofurls"
ATTRIBUTES = ("objectClass", *MEMBER_ATTRIBUTES, *DYNAMIC_ATTRIBUTES)
# An entry need not list the superiors of its object classes.
PERSON_CLASSES = frozenset({"person", "organizationalperson", "inetorgperson", "account", "posixaccount", "user"})


class Reading:
    """What an entry said when it was read in full; the same object as long as it says the same."""

    def __init__(self, told: Mapping[str, list[bytes]]) -> None:
        self.told = told
        self._entry = Entry(("", dict(told)))
        # The attributes in which its members are.
        self.attributes = tuple(name for name in MEMBER_ATTRIBUTES if self._entry.raw(name))
        self.is_person = not self.attributes and has_person_class(self._entry)
        self.is_dynamic = self._says_dynamic()

    @cached_property
    def members(self) -> dict[Name, str]:
        """Their DNs as the directory spells them, by name; none for an entry that is no group."""
        texts = (text for attribute in self.attributes for text in self._entry.texts(attribute))
        return {name: text for text in texts if (name := read_dn(text)) is not None}

    def _says_dynamic(self) -> bool:
        classes = {name.lower() for name in self._entry.texts("objectClass")}
        return DYNAMIC_CLASS in classes or any(self._entry.raw(attribute) for attribute in DYNAMIC_ATTRIBUTES)


def has_person_class(entry: Entry) -> bool:
    """Whether it is somebody, unless it has members."""
    return any(name.lower() in PERSON_CLASSES for name in entry.texts("objectClass"))


async def told_in_full(pool: Pool, raw: RawEntry, connection: SharedConnection) -> dict[str, list[bytes]]:
    """What an entry with these attributes says, those members included that are told in parts. Raises like `Pool.search`."""
    names = {name.lower() for name in ATTRIBUTES}
    told = {name: values for name, values in raw[1].items() if name.lower() in names}
    if ranges := await read_ranges(pool, raw, connection):
        told[MEMBER_ATTRIBUTES[0]] = ranges
    return told


async def read_ranges(pool: Pool, group: RawEntry, connection: SharedConnection | None = None) -> list[bytes]:
    """The members of a large group in Active Directory, which are told in parts ([MS-ADTS] 3.1.1.3.1.3.3).

    `group` holds the first part, as `member;range=0-1499`; the last part is the one that ends in `-*`. None for other
    entries. Raises like `Pool.search`.
    """
    members: list[bytes] = []
    while told := [(name, values) for name, values in group[1].items() if name.lower().startswith(RANGED)]:
        [(name, values)] = told
        members += values
        last = name.rpartition("-")[2]
        if not last.isdecimal():
            break
        wanted = (f"{RANGED}{int(last) + 1}-*",)
        found = await pool.search_near(connection, Search(group[0], ldap.SCOPE_BASE, ANYTHING, wanted))
        if not found.entries:
            break
        group = found.entries[0]
    return members
