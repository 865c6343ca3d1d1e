"""A directory with many people and large, deep groups beside one with a few: how long each question to it takes.

The adapter alone, in this process, on private servers: what is measured is one question after another, in milliseconds.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from statistics import median

from pwreset.directory.ldap import LdapDirectory
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.contract.ldap_lab import LabServer
from tests.servers import dirsrv_plan, samba, slapd
from tests.servers.crowd import add_entries
from tests.servers.dirsrv import LabDirsrv
from tests.servers.samba import LabSamba
from tests.servers.slapd import LabSlapd

DEPTH = 10  # groups that hold each other, one in the next
CACHE_BYTES = 256 * 1024 * 1024
AT_A_TIME = 100  # members written with one modification


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds: the first time, and of all that followed the middle and the longest."""

    first: float
    middle: float
    longest: float


@dataclass(frozen=True, slots=True)
class Groups:
    """One of managers, one of protected people; both stand at the top of ten that hold each other."""

    managers: str
    protected: str


@dataclass(frozen=True, slots=True)
class Place:
    """A server with many people, each known by a number from 1 on, and what the adapter is to know of it."""

    server: LabServer
    base: str
    service: tuple[str, str]
    login: str
    dn: str  # a person's, with the number to be filled in
    manager: str
    protected: str

    def dn_of(self, number: int) -> str:
        """The DN of one of the people."""
        return self.dn.format(self.name_of(number))

    def name_of(self, number: int) -> str:
        """What one of the people logs in as."""
        return f"u{number:07d}"

    def directory(self, groups: Groups | None = None, *uris: str, seconds: float = 5.0) -> LdapDirectory:
        """The adapter on this server, or on these."""
        domain = Domain(
            uris=uris or (self.server.ldaps_uri,),
            base_dn=self.base,
            bind_dn=self.service[0],
            ca_file=str(self.server.ca_file),
            login_attributes=(self.login,),
            timeout_seconds=seconds,
            managers=(groups.managers,) if groups else (),
            protected=(groups.protected,) if groups else (),
        )
        return LdapDirectory("BENCH", domain, Secret(self.service[1]))


def on_slapd(server: LabSlapd) -> Place:
    """It has its people from the beginning."""
    service = slapd.SERVICE_DN, slapd.SERVICE_PASSWORD
    dns = f"uid={{}},{slapd.LOAD}", slapd.dn_of("manager"), slapd.dn_of("root-admin")
    return Place(server, slapd.BASE, service, "uid", *dns)


def on_samba(server: LabSamba, people: int) -> Place:
    """So many people are added first."""
    service, one, other = (samba.SERVICE_DN, samba.SERVICE_PASSWORD), server.add_person(), server.add_person()
    place = Place(server, samba.BASE, service, "sAMAccountName", f"CN={{}},{samba.PEOPLE}", one, other)
    _fill(place, server, people, "user", {"sn": "{}", "mail": "{}@example.org", "sAMAccountName": "{}"})
    return place


def on_dirsrv(server: LabDirsrv, people: int) -> Place:
    """So many people are added first."""
    service = dirsrv_plan.SERVICE_DN, dirsrv_plan.SERVICE_PASSWORD
    special = dirsrv_plan.dn_of("manager"), dirsrv_plan.dn_of("root-admin")
    place = Place(server, dirsrv_plan.BASE, service, "uid", f"uid={{}},{dirsrv_plan.PEOPLE}", *special)
    # As an installed server has it. That of the tests is too small for two large groups, and reads each from its disk.
    server.change("cn=userroot,cn=ldbm database,cn=plugins,cn=config", **{"nsslapd-cachememsize": str(CACHE_BYTES)})
    _fill(place, server, people, "inetOrgPerson", {"uid": "{}", "cn": "{}", "sn": "{}", "mail": "{}@example.org"})
    return place


def _fill(place: Place, server: LabSamba | LabDirsrv, people: int, kind: str, attributes: dict[str, str]) -> None:
    def entry(name: str) -> list[tuple[str, list[bytes]]]:
        values = [(key, [value.format(name).encode()]) for key, value in attributes.items()]
        return [("objectClass", [kind.encode()]), *values]

    with server.admin() as connection:
        add_entries(connection, {place.dn_of(one): entry(place.name_of(one)) for one in range(1, people + 1)})


def make_groups(place: Place, members: int) -> Groups:
    """Two towers of groups; in the lowest of each so many of the people, and one more."""
    return Groups(_tower(place, members, place.manager), _tower(place, members, place.protected))


def _tower(place: Place, members: int, somebody: str) -> str:
    group = lowest = place.server.add_group([somebody])
    for _ in range(DEPTH - 1):
        group = place.server.add_group([group])
    # Filled last: 389 writes all members anew whenever one of the groups is put into another.
    dns = [place.dn_of(number) for number in range(1, members)]
    for start in range(0, len(dns), AT_A_TIME):
        place.server.add_members(lowest, *dns[start : start + AT_A_TIME])
    return group


async def questions(place: Place, groups: Groups, people: int, times: int) -> dict[str, Took]:
    """Who is this (with whether he is protected), the same anew by id, and whether somebody is a manager."""
    directory = place.directory(groups)
    numbers = count(people // 2)

    def name() -> str:
        return place.name_of(next(numbers) % people + 1)

    try:
        found = {"find": await took(lambda: directory.find(name()), times)}
        somebody = await directory.find(name())
        found["find by id, groups as they are now"] = await took(lambda: directory.find_by_id(somebody.id), times)
        found["is a manager, groups as they are now"] = await took(lambda: directory.is_manager(place.manager), times)
    finally:
        await directory.close()
    return found


async def took(ask: Callable[[], Awaitable[object]], times: int) -> Took:
    """One after another."""
    each = []
    for _ in range(times + 1):
        began = time.perf_counter()
        await ask()
        each.append((time.perf_counter() - began) * 1000)
    return Took(each[0], median(each[1:]), max(each[1:]))


async def with_one_down(place: Place, dead: str, seconds: float, times: int) -> Took:
    """Look-ups where the first of two servers is this one, which does not answer."""
    directory = place.directory(None, dead, place.server.ldaps_uri, seconds=seconds)
    try:
        return await took(lambda: directory.find("jdoe"), times)
    finally:
        await directory.close()


@contextmanager
def refusing() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield f"ldaps://127.0.0.1:{port}"


@contextmanager
def hanging() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        yield f"ldaps://127.0.0.1:{silent.getsockname()[1]}"
