from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from pwreset.errors import BadCredentials, TooManyFailures
from pwreset.reset.managers import Credentials, log_in
from pwreset.reset.model import Manager
from pwreset.secret import Secret
from tests.fakes.directory import BASE, SERVICE_DN, FakeDirectory
from tests.fakes.world import MANAGERS, OLD_PASSWORD, World

BOSS = f"uid=boss,{BASE}"
DOMAINS: dict[str, Any] = {
    "EXAMPLE": {"uris": ["ldaps://ldap.example.org"], "base_dn": BASE, "bind_dn": SERVICE_DN, "managers": [MANAGERS]}
}
HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"


def elsewhere(**settings: Any) -> dict[str, Any]:
    """A second domain."""
    return {"uris": ["ldaps://ldap.example.net"], "base_dn": "ou=other,dc=example,dc=net", **settings}


async def enter(
    world: World, login: str = "EXAMPLE\\boss", password: str = OLD_PASSWORD, address: str = HERE
) -> Manager:
    return await log_in(Credentials(login, Secret(password)), address, world.services)


async def fail(world: World, times: int, address: str = ELSEWHERE, login: str = "EXAMPLE\\boss") -> None:
    for number in range(times):
        with pytest.raises(BadCredentials):
            await enter(world, login, f"wrong {number}", address)


@pytest.mark.parametrize("login", ["EXAMPLE\\boss", "example\\boss", "boss", BOSS, "boss@example.org"])
async def test_a_manager_logs_in_by_any_of_his_names(login: str) -> None:
    world = World(domain={"login_suffixes": ["example.org"]})
    manager = await enter(world, login)
    assert (manager.dn, manager.scope) == (BOSS, frozenset(["EXAMPLE"]))


@pytest.mark.parametrize("login", ["CORP\\boss", "corp\\boss", "boss@corp.example", "boss@CORP.example"])
async def test_a_manager_logs_in_by_the_names_that_the_directory_itself_gives_its_domain(login: str) -> None:
    world = World()
    world.directory.own_names = ("CORP", "corp.example")
    assert (await enter(world, login)).dn == BOSS


async def test_a_configured_name_comes_before_another_directory_s_own() -> None:
    world = World({"domains": {**DOMAINS, "OTHER": elsewhere()}})
    other = FakeDirectory("OTHER", world.settings.domains["OTHER"])
    other.own_names = ("EXAMPLE",)
    world.services = replace(world.services, directories={"OTHER": other, "EXAMPLE": world.directory})
    assert (await enter(world)).dn == BOSS


async def test_a_name_that_two_directories_give_their_domains_is_nobody_s() -> None:
    world = World({"domains": {**DOMAINS, "OTHER": elsewhere()}})
    other = FakeDirectory("OTHER", world.settings.domains["OTHER"])
    world.directory.own_names = other.own_names = ("CORP",)
    world.services = replace(world.services, directories={"OTHER": other, "EXAMPLE": world.directory})
    with pytest.raises(BadCredentials):
        await enter(world, "CORP\\boss")


async def test_a_name_of_a_directory_with_several_domains_is_looked_for_in_all_of_them() -> None:
    world = World({"domains": {**DOMAINS, "OTHER": elsewhere(uris=DOMAINS["EXAMPLE"]["uris"])}})
    other = FakeDirectory("OTHER", world.settings.domains["OTHER"])
    world.directory.own_names = other.own_names = ("CORP",)
    world.services = replace(world.services, directories={"OTHER": other, "EXAMPLE": world.directory})
    manager = await enter(world, "CORP\\boss")
    assert (manager.dn, manager.scope) == (BOSS, frozenset(["EXAMPLE"]))


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("EXAMPLE\\boss", "wrong"),
        ("EXAMPLE\\boss", ""),
        ("EXAMPLE\\jane", OLD_PASSWORD),
        ("EXAMPLE\\nobody", OLD_PASSWORD),
        ("NOWHERE\\boss", OLD_PASSWORD),
        ("boss@elsewhere.example", OLD_PASSWORD),
        ("", OLD_PASSWORD),
        ("*", OLD_PASSWORD),
        (f"uid=boss,{BASE},dc=elsewhere", OLD_PASSWORD),
    ],
)
async def test_who_is_no_manager_gets_one_and_the_same_answer(login: str, password: str) -> None:
    with pytest.raises(BadCredentials) as refusal:
        await enter(World(), login, password)
    assert str(refusal.value) == "Invalid username or password"


