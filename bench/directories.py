"""A directory with many people and large, deep groups beside one with a few: how long each question to it takes.

The adapter alone, in this process, on a private slapd: what is measured is one question after another, in milliseconds.
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
from tests.servers.slapd import BASE, LOAD, SERVICE_DN, SERVICE_PASSWORD, LabSlapd, dn_of

DEPTH = 10  # groups that hold each other, one in the next
AT_A_TIME = 500  # members written with one modification


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


def make_groups(slapd: LabSlapd, members: int) -> Groups:
    """Two towers of groups; in the lowest of each so many of the people of `ou=load`, and one more."""
    return Groups(_tower(slapd, members, dn_of("manager")), _tower(slapd, members, dn_of("root-admin")))


def _tower(slapd: LabSlapd, members: int, somebody: str) -> str:
    group = slapd.add_group([somebody])
    dns = [f"uid=u{number:07d},{LOAD}" for number in range(1, members)]
    for start in range(0, len(dns), AT_A_TIME):
        slapd.add_members(group, *dns[start : start + AT_A_TIME])
    for _ in range(DEPTH - 1):
        group = slapd.add_group([group])
    return group


def directory_on(slapd: LabSlapd, groups: Groups | None = None, *uris: str, seconds: float = 5.0) -> LdapDirectory:
    """The adapter on this slapd, or on these servers."""
    domain = Domain(
        uris=uris or (slapd.ldaps_uri,),
        base_dn=BASE,
        bind_dn=SERVICE_DN,
        ca_file=str(slapd.ca_file),
        login_attributes=("uid",),
        timeout_seconds=seconds,
        managers=(groups.managers,) if groups else (),
        protected=(groups.protected,) if groups else (),
    )
    return LdapDirectory("BENCH", domain, Secret(SERVICE_PASSWORD))


async def questions(slapd: LabSlapd, groups: Groups, people: int, times: int) -> dict[str, Took]:
    """Who is this (with whether he is protected), the same anew by id, and whether somebody is a manager."""
    directory = directory_on(slapd, groups)
    numbers = count(people // 2)

    def name() -> str:
        return f"u{next(numbers) % people + 1:07d}"

    try:
        found = {"find": await took(lambda: directory.find(name()), times)}
        somebody = await directory.find(name())
        found["find by id, groups read anew"] = await took(lambda: directory.find_by_id(somebody.id), times)
        found["is a manager, groups read anew"] = await took(lambda: directory.is_manager(dn_of("manager")), times)
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


async def with_one_down(slapd: LabSlapd, dead: str, seconds: float, times: int) -> Took:
    """Look-ups where the first of two servers is this one, which does not answer."""
    directory = directory_on(slapd, None, dead, slapd.ldaps_uri, seconds=seconds)
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
