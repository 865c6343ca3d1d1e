from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from pwreset.errors import ChangeRefused, LinkBusy, OutcomeUnclear, PasswordRefused, TooManyFailures
from pwreset.reset.change import Change, change_password, told_to_all
from pwreset.reset.limits import Network
from pwreset.reset.model import AccountState, MessageName, Origin, RequestFilter, RequestState
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.recover import recover_claims
from pwreset.secret import Secret
from tests.fakes.directory import Weather
from tests.fakes.world import OLD_PASSWORD, PASSWORD, World, a_user

AT_ONCE = {"limits": {"failed_change_seconds": 0.0}}


async def change(
    world: World, username: str = "jane", old: str = OLD_PASSWORD, new: str = PASSWORD, **more: Any
) -> None:
    ask = Change(
        **{
            "domain": "EXAMPLE",
            "username": username,
            "old": Secret(old),
            "new": Secret(new),
            "address": "192.0.2.1",
            "networks": (Network("192.0.2.0/24"),),
            **more,
        }
    )
    await change_password(ask, world.services)


async def records(world: World) -> list[tuple[Origin, RequestState]]:
    found = await world.store.list(RequestFilter(), world.clock.now())
    return [(request.origin, request.state) for request in found]


async def test_whoever_knows_the_password_changes_it() -> None:
    world = World(AT_ONCE)
    await change(world)
    assert world.directory.password_of("uuid-jane") == PASSWORD
    assert await world.audit() == ["password.changed"]


async def test_every_address_is_told_of_a_change() -> None:
    world = World(AT_ONCE)
    await change(world)
    told = {
        one.recipient.address for one in world.store.messages.values() if one.message is MessageName.PASSWORD_CHANGED
    }
    assert told == {"jane@example.org", "+33612345678"}


async def test_a_change_ends_the_person_s_links_and_nobody_else_s() -> None:
    world = World(AT_ONCE)
    await world.token("jane")
    await world.token("john")
    await change(world)
    assert await records(world) == [
        (Origin.PERSON, RequestState.USED),
        (Origin.MANAGER, RequestState.PENDING),
        (Origin.MANAGER, RequestState.REVOKED),
    ]


async def test_a_refused_change_leaves_links_and_password_as_they_were() -> None:
    world = World(AT_ONCE)
    await world.token("jane")
    with pytest.raises(ChangeRefused):
        await change(world, old="wrong")
    assert world.directory.password_of("uuid-jane") == OLD_PASSWORD
    assert await records(world) == [(Origin.MANAGER, RequestState.PENDING)]
    assert (await world.audit())[-1] == "change.refused"


@pytest.mark.parametrize("state", [AccountState.DISABLED, AccountState.LOCKED])
async def test_a_disabled_or_locked_account_s_password_is_not_even_tried(state: AccountState) -> None:
    world = World(AT_ONCE)
    world.directory.change("uuid-jane", state=state)
    with pytest.raises(ChangeRefused):
        await change(world)
    assert world.directory.tree.people["uuid-jane"].failures == 0


@pytest.mark.parametrize("username", ["root", "boss"])
async def test_protected_people_and_managers_are_never_tried(username: str) -> None:
    world = World(AT_ONCE)
    with pytest.raises(ChangeRefused):
        await change(world, username)
    with pytest.raises(ChangeRefused):
        await change(world, username, old="wrong")
    assert world.directory.tree.people[f"uuid-{username}"].failures == 0


@pytest.mark.parametrize("flag", ["must_change", "expired"])
async def test_a_password_that_must_be_changed_or_has_expired_is_changed(flag: str) -> None:
    world = World(AT_ONCE)
    person = world.directory.tree.people["uuid-jane"]
    setattr(person, flag, True)
    await change(world)
    assert (person.password, getattr(person, flag)) == (PASSWORD, False)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("short", RuleCode.MIN_LENGTH),
        (OLD_PASSWORD, RuleCode.NOT_CHANGED),
        ("jane and her fast horses", RuleCode.CONTEXT),
    ],
)
async def test_our_own_rules_hold_for_a_change(new: str, code: RuleCode) -> None:
    world = World(AT_ONCE)
    with pytest.raises(PasswordRefused) as caught:
        await change(world, new=new)
    assert code in {rule.code for rule in caught.value.rules if isinstance(rule, Rule)}
    assert world.directory.password_of("uuid-jane") == OLD_PASSWORD


async def test_our_own_rules_are_told_to_nobody_who_does_not_know_the_password() -> None:
    world = World(AT_ONCE)
    with pytest.raises(ChangeRefused):
        await change(world, old="wrong", new="jane and her fast horses")


