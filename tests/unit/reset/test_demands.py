from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pwreset.errors import (
    ExpiresOutOfRange,
    LinkUnknown,
    MfaNotSupported,
    NoSecondFactor,
    SecondFactorNeeded,
)
from pwreset.reset.asked import PublicAsk, answer
from pwreset.reset.limits import Network
from pwreset.reset.model import (
    Asker,
    Channel,
    DeliveryMode,
    Demand,
    Factor,
    MessageName,
    Origin,
    Recipient,
    ResetRequest,
)
from pwreset.reset.redeem import open_link, set_password
from pwreset.reset.second_factor import look, send_code, try_code
from pwreset.reset.tokens import Key, Keys, new_code
from pwreset.secret import Secret
from tests.fakes.directory import BASE
from tests.fakes.world import PASSWORD, World, token_of

MAIL = Recipient(Channel.MAIL, "jane@example.org")
SMS = Recipient(Channel.SMS, "+33612345678")
CODE = {"factors": ["code"]}


def a_world(mfa: dict[str, Any] | None = None, **changes: Any) -> World:
    domain = {"mfa": {"radius": {"servers": ["127.0.0.1:1812"]}, **(CODE if mfa is None else mfa)}}
    return World(changes=changes, domain=domain)


async def demand_of(world: World, username: str = "jane", **changes: Any) -> Demand | None:
    """What a new link demands."""
    sent = await world.send(username, **changes)
    request = await world.store.get(sent.request_id)
    assert request is not None
    return request.demand


# --- when a second factor is demanded ----------------------------------------------------------------------------


async def test_without_one_configured_none_can_be_asked_for() -> None:
    world = World()
    with pytest.raises(MfaNotSupported):
        await world.send(mfa=True)
    assert world.store.requests == {}


async def test_it_is_demanded_when_the_call_asks_for_it_and_not_else() -> None:
    world = a_world()
    assert await demand_of(world) is None
    assert await demand_of(world, mfa=True) == Demand(Factor.CODE, (SMS,))


async def test_a_domain_can_demand_it_always() -> None:
    assert await demand_of(a_world({"factors": ["code"], "demand": "always"})) == Demand(Factor.CODE, (SMS,))


async def test_it_is_demanded_of_the_members_of_a_group_whoever_asks() -> None:
    world = a_world({"factors": ["code"], "groups": ["cn=staff,ou=groups,dc=example,dc=org"]})
    world.directory.tree.groups["cn=staff,ou=groups,dc=example,dc=org"] = [f"uid=jane,{BASE}"]
    assert await demand_of(world, "jane") is not None
    assert await demand_of(world, "john") is None


async def test_it_is_demanded_of_everybody_while_a_group_cannot_be_resolved() -> None:
    world = a_world({"factors": ["code"], "groups": ["cn=gone,ou=groups,dc=example,dc=org"]})
    assert await demand_of(world, "john") is not None


# --- where a code goes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "to"), [("MAIL", SMS), ("SMS", MAIL), ("MAILSMS", SMS), ("NONE", SMS)], ids=lambda value: str(value)[:8]
)
async def test_a_code_goes_another_way_than_the_link_where_there_is_one(mode: str, to: Recipient) -> None:
    assert await demand_of(a_world(), mode=mode, mfa=True) == Demand(Factor.CODE, (to,))


async def test_the_code_of_a_link_that_was_handed_over_goes_by_mail_where_there_is_no_mobile() -> None:
    world = a_world()
    world.directory.change("uuid-jane", mobiles=())
    assert await demand_of(world, mode="NONE", mfa=True) == Demand(Factor.CODE, (MAIL,))


@pytest.mark.parametrize(("mode", "left"), [("MAIL", "mobiles"), ("SMS", "mails")])
async def test_without_another_address_there_is_no_link_and_nothing_is_sent(mode: str, left: str) -> None:
    world = a_world()
    world.directory.change("uuid-jane", **{left: ()})
    with pytest.raises(NoSecondFactor):
        await world.send(mode=mode, mfa=True)
    assert (world.store.requests, world.mail.sent, world.sms.sent) == ({}, [], [])
    assert await world.audit() == ["request.refused"]


async def test_no_code_goes_to_a_country_that_sms_may_not_be_sent_to() -> None:
    world = a_world(limits={"sms_countries": ["49"]})
    with pytest.raises(NoSecondFactor):
        await world.send(mfa=True)


async def test_the_first_factor_that_the_person_can_use_is_taken() -> None:
    world = a_world({"factors": ["code", "radius"]})
    assert await demand_of(world, mfa=True) == Demand(Factor.CODE, (SMS,))
    world.directory.change("uuid-jane", mobiles=())
    assert await demand_of(world, mfa=True) == Demand(Factor.RADIUS)


