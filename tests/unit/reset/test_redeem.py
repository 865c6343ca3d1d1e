from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from pwreset.errors import (
    DirectoryUnavailable,
    LinkBusy,
    LinkExpired,
    LinkUnknown,
    LinkUsed,
    OutcomeUnclear,
    PasswordRefused,
    PwresetError,
    TooManyTries,
    WriteDenied,
)
from pwreset.reset.model import AccountState, Channel, MessageName, RequestState, User
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.recover import recover_claims
from pwreset.reset.redeem import open_link, set_password
from pwreset.reset.tokens import new_token
from pwreset.secret import Secret
from tests.fakes.directory import FakeDirectory, Weather
from tests.fakes.world import OLD_PASSWORD, PASSWORD, PROTECTED, World, a_user, token_of


async def redeem(world: World, token: Secret, password: str = PASSWORD) -> None:
    await set_password(token, Secret(password), "192.0.2.1", world.services)


async def test_a_link_sets_the_password_of_its_user() -> None:
    world = World()
    await redeem(world, await world.token())
    assert world.directory.password_of("uuid-jane") == PASSWORD
    assert world.directory.password_of("uuid-john") == OLD_PASSWORD


async def test_a_used_link_says_so() -> None:
    world = World()
    token = await world.token()
    await redeem(world, token)
    with pytest.raises(LinkUsed):
        await open_link(token, world.services)
    with pytest.raises(LinkUsed):
        await redeem(world, token, "another quiet evening")


async def test_opening_a_link_changes_nothing() -> None:
    world = World()
    token = await world.token()
    before = await world.audit()
    for _ in range(3):
        await open_link(token, world.services)
    await redeem(world, token)
    assert (await world.audit())[: len(before)] == before


async def test_a_link_tells_our_rules_and_the_directorys() -> None:
    world = World()
    rules = (await open_link(await world.token(), world.services)).rules
    assert Rule(RuleCode.MIN_LENGTH, 15) in rules
    assert Rule(RuleCode.HISTORY, 5) in rules


async def test_an_unknown_token_opens_nothing() -> None:
    with pytest.raises(LinkUnknown):
        await open_link(new_token(), World().services)


async def test_a_link_dies_to_the_second() -> None:
    world = World()
    token = await world.token(lifetime_hours=1)
    world.clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    await open_link(token, world.services)
    world.clock.advance(timedelta(microseconds=1))
    with pytest.raises(LinkExpired):
        await open_link(token, world.services)
    with pytest.raises(LinkExpired):
        await redeem(world, token)


def _protect(world: World) -> None:
    world.directory.tree.groups[PROTECTED].append("uid=jane,ou=people,dc=example,dc=org")


DEATHS: dict[str, Callable[[World], None]] = {
    "password changed elsewhere": lambda world: world.directory.change_password("uuid-jane", "changed by somebody"),
    "disabled": lambda world: world.directory.change("uuid-jane", state=AccountState.DISABLED),
    "protected": _protect,
    "gone": lambda world: world.directory.remove("uuid-jane"),
    "address left": lambda world: world.directory.change("uuid-jane", mails=("new@example.org",)),
    "number left": lambda world: world.directory.change("uuid-jane", mobiles=()),
}


@pytest.mark.parametrize("death", DEATHS)
async def test_a_link_dies_when_the_person_behind_it_is_no_longer_as_he_was(death: str) -> None:
    world = World()
    token = token_of(await world.send(mode="MAILSMS"))
    await open_link(token, world.services)
    DEATHS[death](world)
    with pytest.raises(LinkUnknown):
        await open_link(token, world.services)
    with pytest.raises(LinkUnknown):
        await redeem(world, token)


async def test_a_link_belongs_to_the_entry_and_not_to_the_name() -> None:
    world = World()
    token = await world.token()
    world.directory.remove("uuid-jane")
    world.add(a_user("jane", id="uuid-of-another-jane"))
    with pytest.raises(LinkUnknown):
        await redeem(world, token)
    assert world.directory.password_of("uuid-of-another-jane") == OLD_PASSWORD


async def test_a_renamed_and_moved_person_keeps_the_link() -> None:
    world = World()
    token = await world.token()
    world.directory.change("uuid-jane", dn="uid=jane2,ou=moved,ou=people,dc=example,dc=org", login="jane2")
    await redeem(world, token)
    assert world.directory.password_of("uuid-jane") == PASSWORD


async def test_a_new_address_beside_the_old_one_leaves_the_link_good() -> None:
    world = World()
    token = token_of(await world.send(mode="MAIL"))
    world.directory.change("uuid-jane", mails=("new@example.org", "JANE@example.org"))
    await redeem(world, token)