async def test_the_directory_s_refusal_is_told_and_leaves_no_living_record() -> None:
    world = World({**AT_ONCE, "password": {"profile": "directory-only"}})
    with pytest.raises(PasswordRefused) as caught:
        await change(world, new="seven")
    assert caught.value.rules == (Rule(RuleCode.MIN_LENGTH, 8),)
    assert await records(world) == [(Origin.PERSON, RequestState.REVOKED)]
    assert await world.audit() == ["password.refused"]


async def test_a_lost_answer_is_a_success_when_the_new_password_works() -> None:
    world = World(AT_ONCE)
    world.directory.tree.weather = Weather.ANSWERS_LOST
    await change(world)
    assert await world.audit() == ["password.changed"]


async def test_an_unclear_change_is_no_success_and_is_cleared_up_later() -> None:
    world = World(AT_ONCE)
    world.directory.tree.weather = Weather.CUT_BEFORE_WRITING
    with pytest.raises(OutcomeUnclear):
        await change(world)
    world.directory.tree.weather = Weather.FINE
    with pytest.raises(LinkBusy):
        await change(world)
    world.clock.advance(timedelta(hours=1))
    await recover_claims(world.services)
    assert await world.audit() == ["password.unclear", "claim.recovered"]
    await change(world)


async def test_a_change_that_died_after_the_write_is_told_to_the_person_later() -> None:
    world = World(AT_ONCE)
    world.directory.tree.weather = Weather.CUT_BEFORE_WRITING
    with pytest.raises(OutcomeUnclear):
        await change(world)
    world.directory.tree.weather = Weather.FINE
    world.directory.change_password("uuid-jane", PASSWORD)
    world.clock.advance(timedelta(hours=1))
    await recover_claims(world.services)
    assert {one.message for one in world.store.messages.values()} == {MessageName.PASSWORD_CHANGED}


async def test_while_a_link_sets_the_password_nobody_changes_it() -> None:
    world = World(AT_ONCE)
    await world.token("jane")
    [request] = await world.store.list(RequestFilter(), world.clock.now())
    now = world.clock.now()
    assert await world.store.claim(request.id, now, now + timedelta(minutes=1), "mark")
    with pytest.raises(LinkBusy):
        await change(world)
    assert world.directory.password_of("uuid-jane") == OLD_PASSWORD


async def test_of_many_changes_at_once_one_wins() -> None:
    world = World(AT_ONCE)
    outcomes = await asyncio.gather(
        *(change(world, new=f"{PASSWORD}, number {number}") for number in range(3)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert world.directory.password_of("uuid-jane").startswith(PASSWORD)


async def test_three_failures_and_no_more_within_a_quarter_of_an_hour() -> None:
    world = World(AT_ONCE)
    for _ in range(3):
        with pytest.raises(ChangeRefused):
            await change(world, old="wrong")
    with pytest.raises(TooManyFailures):
        await change(world)
    world.clock.advance(timedelta(minutes=16))
    await change(world)


async def test_a_success_ends_the_count() -> None:
    world = World(AT_ONCE)
    for _ in range(2):
        with pytest.raises(ChangeRefused):
            await change(world, old="wrong")
    await change(world)
    for _ in range(3):
        with pytest.raises(ChangeRefused):
            await change(world, old="wrong")


async def test_the_right_password_with_a_bad_new_one_is_no_failure_and_no_success() -> None:
    world = World(AT_ONCE)
    for _ in range(2):
        with pytest.raises(ChangeRefused):
            await change(world, old="wrong")
    for _ in range(5):
        with pytest.raises(PasswordRefused):
            await change(world, new="short")
    with pytest.raises(ChangeRefused):
        await change(world, old="wrong")
    with pytest.raises(TooManyFailures):
        await change(world)


async def test_what_is_told_to_all_holds_nothing_of_anybody_and_a_password_that_keeps_it() -> None:
    world = World({**AT_ONCE, "password": {"min_kinds": 4}})
    told = told_to_all(world.services)
    assert Rule(RuleCode.NOT_CHANGED) in told.rules
    assert told.suggestion is not None
    await change(world, new=told.suggestion)


async def test_a_person_without_addresses_changes_the_password_and_the_trail_says_that_nobody_was_told() -> None:
    world = World(AT_ONCE)
    world.add(a_user("lone", mails=(), mobiles=()))
    await change(world, "lone")
    assert await world.audit() == ["password.changed", "notice.impossible"]
