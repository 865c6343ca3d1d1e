"""What SMS may cost in a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pwreset.errors import SmsBudgetSpent
from pwreset.reset.budget import DAY, spent
from pwreset.reset.limits import MemoryCounters
from tests.fakes.world import World, a_user

FRENCH, GERMAN, AMERICAN, JAMAICAN = "+33612345678", "+4915112345678", "+12025550143", "+18762101234"


def world_with(**limits: Any) -> World:
    world = World({"limits": limits})
    for name, number in (("fr", FRENCH), ("de", GERMAN), ("us", AMERICAN), ("jm", JAMAICAN)):
        world.add(a_user(name, mobiles=(number,)))
    return world


async def sms(world: World, *users: str) -> None:
    for user in users:
        await world.send(user, mode="SMS")


async def test_a_country_s_budget_ends_while_others_go_on() -> None:
    world = world_with(sms_per_day_by_country={"33": 1})
    await sms(world, "fr", "de", "de", "us")
    with pytest.raises(SmsBudgetSpent) as refusal:
        await sms(world, "fr")
    assert "+33" in str(refusal.value)


async def test_a_spent_budget_says_when_to_try_again() -> None:
    world = world_with(sms_per_day_by_country={"33": 1})
    await sms(world, "fr")
    world.clock.advance(timedelta(hours=5))
    with pytest.raises(SmsBudgetSpent) as refusal:
        await sms(world, "fr")
    assert refusal.value.retry_after == timedelta(hours=19)
    world.clock.advance(timedelta(hours=19))
    await sms(world, "fr")


async def test_the_longest_prefix_counts() -> None:
    world = world_with(sms_per_day_by_country={"1": 1, "1876": 2})
    await sms(world, "jm", "jm", "us")
    for user in ("jm", "us"):
        with pytest.raises(SmsBudgetSpent):
            await sms(world, user)


async def test_what_a_country_s_budget_refuses_is_not_taken_from_the_day() -> None:
    world = world_with(sms_per_day=2, sms_per_day_by_country={"33": 1})
    await sms(world, "fr")
    for _ in range(3):
        with pytest.raises(SmsBudgetSpent):
            await sms(world, "fr")
    await sms(world, "de")


async def test_what_the_day_s_budget_refuses_is_not_taken_from_the_country() -> None:
    world = world_with(sms_per_day=1, sms_per_day_by_country={"33": 1})
    await sms(world, "de")
    world.clock.advance(timedelta(hours=23))
    with pytest.raises(SmsBudgetSpent):
        await sms(world, "fr")
    world.clock.advance(timedelta(hours=1))
    await sms(world, "fr")


async def test_a_restart_makes_no_budget_whole_again_and_none_longer() -> None:
    world = world_with(sms_per_day=3, sms_per_day_by_country={"33": 1})
    await sms(world, "fr")
    world.clock.advance(timedelta(hours=10))
    anew = MemoryCounters()
    for key, times in spent(await world.store.sms_since(world.clock.now() - DAY), world.settings.limits).items():
        anew.restore(key, times)
    object.__setattr__(world.services, "counters", anew)
    with pytest.raises(SmsBudgetSpent) as refusal:
        await sms(world, "fr")
    assert refusal.value.retry_after == timedelta(hours=14)
    await sms(world, "de", "de")
    with pytest.raises(SmsBudgetSpent):
        await sms(world, "de")


async def test_without_a_budget_nothing_ends() -> None:
    world = world_with(sms_per_day=0, links_per_user_per_hour=0, messages_per_destination_per_hour=0)
    await sms(world, *["fr"] * 30)