async def test_a_locked_account_is_refused_where_it_may_not_be_unlocked() -> None:
    world = World(domain={"unlock": False})
    token = await world.token()
    world.directory.change("uuid-jane", state=AccountState.LOCKED)
    with pytest.raises(LinkUnknown):
        await redeem(world, token)


async def test_a_lock_that_passes_does_not_cost_the_link() -> None:
    world = World(domain={"unlock": False})
    token = await world.token()
    world.directory.change("uuid-jane", state=AccountState.LOCKED)
    with pytest.raises(LinkUnknown):
        await redeem(world, token)
    world.directory.change("uuid-jane", state=AccountState.ACTIVE)
    await redeem(world, token)


async def test_a_row_edited_in_the_database_is_no_link() -> None:
    world = World()
    token = await world.token("john")
    [request] = world.store.requests.values()
    world.store.requests[request.id] = replace(request, user_id="uuid-jane")
    with pytest.raises(LinkUnknown):
        await redeem(world, token)
    assert world.directory.password_of("uuid-jane") == OLD_PASSWORD


@pytest.mark.parametrize(
    ("password", "code"),
    [("short", RuleCode.MIN_LENGTH), ("jane has a garden", RuleCode.CONTEXT), (OLD_PASSWORD, RuleCode.HISTORY)],
)
async def test_a_refused_password_leaves_the_link_usable(password: str, code: RuleCode) -> None:
    world = World()
    token = await world.token()
    with pytest.raises(PasswordRefused) as refusal:
        await redeem(world, token, password)
    assert code in [rule.code for rule in refusal.value.rules if isinstance(rule, Rule)]
    await redeem(world, token)


async def test_a_write_that_is_not_allowed_leaves_the_link_usable() -> None:
    world = World()
    token = await world.token()
    world.directory.tree.people["uuid-jane"].writable = False
    with pytest.raises(WriteDenied):
        await redeem(world, token)
    world.directory.tree.people["uuid-jane"].writable = True
    await redeem(world, token)


async def test_a_directory_that_is_down_keeps_the_link() -> None:
    world = World()
    token = await world.token()
    world.directory.tree.weather = Weather.DOWN
    with pytest.raises(DirectoryUnavailable):
        await redeem(world, token)
    world.directory.tree.weather = Weather.FINE
    await redeem(world, token)


async def test_fifty_submissions_at_once_set_one_password_once() -> None:
    world = World()
    token = await world.token()
    passwords = [f"a sunny river walk number {number}" for number in range(50)]
    outcomes = await asyncio.gather(*(redeem(world, token, word) for word in passwords), return_exceptions=True)
    assert outcomes.count(None) == 1
    assert world.directory.password_of("uuid-jane") == passwords[outcomes.index(None)]
    assert len(world.directory.tree.people["uuid-jane"].former) == 1
    assert (await world.audit()).count("password.set") == 1
    assert all(isinstance(outcome, LinkUsed | LinkBusy | LinkUnknown) for outcome in outcomes if outcome is not None)


async def test_two_links_of_one_user_set_the_password_once() -> None:
    world = World()
    tokens = [await world.token(), await world.token()]
    for request in list(world.store.requests.values()):
        world.store.requests[request.id] = replace(request, state=RequestState.PENDING, settled_at=None)
    outcomes = await asyncio.gather(*(redeem(world, token) for token in tokens), return_exceptions=True)
    assert outcomes.count(None) == 1


async def test_setting_the_password_revokes_the_users_other_links() -> None:
    world = World()
    older = await world.token()
    [request] = world.store.requests.values()
    newer = await world.token()
    world.store.requests[request.id] = replace(request, state=RequestState.PENDING, settled_at=None)
    await redeem(world, newer)
    with pytest.raises(LinkUnknown):
        await open_link(older, world.services)


async def test_without_a_mail_address_the_mobile_number_is_told() -> None:
    world = World()
    world.add(a_user("nomail", mails=()))
    await redeem(world, await world.token("nomail"))
    [request] = world.store.requests.values()
    [notice] = await world.store.deliveries(request.id)
    assert notice.recipient.channel is Channel.SMS


async def test_nobody_to_tell_is_in_the_audit_trail() -> None:
    world = World()
    world.add(a_user("bare", mails=(), mobiles=()))
    await redeem(world, await world.token("bare"))
    assert "notice.impossible" in await world.audit()


async def test_a_lost_answer_is_a_success_when_the_new_password_logs_in() -> None:
    world = World()
    token = await world.token()
    world.directory.tree.weather = Weather.ANSWERS_LOST
    await redeem(world, token)
    with pytest.raises(LinkUsed):
        await open_link(token, world.services)