async def test_who_has_no_name_at_the_radius_servers_has_no_such_factor() -> None:
    radius = {"servers": ["127.0.0.1:1812"], "username_attribute": "mail"}
    world = a_world({"factors": ["radius"], "radius": radius})
    world.directory.change("uuid-jane", mails=())
    with pytest.raises(NoSecondFactor):
        await world.send(mode="SMS", mfa=True)


# --- two-stage links ---------------------------------------------------------------------------------------------


async def test_by_default_a_link_opens_the_form_as_long_as_it_lives() -> None:
    assert await demand_of(World(), lifetime_hours=720) is None


async def test_a_two_stage_link_opens_the_form_up_to_its_direct_time_and_then_wants_a_code() -> None:
    world = World(changes={"links": {"direct_lifetime_hours": 4}})
    token = token_of(await world.send(lifetime_hours=72))
    world.clock.advance(timedelta(hours=4, microseconds=-1))
    await open_link(token, world.services)
    world.clock.advance(timedelta(microseconds=1))
    with pytest.raises(SecondFactorNeeded):
        await open_link(token, world.services)
    with pytest.raises(SecondFactorNeeded):
        await set_password(token, Secret(PASSWORD), "192.0.2.1", world.services)


async def test_its_code_goes_to_where_the_link_went_and_opens_it() -> None:
    world = World(changes={"links": {"direct_lifetime_hours": 4}})
    token = token_of(await world.send(lifetime_hours=72, mode="MAILSMS"))
    world.clock.advance(timedelta(hours=5))
    await send_code(token, "192.0.2.1", world.services)
    await world.services.outbox.drain(5.0)
    mail, sms = world.mail.sent[-1], world.sms.sent[-1]
    assert (mail.recipient, sms.recipient) == (MAIL, SMS)
    code = sms.content.text.rpartition("#")[2]
    assert code in mail.content.text
    proof = await try_code(token, code, "form", "192.0.2.1", world.services)
    await set_password(token, Secret(PASSWORD), "192.0.2.1", world.services, proof)
    assert world.directory.password_of("uuid-jane") == PASSWORD


async def test_a_link_that_does_not_outlive_its_direct_time_wants_nothing() -> None:
    assert await demand_of(World(changes={"links": {"direct_lifetime_hours": 24}}), lifetime_hours=24) is None


async def test_a_domain_has_its_own_direct_time() -> None:
    world = World(changes={"links": {"direct_lifetime_hours": 4}}, domain={"direct_lifetime_hours": 2})
    demand = await demand_of(world, lifetime_hours=72)
    assert demand is not None
    assert demand.since == world.clock.now() + timedelta(hours=2)


async def test_a_second_factor_stands_for_the_fresh_code() -> None:
    world = a_world(links={"direct_lifetime_hours": 4})
    assert await demand_of(world, mfa=True, lifetime_hours=72) == Demand(Factor.CODE, (SMS,))


async def test_the_code_of_a_two_stage_link_that_was_handed_over_goes_to_the_persons_phone() -> None:
    world = World(changes={"links": {"direct_lifetime_hours": 4}})
    demand = await demand_of(world, mode="NONE", lifetime_hours=72)
    assert demand is not None
    assert demand.code_to == (SMS,)


@pytest.mark.parametrize(("mode", "highest"), [("MAIL", 48), ("SMS", 12), ("MAILSMS", 12), ("NONE", 100)])
async def test_a_channel_has_its_own_longest_lifetime(mode: str, highest: int) -> None:
    caps = {"max_lifetime_hours": 100, "max_lifetime_hours_by_channel": {"mail": 48, "sms": 12}}
    world = World(changes={"links": caps})
    await world.send(mode=mode, lifetime_hours=highest)
    with pytest.raises(ExpiresOutOfRange):
        await world.send("john", mode=mode, lifetime_hours=highest + 1)


# --- what is written down ----------------------------------------------------------------------------------------