@pytest.mark.parametrize("why", ["expired", "must_change"])
async def test_a_manager_whose_password_has_expired_or_must_be_changed_stays_outside(why: str) -> None:
    world = World()
    setattr(world.directory.tree.people["uuid-boss"], why, True)
    with pytest.raises(BadCredentials):
        await enter(world)


async def test_an_expired_password_does_not_use_up_the_accounts_tries() -> None:
    world = World()
    boss = world.directory.tree.people["uuid-boss"]
    boss.expired = True
    for _ in range(6):
        with pytest.raises(BadCredentials):
            await enter(world)
    boss.expired = False
    assert (await enter(world)).dn == BOSS


async def test_only_a_managers_password_is_ever_tried() -> None:
    world = World()
    await fail(world, 2, login="EXAMPLE\\jane")
    assert world.directory.tree.people["uuid-jane"].failures == 0


async def test_three_failures_are_tried_and_no_fourth() -> None:
    world = World()
    await fail(world, 3)
    with pytest.raises(TooManyFailures) as refusal:
        await enter(world, password="wrong again", address=ELSEWHERE)
    assert refusal.value.retry_after == timedelta(minutes=15)
    assert world.directory.tree.people["uuid-boss"].failures == 3


async def test_slow_guessing_ends_after_four_failures_of_a_day() -> None:
    world = World()
    for _ in range(3):
        await fail(world, 1)
        world.clock.advance(timedelta(minutes=16))
    await fail(world, 1)
    world.clock.advance(timedelta(minutes=16))
    with pytest.raises(TooManyFailures) as refusal:
        await enter(world, password="wrong again", address=ELSEWHERE)
    assert refusal.value.retry_after == timedelta(hours=24) - 4 * timedelta(minutes=16)
    assert world.directory.tree.people["uuid-boss"].failures == 4


async def test_a_success_ends_the_day_s_count() -> None:
    world = World()
    for _ in range(3):
        await fail(world, 1)
        world.clock.advance(timedelta(minutes=16))
    await enter(world)
    world.clock.advance(timedelta(minutes=16))
    await fail(world, 3)


async def test_slow_guessing_does_not_shut_out_an_address_that_has_logged_in_this_month() -> None:
    world = World()
    await enter(world)
    world.clock.advance(timedelta(days=29))
    await fail(world, 3)
    world.clock.advance(timedelta(minutes=16))
    await fail(world, 1)
    world.clock.advance(timedelta(minutes=16))
    assert (await enter(world)).dn == BOSS


async def test_failures_at_once_do_not_slip_past_the_limit() -> None:
    world = World()
    await asyncio.gather(
        *(enter(world, password=f"wrong {number}", address=ELSEWHERE) for number in range(20)), return_exceptions=True
    )
    assert world.directory.tree.people["uuid-boss"].failures == 3


async def test_other_spellings_of_the_name_do_not_slip_past_the_limit() -> None:
    world = World({}, {"login_attributes": ["uid", "cn", "mail"]})
    spellings = ["boss", "BOSS", "EXAMPLE\\boss", "Boss Person", BOSS, BOSS.upper()]
    await asyncio.gather(*(enter(world, login, "wrong", ELSEWHERE) for login in spellings), return_exceptions=True)
    assert world.directory.tree.people["uuid-boss"].failures == 3


async def test_strangers_do_not_lock_a_manager_out_who_has_logged_in_lately() -> None:
    world = World()
    await enter(world)
    await fail(world, 3)
    world.clock.advance(timedelta(minutes=2))
    assert (await enter(world)).dn == BOSS


async def test_the_exemption_ends_with_the_first_failure() -> None:
    world = World()
    await enter(world)
    await fail(world, 3)
    world.clock.advance(timedelta(minutes=2))
    await fail(world, 1, address=HERE)
    with pytest.raises(TooManyFailures):
        await enter(world)
    assert world.directory.tree.people["uuid-boss"].failures < 5


async def test_many_places_with_an_outdated_password_do_not_lock_a_manager_out() -> None:
    world = World()
    places = [f"192.0.2.{number}" for number in range(10, 20)]
    for place in places:
        await enter(world, address=place)
        world.clock.advance(timedelta(minutes=2))
    world.directory.change_password("uuid-boss", "changed meanwhile")
    await asyncio.gather(*(enter(world, address=place) for place in places), return_exceptions=True)
    assert world.directory.tree.people["uuid-boss"].failures < 5