async def test_a_lost_answer_is_no_success_when_the_new_password_does_not_log_in() -> None:
    world = World()
    token = await world.token()
    world.directory.tree.weather = Weather.CUT_BEFORE_WRITING
    with pytest.raises(OutcomeUnclear):
        await redeem(world, token)
    with pytest.raises(LinkBusy):
        await open_link(token, world.services)


async def test_after_an_unclear_end_the_link_is_good_again_if_nothing_was_written() -> None:
    world = World()
    token = await world.token()
    world.directory.tree.weather = Weather.CUT_BEFORE_WRITING
    with pytest.raises(OutcomeUnclear):
        await redeem(world, token)
    world.directory.tree.weather = Weather.FINE
    world.clock.advance(timedelta(hours=1))
    await redeem(world, token)


async def _claimed_by_a_dead_process(world: World, token: Secret) -> str:
    request = (await open_link(token, world.services)).request
    now = world.clock.now()
    user = await world.directory.find_by_id(request.user_id)
    assert await world.store.claim(request.id, now, now + timedelta(seconds=30), user.entry_mark)
    return request.id


async def test_a_claim_whose_process_died_after_the_write_ends_as_used_with_its_notice() -> None:
    world = World()
    token = await world.token()
    request_id = await _claimed_by_a_dead_process(world, token)
    world.directory.change_password("uuid-jane", PASSWORD)
    world.clock.advance(timedelta(seconds=31))
    await recover_claims(world.services)
    with pytest.raises(LinkUsed):
        await open_link(token, world.services)
    messages = [delivery.message for delivery in await world.store.deliveries(request_id)]
    assert messages == [MessageName.PASSWORD_CHANGED] * 2  # by mail and by SMS


async def test_a_claim_whose_process_died_before_the_write_is_released() -> None:
    world = World()
    token = await world.token()
    await _claimed_by_a_dead_process(world, token)
    with pytest.raises(LinkBusy):
        await open_link(token, world.services)
    world.clock.advance(timedelta(seconds=31))
    await recover_claims(world.services)
    await redeem(world, token)


async def test_a_directory_that_keeps_no_change_time_is_believed_by_any_change_of_the_entry() -> None:
    world = World()
    world.directory.change("uuid-jane", password_mark="")
    token = await world.token()
    await _claimed_by_a_dead_process(world, token)
    world.directory.change("uuid-jane", entry_mark="changed")
    world.clock.advance(timedelta(seconds=31))
    await recover_claims(world.services)
    with pytest.raises(LinkUsed):
        await open_link(token, world.services)


async def test_a_claim_is_not_cleared_up_while_the_directory_is_down() -> None:
    world = World()
    token = await world.token()
    await _claimed_by_a_dead_process(world, token)
    world.clock.advance(timedelta(seconds=31))
    world.directory.tree.weather = Weather.DOWN
    await recover_claims(world.services)
    world.directory.tree.weather = Weather.FINE
    await redeem(world, token)


class _BrokenDirectory(FakeDirectory):
    async def find_by_id(self, user_id: str) -> User:
        raise RuntimeError(f"a bug with {user_id}")


async def test_a_claim_that_cannot_be_cleared_up_keeps_no_other_waiting() -> None:
    world = World()
    world.services = replace(
        world.services, directories={"EXAMPLE": world.directory, "BROKEN": _BrokenDirectory("BROKEN")}
    )
    token = await world.token()
    request_id = await _claimed_by_a_dead_process(world, token)
    stuck = replace(world.store.requests[request_id], id="stuck", digest=b"stuck", domain="BROKEN")
    world.store.requests = {"stuck": stuck, **world.store.requests}
    world.clock.advance(timedelta(seconds=31))
    await recover_claims(world.services)
    await open_link(token, world.services)


async def test_tries_with_one_link_are_limited() -> None:
    world = World({"limits": {"password_tries_per_link_per_hour": 2}})
    token = await world.token()
    for _ in range(2):
        with pytest.raises(PasswordRefused):
            await redeem(world, token, "short")
    with pytest.raises(TooManyTries):
        await redeem(world, token)


@pytest.mark.parametrize("password", ["short", OLD_PASSWORD])
async def test_a_refused_password_is_in_no_failure(password: str) -> None:
    world = World()
    with pytest.raises(PwresetError) as refusal:
        await redeem(world, await world.token(), password)
    assert password not in repr(refusal.value) + str(vars(refusal.value))


@pytest.mark.parametrize("password", [PASSWORD, "short", OLD_PASSWORD])
async def test_no_password_is_in_the_audit_trail(password: str) -> None:
    world = World()
    token = await world.token()
    with suppress(PwresetError):
        await redeem(world, token, password)
    assert password not in repr(await world.store.audit(0, 100))
