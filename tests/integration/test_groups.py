"""How long what is known of groups may be relied on, on real servers: what moves no mark, what is nobody's modification."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import ldap
import pytest
from ldif import LDIFRecordList  # type: ignore[import-untyped]

from pwreset.demo.people import entry
from pwreset.demo.slapd import SCHEMA_FOLDER
from pwreset.directory.dialects import Dialect
from pwreset.directory.dialects.active_directory import ActiveDirectory
from pwreset.directory.dialects.dirsrv import Dirsrv
from pwreset.directory.dialects.generic import Generic
from pwreset.directory.dialects.openldap import OpenLdap
from pwreset.directory.groups import Closure, Groups
from pwreset.directory.ldap import LdapDirectory
from pwreset.directory.members import Members
from pwreset.directory.names import read_dn
from pwreset.directory.pool import Pool
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.fakes.clock import FakeClock
from tests.servers import dirsrv_plan
from tests.servers import samba as ad
from tests.servers import slapd as openldap
from tests.servers.dirsrv import LabDirsrv
from tests.servers.samba import LabSamba
from tests.servers.scripted import Answer, Client, ScriptedDirectory
from tests.servers.slapd import LabSlapd, dn_of

pytestmark = pytest.mark.servers

WAIT_SECONDS = 20.0
LISTED = "protected"
PLACES: dict[type, tuple[Callable[[], Dialect], tuple[str, str], str]] = {
    LabSlapd: (OpenLdap, (openldap.SERVICE_DN, openldap.SERVICE_PASSWORD), openldap.BASE),
    LabSamba: (ActiveDirectory, (ad.SERVICE_DN, ad.SERVICE_PASSWORD), ad.BASE),
    LabDirsrv: (Dirsrv, (dirsrv_plan.SERVICE_DN, dirsrv_plan.SERVICE_PASSWORD), dirsrv_plan.BASE),
}
OUTER, INNER, JDOE = "cn=outer", "cn=inner", dn_of("jdoe")
DYNLIST = "olcOverlay={3}dynlist,olcDatabase={1}mdb,cn=config"


class Server(Protocol):
    @property
    def ldaps_uri(self) -> str: ...

    @property
    def ca_file(self) -> Any: ...


class Watched:
    """The groups of a server, on a clock that stands still."""

    def __init__(self, dialect: Dialect, password: str, domain: Domain, group: str) -> None:
        self._pool = Pool("EXAMPLE", domain, Secret(password))
        self._clock = FakeClock()
        self._groups = Groups(self._pool, "EXAMPLE", dialect, {LISTED: (group,)}, self._clock.monotonic)

    async def now(self, person: str | None = None) -> Closure:
        [closure] = await self._groups.fresh((LISTED,), person)
        return closure

    async def lately(self) -> Closure:
        [closure] = await self._groups.closures((LISTED,))
        return closure

    def members(self) -> Members:
        return Members(self._pool, OpenLdap().group_facts, self._clock.monotonic)

    def wait(self, seconds: float) -> None:
        self._clock.advance(timedelta(seconds=seconds))

    async def close(self) -> None:
        self._groups.close()
        await self._pool.close()


Watch = Callable[..., Watched]


class LikeOpenLdap(ScriptedDirectory):
    """A group in another one; what writes new names into groups takes its time."""

    def __init__(self, outer: str, inner: str) -> None:
        super().__init__(
            {
                "": {"objectClass": ["top", "OpenLDAProotDSE"]},
                outer: {"objectClass": ["groupOfNames"], "member": [inner], "entryCSN": ["1"], "entryUUID": ["1"]},
                inner: {"objectClass": ["groupOfNames"], "member": [JDOE], "entryCSN": ["2"], "entryUUID": ["2"]},
            }
        )

    def bind(self, client: Client, dn: str, password: str) -> Answer:  # noqa: ARG002
        return Answer()


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    made: list[Watched] = []

    def watch(group: str, *servers: Server, dialect: Dialect | None = None) -> Watched:
        kind, service, base = PLACES[type(servers[0])]
        domain = Domain(
            uris=tuple(server.ldaps_uri for server in servers),
            base_dn=base,
            bind_dn=service[0],
            ca_file=str(servers[0].ca_file),
            timeout_seconds=30.0,
        )
        made.append(Watched(dialect or kind(), service[1], domain, group))
        return made[-1]

    yield watch
    for one in made:
        await one.close()


@pytest.fixture
async def by_members(own_slapd: LabSlapd) -> AsyncIterator[Callable[..., LdapDirectory]]:
    """The adapter on a server that tells nobody which groups he is in."""
    own_slapd.hide_attribute("memberOf")
    made: list[LdapDirectory] = []

    def directory(**settings: Any) -> LdapDirectory:
        domain = Domain(
            uris=(own_slapd.ldaps_uri,),
            base_dn=openldap.BASE,
            bind_dn=openldap.SERVICE_DN,
            ca_file=str(own_slapd.ca_file),
            timeout_seconds=30.0,
            **settings,
        )
        made.append(LdapDirectory("EXAMPLE", domain, Secret(openldap.SERVICE_PASSWORD)))
        return made[-1]

    yield directory
    for one in made:
        await one.close()


@pytest.fixture(params=["slapd", "samba"])
def server(request: pytest.FixtureRequest) -> Any:
    """One that writes into groups by itself without moving their marks."""
    return request.getfixturevalue(request.param)


def person_on(server: Any) -> str:
    made: str = server.add_person()
    return dn_of(made) if isinstance(server, LabSlapd) else made


def renamed(server: Any, dn: str) -> str:
    attribute, _, value = dn.partition(",")[0].partition("=")
    made: str = server.rename(dn, f"{attribute}=renamed-{value}")
    return made


def make_groups_by_searches(server: LabSlapd) -> None:
    """Load slapo-dynlist(5) and its schema."""
    schema = (SCHEMA_FOLDER / "dyngroup.ldif").read_bytes()
    records = LDIFRecordList(BytesIO(schema))
    records.parse()
    [(dn, attributes)] = records.all_records
    overlay = [
        ("objectClass", [b"olcOverlayConfig", b"olcDynListConfig"]),
        ("olcOverlay", [b"dynlist"]),
        ("olcDynListAttrSet", [b"groupOfURLs memberURL member"]),
    ]
    with server.config() as connection:
        connection.add_s(dn, list(attributes.items()))
        connection.modify_s("cn=module{0},cn=config", [(ldap.MOD_ADD, "olcModuleLoad", [b"dynlist"])])
        connection.add_s(DYNLIST, overlay)


# --- what the server itself writes into groups ---


async def test_a_renamed_person_stays_protected_although_nothing_tells_his_groups(
    own_slapd: LabSlapd, by_members: Callable[..., LdapDirectory]
) -> None:
    uid = own_slapd.add_person()
    group = own_slapd.add_group([own_slapd.add_group([dn_of(uid)])])
    directory = by_members(protected=(group,))
    user = await directory.find_by_id((await directory.find(uid)).id)
    own_slapd.rename(dn_of(uid), f"uid=renamed-{uid}")
    assert (user.protected, (await directory.find_by_id(user.id)).protected) == (True, True)


async def test_a_namesake_of_a_manager_who_is_gone_is_none(
    own_slapd: LabSlapd, by_members: Callable[..., LdapDirectory]
) -> None:
    uid = own_slapd.add_person()
    directory = by_members(managers=(own_slapd.add_group([dn_of(uid), dn_of("jdoe")]),))
    assert await directory.is_manager(dn_of(uid))
    own_slapd.delete(dn_of(uid))
    own_slapd.add_person(uid=uid)
    assert not await directory.is_manager(dn_of(uid))


async def test_a_manager_with_signs_in_his_name_stays_one(slapd: LabSlapd, watch: Watch) -> None:
    odd = f"cn=O'Brien\\, Pat (ext) *,{openldap.PEOPLE}"
    watched = watch(slapd.add_group([odd, dn_of("jdoe")]), slapd)
    assert [(await watched.now(odd)).holds(odd) for _ in range(2)] == [True, True]


async def test_the_members_of_a_renamed_group_stay_members(server: Any, watch: Watch) -> None:
    somebody = person_on(server)
    inner = server.add_group([somebody])
    watched = watch(server.add_group([inner]), server)
    assert (await watched.now(somebody)).holds(somebody)
    renamed(server, inner)
    assert (await watched.now(somebody)).holds(somebody)


async def test_a_group_in_the_place_of_one_that_is_gone_is_another_one(server: Any, watch: Watch) -> None:
    somebody, other = person_on(server), person_on(server)
    inner, stranger = server.add_group([somebody]), server.add_group([other])
    watched = watch(server.add_group([inner, person_on(server)]), server)
    assert (await watched.now(other)).holds(somebody)
    server.delete(inner)
    server.rename(stranger, inner.partition(",")[0])
    closure = await watched.now(other)
    assert (closure.holds(somebody), closure.holds(other)) == (False, False)


async def test_what_moves_no_mark_is_seen_after_half_a_minute(server: Any, watch: Watch) -> None:
    asked, other = person_on(server), person_on(server)
    watched = watch(server.add_group([asked, other]), server)
    await watched.now(asked)
    now = renamed(server, other)
    watched.wait(31)
    assert (await watched.now(asked)).holds(now)


async def test_looks_by_mark_in_between_make_it_no_later(server: Any, watch: Watch) -> None:
    asked, other = person_on(server), person_on(server)
    watched = watch(server.add_group([asked, other]), server)
    await watched.lately()
    watched.wait(19)
    await watched.now(asked)
    now = renamed(server, other)
    watched.wait(12)
    assert (await watched.lately()).holds(now)


async def test_looks_that_found_a_change_elsewhere_make_it_no_later(server: Any, watch: Watch) -> None:
    asked, other = person_on(server), person_on(server)
    outer = server.add_group([server.add_group([asked, other])])
    watched = watch(outer, server)
    await watched.lately()
    watched.wait(19)
    server.add_members(outer, person_on(server))
    await watched.now(asked)
    now = renamed(server, other)
    watched.wait(12)
    assert (await watched.lately()).holds(now)


async def test_it_is_seen_sooner_where_somebody_asks_after_twenty_seconds(server: Any, watch: Watch) -> None:
    asked, other = person_on(server), person_on(server)
    watched = watch(server.add_group([asked, other]), server)
    await watched.now(asked)
    now = renamed(server, other)
    watched.wait(21)
    until = time.monotonic() + WAIT_SECONDS
    while not (await watched.now(asked)).holds(now):
        assert time.monotonic() < until, "it was never read again"
        await asyncio.sleep(0.01)


async def test_a_new_name_that_comes_later_than_the_renaming_is_seen_at_once() -> None:
    with LikeOpenLdap(OUTER, INNER) as server:
        domain = Domain(
            uris=(server.uri,), start_tls=False, allow_plain_ldap=True, base_dn="dc=example", timeout_seconds=30.0
        )
        watched = Watched(OpenLdap(), "", domain, OUTER)
        await watched.now()
        server.entries["cn=new"] = server.entries.pop(INNER)
        await watched.now()
        server.entries[OUTER]["member"] = ["cn=new"]  # the mark stays
        closure = await watched.now()
        await watched.close()
    assert closure.holds(JDOE)


async def test_what_one_look_finds_gone_shakes_all_looks(slapd: LabSlapd, watch: Watch) -> None:
    inner = slapd.add_group([dn_of("jdoe")])
    outer = slapd.add_group([inner])
    members = watch(outer, slapd).members()
    await (await members.look()).ask([outer, inner])
    renamed(slapd, inner)
    early, finder = await members.look(), await members.look()
    await early.ask([outer])
    await finder.ask([inner])
    assert early.is_shaken


async def test_where_one_look_finds_another_group_the_next_relies_on_none(slapd: LabSlapd, watch: Watch) -> None:
    inner, stranger = slapd.add_group([dn_of("jdoe")]), slapd.add_group([dn_of("zoe")])
    outer = slapd.add_group([inner, dn_of("taro")])
    members = watch(outer, slapd).members()
    await (await members.look()).ask([outer, inner])
    slapd.delete(inner)
    slapd.rename(stranger, inner.partition(",")[0])
    await (await members.look()).ask([inner])
    later = await members.look()
    await later.ask([outer])
    found = later.at(outer)
    assert found is not None
    assert found.reading.members.keys() == {read_dn(dn_of("taro"))}


# --- what is no mark ---


async def test_a_group_made_by_a_search_is_read_each_time(own_slapd: LabSlapd, watch: Watch) -> None:
    make_groups_by_searches(own_slapd)
    wanted = f"ldap:///{openldap.PEOPLE}??sub?(title=chief)"
    dn = f"cn=chiefs,{openldap.GROUPS}"
    own_slapd.add(entry(dn, ["groupOfURLs"], cn="chiefs", memberURL=wanted))
    watched, uid = watch(dn, own_slapd), own_slapd.add_person()
    assert not (await watched.now()).holds(dn_of(uid))
    own_slapd.change(dn_of(uid), title="chief")
    assert (await watched.now()).holds(dn_of(uid))


async def test_a_group_that_does_not_tell_what_identifies_it_is_read_each_time(
    own_slapd: LabSlapd, watch: Watch
) -> None:
    own_slapd.hide_attribute("entryUUID")
    inner, stranger = own_slapd.add_group([dn_of("jdoe")]), own_slapd.add_group([dn_of("zoe")])
    watched = watch(own_slapd.add_group([inner, dn_of("taro")]), own_slapd)
    await watched.now()
    own_slapd.delete(inner)
    own_slapd.rename(stranger, inner.partition(",")[0])
    assert not (await watched.now()).holds(dn_of("zoe"))


async def test_what_one_server_says_is_not_compared_with_what_another_one_says(tmp_path: Path, watch: Watch) -> None:
    with LabSlapd(tmp_path / "one") as one, LabSlapd(tmp_path / "two") as two:
        uid = one.add_person()
        group = one.add_group([dn_of(uid), dn_of("jdoe")])
        one.stop()
        two.stop()
        # Some gigabytes of which hardly any are written.
        database = Path("data", "data.mdb")
        subprocess.run(["cp", "--sparse=always", tmp_path / "one" / database, tmp_path / "two" / database], check=True)
        one.start()
        two.start()
        now = renamed(two, dn_of(uid))  # the group's mark is the same on both
        one.ca_file.write_text(one.ca_file.read_text() + two.ca_file.read_text())
        watched = watch(group, one, two)
        before = await watched.now()
        one.kill()
        after = await watched.now()
        await watched.close()
    assert [closure.holds(now) for closure in (before, after)] == [False, True]


async def test_numbers_that_389_does_not_count_any_more_are_no_mark(own_dirsrv: LabDirsrv, watch: Watch) -> None:
    group = own_dirsrv.add_group([dirsrv_plan.dn_of("jdoe")])
    own_dirsrv.change("cn=USN,cn=plugins,cn=config", **{"nsslapd-pluginEnabled": "off"})
    own_dirsrv.stop()
    own_dirsrv.start()
    watched = watch(group, own_dirsrv)
    # Within one second, most likely: else the time of the last change tells it.
    own_dirsrv.add_members(group, dirsrv_plan.dn_of("jsmith"))
    await watched.now()
    own_dirsrv.add_members(group, dirsrv_plan.dn_of("manager"))
    assert (await watched.now()).holds(dirsrv_plan.dn_of("manager"))


async def test_a_server_that_we_know_nothing_of_is_read_each_time(slapd: LabSlapd, watch: Watch) -> None:
    uid = slapd.add_person()
    group = slapd.add_group([dn_of("jdoe")])
    watched = watch(group, slapd, dialect=Generic())
    await watched.now()
    slapd.add_members(group, dn_of(uid))
    assert (await watched.now()).holds(dn_of(uid))


async def test_many_first_questions_at_once_read_the_groups_once(slapd: LabSlapd) -> None:
    uids = [slapd.add_person() for _ in range(20)]
    group = slapd.add_group([dn_of(uid) for uid in uids])
    searches: list[str] = []
    domain = Domain(
        uris=(slapd.ldaps_uri,),
        base_dn=openldap.BASE,
        bind_dn=openldap.SERVICE_DN,
        ca_file=str(slapd.ca_file),
        timeout_seconds=30.0,
        protected=(group,),
    )
    directory = LdapDirectory(
        "EXAMPLE", domain, Secret(openldap.SERVICE_PASSWORD), lambda operation, _seconds: searches.append(operation)
    )
    users = await asyncio.gather(*(directory.find(uid) for uid in uids))
    await directory.close()
    assert all(user.protected for user in users)
    assert len(searches) < 2 * len(uids)


# --- who is no group ---


async def test_somebody_who_has_members_is_a_group_too(slapd: LabSlapd, watch: Watch) -> None:
    uid = slapd.add_person()
    slapd.change(dn_of(uid), objectClass=["inetOrgPerson", "extensibleObject"], member=dn_of("zoe"))
    others = [dn_of(slapd.add_person()) for _ in range(20)]
    watched = watch(slapd.add_group([*others[:10], dn_of(uid), *others[10:]]), slapd)
    assert (await watched.now()).holds(dn_of("zoe"))


async def test_a_group_without_members_among_many_people_is_none_of_them(samba: LabSamba, watch: Watch) -> None:
    empty, uid = samba.add_group([]), samba.add_person()
    others = [samba.add_person() for _ in range(20)]
    watched = watch(samba.add_group([*others[:10], empty, *others[10:]]), samba)
    await watched.now()
    samba.add_members(empty, uid)
    assert (await watched.now()).holds(uid)


async def test_who_was_a_person_is_asked_again_after_ten_minutes(slapd: LabSlapd, watch: Watch) -> None:
    uid = slapd.add_person()
    watched = watch(slapd.add_group([dn_of(uid), dn_of("jdoe")]), slapd)
    await watched.now()
    slapd.change(dn_of(uid), objectClass=["inetOrgPerson", "extensibleObject"], member=dn_of("zoe"))
    watched.wait(601)
    assert (await watched.now()).holds(dn_of("zoe"))