def test_a_link_without_a_demand_is_bound_as_before_there_were_demands() -> None:
    """The binding is the one that the program before this one has written, under the same key."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    request = ResetRequest(
        id="0" * 24,
        digest=bytes(32),
        domain="EXAMPLE",
        user_id="6d1f",
        user_login="jdoe",
        user_name="Jane Doe",
        mode=DeliveryMode.MAIL,
        origin=Origin.MANAGER,
        asked_by="cn=m",
        asked_from="192.0.2.7",
        correlation="c",
        created_at=now,
        expires_at=now + timedelta(days=1),
        password_mark="1",
        sent_to=(MAIL,),
        binding=bytes.fromhex("09dcdb60b55d9438ea457e7cc2997e346a50a41df9467a06fa63574eafc2422e"),
    )
    assert Keys((Key("00000000", bytes(32)),)).is_bound(request)


async def test_a_program_that_knows_no_demands_takes_such_a_row_for_an_edited_one() -> None:
    world = a_world()
    sent = await world.send(mfa=True)
    request = await world.store.get(sent.request_id)
    assert request is not None
    assert not world.services.keys.is_bound(replace(request, demand=None))


async def test_a_code_is_compared_with_what_it_is_bound_to() -> None:
    world = a_world()
    mine, other = [await world.store.get((await world.send(who, mfa=True)).request_id) for who in ("jane", "john")]
    assert mine is not None
    assert other is not None
    keys, code = world.services.keys, new_code(6)
    mark = keys.code_mark(mine, code)
    assert keys.is_code(mine, code, mark)
    assert not keys.is_code(other, code, mark)
    assert not keys.is_code(replace(mine, user_id=other.user_id), code, mark)


def test_codes_have_the_digits_that_are_wanted() -> None:
    assert {len(new_code(digits).reveal()) for digits in (6, 6, 6)} == {6}
    assert all(new_code(8).reveal().isdecimal() for _ in range(100))


# --- telling it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spell", ["{0}{1} ", " {0} {1}", "{0}-{1}", "{0}\u2011{1}"])
async def test_a_code_may_be_told_with_blanks_and_dashes(spell: str) -> None:
    world = a_world()
    token = token_of(await world.send(mfa=True))
    await send_code(token, "192.0.2.1", world.services)
    await world.services.outbox.drain(5.0)
    code = world.sms.sent[-1].content.text.rpartition("#")[2]
    await try_code(token, spell.format(code[:3], code[3:]), "form", "192.0.2.1", world.services)


async def test_a_code_may_be_told_in_the_digits_of_another_script() -> None:
    world = a_world()
    token = token_of(await world.send(mfa=True))
    await send_code(token, "192.0.2.1", world.services)
    await world.services.outbox.drain(5.0)
    code = world.sms.sent[-1].content.text.rpartition("#")[2]
    arabic = "".join(chr(0x0660 + int(digit)) for digit in code)
    await try_code(token, arabic, "form", "192.0.2.1", world.services)


async def test_a_code_is_sealed_in_the_outbox_and_erased_once_sent() -> None:
    world = a_world()
    token = token_of(await world.send(mfa=True))
    world.sms.reachable = False
    await send_code(token, "192.0.2.1", world.services)
    await world.services.outbox.drain(5.0)
    [waiting] = [one for one in world.store.messages.values() if one.message is MessageName.RESET_CODE]
    content = world.services.sealer.open(waiting.body, waiting.id, waiting.recipient)
    assert content.text.rpartition("#")[2].encode() not in waiting.body
    assert waiting.not_after == world.clock.now() + timedelta(minutes=10)


async def test_asking_for_a_code_and_telling_it_are_in_the_audit_trail() -> None:
    world = a_world()
    token = token_of(await world.send(mfa=True))
    await send_code(token, "192.0.2.1", world.services)
    await world.services.outbox.drain(5.0)
    code = world.sms.sent[-1].content.text.rpartition("#")[2]
    await try_code(token, code, "form", "192.0.2.1", world.services)
    told = await world.audit()
    assert [name for name in told if name.startswith(("code.", "factor."))] == ["code.sent", "factor.proved"]
    events = await world.store.audit(0, 100)
    assert not any(code in str(event.facts) for event in events)


async def test_a_link_that_demands_nothing_has_nothing_to_show() -> None:
    world = a_world()
    token = token_of(await world.send())
    with pytest.raises(SecondFactorNeeded):
        await look(token, world.services)


async def test_an_address_that_has_left_the_entry_ends_the_link_whose_code_would_go_there() -> None:
    world = a_world()
    token = token_of(await world.send(mfa=True))
    world.directory.change("uuid-jane", mobiles=())
    with pytest.raises(LinkUnknown):
        await look(token, world.services)


# --- links that people ask for themselves ------------------------------------------------------------------------


async def renewed(world: World, request_id: str) -> ResetRequest:
    """The link that the page of an expired one has made in its place."""
    asker = Asker(Origin.PUBLIC, "192.0.2.9", "192.0.2.9", "0")
    await answer(
        PublicAsk("EXAMPLE", "", (Network("192.0.2.0/24"),), asker, proven=True, renews=request_id), world.services
    )
    [new] = [one for one in world.store.requests.values() if one.origin is Origin.PUBLIC]
    return new


async def test_a_link_in_the_place_of_an_expired_one_demands_what_that_did() -> None:
    world = World(domain={"public": True, "mfa": CODE})
    sent = await world.send(mfa=True, lifetime_hours=1)
    world.clock.advance(timedelta(hours=1))
    assert (await renewed(world, sent.request_id)).demand == Demand(Factor.CODE, (SMS,))


async def test_where_it_is_always_demanded_it_is_of_who_asks_for_himself_too() -> None:
    world = World(domain={"public": True, "mfa": {**CODE, "demand": "always"}})
    asker = Asker(Origin.PUBLIC, "192.0.2.9", "192.0.2.9", "0")
    await answer(PublicAsk("EXAMPLE", "jane", (Network("192.0.2.0/24"),), asker, proven=True), world.services)
    [request] = world.store.requests.values()
    assert request.demand == Demand(Factor.CODE, (SMS,))