async def test_another_domain_on_the_same_directory_gives_no_further_tries() -> None:
    world = World()
    other = FakeDirectory("OTHER", world.settings.domains["EXAMPLE"], world.directory.tree)
    domains = {**world.settings.domains, "OTHER": world.settings.domains["EXAMPLE"]}
    settings = msgspec.structs.replace(world.settings, domains=domains)
    world.services = replace(
        world.services,
        configuration=replace(world.services.configuration, settings=settings),
        directories={"EXAMPLE": world.directory, "OTHER": other},
    )
    await fail(world, 3)
    with pytest.raises(TooManyFailures):
        await enter(world, "OTHER\\boss", "wrong again", ELSEWHERE)


async def test_failures_from_one_address_are_limited() -> None:
    world = World()
    for number in range(10):
        with pytest.raises(BadCredentials):
            await enter(world, f"EXAMPLE\\nobody{number}", address=ELSEWHERE)
    with pytest.raises(TooManyFailures):
        await enter(world, address=ELSEWHERE)
    assert (await enter(world, address=HERE)).dn == BOSS


class _SlowDirectory(FakeDirectory):
    asked = 0

    async def manager_dn(self, login: str) -> str:
        self.asked += 1
        for _ in range(10):  # others get their turn
            await asyncio.sleep(0)
        return await super().manager_dn(login)


async def test_a_burst_from_one_address_does_not_slip_past_the_limit() -> None:
    world = World()
    slow = _SlowDirectory("EXAMPLE", world.settings.domains["EXAMPLE"], world.directory.tree)
    world.services = replace(world.services, directories={"EXAMPLE": slow})
    burst = (enter(world, f"EXAMPLE\\nobody{number}", "wrong", ELSEWHERE) for number in range(200))
    await asyncio.gather(*burst, return_exceptions=True)
    assert slow.asked == 10


async def test_a_burst_after_some_failures_has_what_is_left_of_the_limit() -> None:
    world = World()
    slow = _SlowDirectory("EXAMPLE", world.settings.domains["EXAMPLE"], world.directory.tree)
    world.services = replace(world.services, directories={"EXAMPLE": slow})
    for number in range(9):
        with pytest.raises(BadCredentials):
            await enter(world, f"EXAMPLE\\early{number}", "wrong", ELSEWHERE)
    burst = (enter(world, f"EXAMPLE\\nobody{number}", "wrong", ELSEWHERE) for number in range(20))
    await asyncio.gather(*burst, return_exceptions=True)
    assert slow.asked == 10


async def test_a_burst_of_good_log_ins_is_let_in_one_after_the_other() -> None:
    world = World({"manager_api": {"remember_seconds": 0}, "limits": {"failed_logins_per_address_per_minute": 1}})
    slow = _SlowDirectory("EXAMPLE", world.settings.domains["EXAMPLE"], world.directory.tree)
    world.services = replace(world.services, directories={"EXAMPLE": slow})
    spellings = ["boss", "BOSS", "EXAMPLE\\boss", "Example\\Boss", BOSS]
    async with asyncio.timeout(30):
        managers = await asyncio.gather(*(enter(world, login, address=ELSEWHERE) for login in spellings))
    assert [manager.dn for manager in managers] == [BOSS] * 5


async def test_a_success_is_remembered_for_a_minute() -> None:
    world = World()
    await enter(world)
    world.directory.change_password("uuid-boss", "changed meanwhile")
    assert (await enter(world)).dn == BOSS
    world.clock.advance(timedelta(seconds=60))
    with pytest.raises(BadCredentials):
        await enter(world)


async def test_nothing_is_remembered_where_the_settings_say_so() -> None:
    world = World({"manager_api": {"remember_seconds": 0}})
    await enter(world)
    world.directory.tree.groups[MANAGERS].clear()
    with pytest.raises(BadCredentials):
        await enter(world)


async def test_many_calls_at_once_are_one_log_in() -> None:
    world = World()
    await asyncio.gather(*(enter(world) for _ in range(20)))
    assert (await world.audit()).count("login.succeeded") == 1


async def test_a_member_of_a_nested_group_is_a_manager() -> None:
    world = World()
    inner = "cn=inner,ou=groups,dc=example,dc=org"
    world.directory.tree.groups |= {MANAGERS: [inner], inner: [BOSS]}
    assert (await enter(world)).scope == frozenset(["EXAMPLE"])
