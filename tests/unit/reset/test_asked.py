"""Asks on the public page, once their answer is on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from pwreset.reset.asked import PublicAsk, renewable
from pwreset.reset.limits import Network
from pwreset.reset.model import (
    AccountState,
    Asker,
    AuditEvent,
    Channel,
    MessageName,
    Origin,
    RequestState,
    ResetRequest,
)
from pwreset.reset.redeem import open_link
from pwreset.reset.tokens import read_token
from pwreset.reset.worker import start_due_deliveries
from tests.fakes.directory import Weather
from tests.fakes.world import World, a_user

ADDRESS = "198.51.100.7"


def a_world(public: Mapping[str, Any] | None = None, **changes: Any) -> World:
    """A domain with the public page; its settings `public`, the domain's `changes`."""
    return World({"public": public or {}}, {"public": True, **changes})


def an_ask(name: str = "jane", **changes: Any) -> PublicAsk:
    facts: dict[str, Any] = {
        "domain": "EXAMPLE",
        "name": name,
        "networks": (Network("198.51.100.0/24"),),
        "asker": Asker(Origin.PUBLIC, ADDRESS, ADDRESS, "correlation-2"),
        "proven": True,
    }
    return PublicAsk(**(facts | changes))


async def ask(world: World, name: str = "jane", **changes: Any) -> AuditEvent:
    """Ask and wait until it is looked at and what was made of it is delivered: the last line of the trail about it.

    A minute passes, so that the next one is no double click.
    """
    world.services.asks.put(an_ask(name, **changes), world.services)
    await world.services.asks.drain(10, world.services)
    await start_due_deliveries(world.services)
    await world.services.outbox.drain(10)
    world.clock.advance(timedelta(minutes=1))
    return [event for event in world.store.events if event.name.startswith("request.")][-1]


async def links(world: World) -> list[ResetRequest]:
    return [request for request in world.store.requests.values() if request.origin is Origin.PUBLIC]


@pytest.mark.parametrize("name", ["jane", "JANE", "jane@example.org", "Jane@Example.org"])
async def test_a_person_gets_a_link_by_user_name_or_mail_address(name: str) -> None:
    world = a_world()
    await ask(world, name)
    assert [sent.recipient.address for sent in world.mail.sent] == ["jane@example.org"]


async def test_a_mail_address_that_two_people_have_finds_nobody() -> None:
    world = a_world()
    world.add(a_user("twin", mails=("jane@example.org",)))
    assert (await ask(world, "jane@example.org")).facts["reason"] == "user-ambiguous"
    assert world.mail.sent == []


async def test_the_link_opens_the_form_and_dies_after_an_hour() -> None:
    world = a_world()
    await ask(world)
    text = world.mail.sent[0].content.text
    token = read_token(text.partition("/r/")[2][:43])
    assert token is not None
    assert (await open_link(token, world.services)).user.login == "jane"
    [request] = await links(world)
    assert request.expires_at - request.created_at == timedelta(hours=1)


async def test_the_mail_says_that_it_was_asked_for_and_not_from_where() -> None:
    world = a_world()
    await ask(world)
    text = world.mail.sent[0].content.text
    assert "Somebody, most likely you, has asked on our page for a link" in text
    assert "If it was not you, ignore this message" in text
    assert "/not-me/" in text
    assert ADDRESS not in text


async def test_the_trail_says_from_where_it_was_asked() -> None:
    world = a_world()
    event = await ask(world)
    assert (event.name, event.user, event.address, event.actor) == (
        "request.sent",
        "jane",
        ADDRESS,
        f"public:{ADDRESS}",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": AccountState.DISABLED}, "user-disabled"),
        ({"mails": ()}, "no-mail-address"),
        ({"mails": ("not an address",)}, "no-mail-address"),
    ],
)
async def test_who_cannot_have_a_link_gets_none_and_the_trail_says_why(changes: dict[str, Any], reason: str) -> None:
    world = a_world()
    world.directory.change("uuid-jane", **changes)
    assert (await ask(world)).facts["reason"] == reason
    assert (world.mail.sent, await links(world)) == ([], [])


@pytest.mark.parametrize(("name", "reason"), [("nobody", "user-unknown"), ("root", "user-protected")])
async def test_strangers_and_protected_people_get_none(name: str, reason: str) -> None:
    world = a_world()
    assert (await ask(world, name)).facts["reason"] == reason
    assert (world.mail.sent, await links(world)) == ([], [])


async def test_a_manager_gets_none_even_where_managers_may_send_each_other_links() -> None:
    world = a_world(protect_managers=False)
    assert (await ask(world, "boss")).facts["reason"] == "user-protected"
    assert world.mail.sent == []


async def test_a_domain_without_the_page_sends_nothing() -> None:
    world = World()
    assert (await ask(world)).facts["reason"] == "domain-unknown"


async def test_a_locked_person_gets_none_where_locks_are_not_lifted() -> None:
    world = a_world(unlock=False)
    world.directory.change("uuid-jane", state=AccountState.LOCKED)
    assert (await ask(world)).facts["reason"] == "user-locked"


@pytest.mark.parametrize("weather", [Weather.DOWN, Weather.NO_RIGHTS])
async def test_a_directory_that_is_down_is_a_line_in_the_trail(weather: Weather) -> None:
    world = a_world()
    world.directory.tree.weather = weather
    assert (await ask(world)).name == "request.refused"


async def test_a_store_that_is_down_stops_nothing() -> None:
    world = a_world()
    world.store.down = True
    world.services.asks.put(an_ask(), world.services)
    await world.services.asks.drain(10, world.services)
    world.store.down = False
    world.clock.advance(timedelta(minutes=1))
    await ask(world)
    assert len(world.mail.sent) == 1


# --- nobody's link ends, nobody is locked ------------------------------------------------------------------------


async def test_an_ask_ends_no_link_of_a_manager() -> None:
    world = a_world()
    token = await world.token()
    await ask(world)
    assert (await open_link(token, world.services)).user.login == "jane"


async def test_an_ask_ends_no_link_that_was_asked_for_before() -> None:
    world = a_world()
    for _ in range(3):
        await ask(world)
    assert [request.state for request in await links(world)] == [RequestState.PENDING] * 3


async def test_a_link_of_a_manager_ends_those_that_were_asked_for() -> None:
    world = a_world()
    await ask(world)
    await world.send()
    assert [request.state for request in await links(world)] == [RequestState.REVOKED]


async def test_a_flood_for_one_person_leaves_managers_their_limits() -> None:
    world = a_world()
    for number in range(40):
        await ask(world, networks=(Network(f"198.51.{number}.0/24"),))
    assert len(await links(world)) == 3
    for _ in range(20):
        await world.send()


# --- limits ------------------------------------------------------------------------------------------------------


async def test_a_name_is_counted_before_it_is_looked_up() -> None:
    world = a_world()
    for _ in range(3):
        assert (await ask(world, "nobody")).facts["reason"] == "user-unknown"
    assert (await ask(world, "NOBODY")).facts["reason"] == "too-many-requests"


async def test_a_person_is_counted_by_whatever_name() -> None:
    world = a_world(login_attributes=["uid", "cn"])
    for name in ("jane", "jane@example.org", "Jane Person"):
        await ask(world, name)
    world.directory.change("uuid-jane", mails=("jane@example.org", "second@example.org"))
    assert (await ask(world, "second@example.org")).facts["reason"] == "too-many-requests"


async def test_an_address_that_many_have_is_counted() -> None:
    world = a_world()
    for number in range(6):
        world.add(a_user(f"shared{number}", mails=("shared@example.org",)))
    reasons = [(await ask(world, f"shared{number}")).facts.get("reason") for number in range(6)]
    assert reasons == [None] * 5 + ["too-many-requests"]


async def test_a_network_is_counted() -> None:
    world = a_world({"asks_per_network_per_hour": 2})
    reasons = [(await ask(world, f"nobody{number}")).facts["reason"] for number in range(3)]
    assert reasons == ["user-unknown", "user-unknown", "too-many-from-network"]
    assert (await ask(world, "jane", networks=(Network("203.0.113.0/24"),))).name == "request.sent"


async def test_all_are_counted() -> None:
    world = a_world({"asks_per_minute": 2})
    for number in range(3):
        world.services.asks.put(an_ask(f"nobody{number}", networks=(Network(f"198.51.{number}.0/24"),)), world.services)
    await world.services.asks.drain(10, world.services)
    assert sorted(str(event.facts["reason"]) for event in world.store.events) == [
        "overloaded",
        "user-unknown",
        "user-unknown",
    ]


async def test_asks_without_a_proof_have_tighter_limits_of_their_own() -> None:
    world = a_world({"unproven_per_network_per_hour": 1})
    assert (await ask(world, "nobody", proven=False)).facts["reason"] == "user-unknown"
    assert (await ask(world, "jane", proven=False)).facts["reason"] == "too-many-from-network"
    assert (await ask(world, "jane")).name == "request.sent"


async def test_asks_without_a_proof_are_counted_over_all() -> None:
    world = a_world({"unproven_per_minute": 1})
    for number in range(2):
        world.services.asks.put(
            an_ask(f"nobody{number}", proven=False, networks=(Network(f"198.51.{number}.0/24"),)), world.services
        )
    await world.services.asks.drain(10, world.services)
    assert sorted(str(event.facts["reason"]) for event in world.store.events) == ["overloaded", "user-unknown"]


async def test_a_double_click_sends_one_message() -> None:
    world = a_world()
    for _ in range(2):
        world.services.asks.put(an_ask(), world.services)
    await world.services.asks.drain(10, world.services)
    assert len(await links(world)) == 1


async def test_sms_have_a_budget_within_the_budget() -> None:
    world = a_world({"delivery_mode": "SMS", "sms_per_day": 1})
    assert (await ask(world, "jane")).name == "request.sent"
    assert (await ask(world, "john")).facts["reason"] == "sms-budget-spent"
    await world.send("john", mode="SMS")


async def test_a_spent_budget_of_sms_leaves_the_mail() -> None:
    world = a_world({"delivery_mode": "MAILSMS", "sms_per_day": 1})
    await ask(world, "jane")
    world.directory.change("uuid-john", mobiles=("+33612345679",))
    assert (await ask(world, "john")).name == "request.sent"
    assert [[one.channel for one in request.sent_to] for request in await links(world)] == [
        [Channel.MAIL, Channel.SMS],
        [Channel.MAIL],
    ]


async def test_sms_of_the_page_are_taken_from_the_budget_of_all() -> None:
    world = World({"limits": {"sms_per_day": 1}, "public": {"delivery_mode": "SMS"}}, {"public": True})
    await world.send("john", mode="SMS")
    assert (await ask(world, "jane")).facts["reason"] == "sms-budget-spent"


async def test_notices_of_an_ask_cost_no_sms() -> None:
    world = a_world(notify_of_links=True)
    world.directory.change("uuid-jane", mails=("jane@example.org", "second@example.org"))
    await ask(world)
    assert sorted(sent.recipient.address for sent in world.mail.sent) == ["jane@example.org", "second@example.org"]
    assert world.sms.sent == []


# --- the queue ---------------------------------------------------------------------------------------------------


async def test_a_full_queue_drops_counts_and_tells_once() -> None:
    world = a_world({"queue": 2})
    for number in range(5):
        world.services.asks.put(an_ask(f"nobody{number}", networks=(Network(f"198.51.{number}.0/24"),)), world.services)
    await world.services.asks.drain(10, world.services)
    assert world.services.asks.dropped == 3
    assert [event.facts for event in world.store.events if event.name == "asks.dropped"] == [{"count": 3}]


async def test_asks_without_a_proof_take_no_place_from_others() -> None:
    world = a_world({"queue": 10})
    for number in range(5):
        world.services.asks.put(an_ask(f"nobody{number}", proven=False), world.services)
    assert (world.services.asks.waiting, world.services.asks.dropped) == (1, 4)
    world.services.asks.put(an_ask(), world.services)
    await world.services.asks.drain(10, world.services)
    assert len(await links(world)) == 1


async def test_what_waits_when_the_service_stops_is_looked_at_at_once() -> None:
    world = a_world({"unproven_delay_seconds": 3600})
    world.services.asks.put(an_ask(proven=False), world.services)
    await world.services.asks.drain(10, world.services)
    assert (len(await links(world)), world.services.asks.waiting) == (1, 0)


# --- a new link in place of an expired one -----------------------------------------------------------------------


async def expired(world: World, **changes: Any) -> ResetRequest:
    sent = await world.send(**changes)
    world.clock.advance(timedelta(days=2))
    request = await world.store.get(sent.request_id)
    assert request is not None
    return request


async def test_an_expired_link_is_renewed_to_the_same_addresses() -> None:
    world = a_world()
    old = await expired(world, mode="MAILSMS")
    await ask(world, renews=old.id)
    [new] = await links(world)
    assert (new.sent_to, new.mode, new.user_id) == (old.sent_to, old.mode, old.user_id)
    assert [message.message for message in await world.store.deliveries(new.id)] == [MessageName.ASKED_LINK] * 2


async def test_it_is_renewed_to_those_only_that_the_entry_still_has() -> None:
    world = a_world()
    old = await expired(world, mode="MAILSMS")
    world.directory.change("uuid-jane", mails=("new@example.org",))
    await ask(world, renews=old.id)
    assert [[one.address for one in new.sent_to] for new in await links(world)] == [["+33612345678"]]


async def test_it_is_not_renewed_when_all_its_addresses_have_left() -> None:
    world = a_world()
    old = await expired(world)
    world.directory.change("uuid-jane", mails=("new@example.org",))
    assert (await ask(world, renews=old.id)).facts["reason"] == "address-left"
    assert await links(world) == []


async def test_it_is_not_renewed_for_who_is_protected_by_now() -> None:
    world = a_world()
    old = await expired(world)
    world.directory.tree.groups[next(iter(world.settings.domains["EXAMPLE"].protected))].append(
        world.directory.tree.people["uuid-jane"].user.dn
    )
    assert (await ask(world, renews=old.id)).facts["reason"] == "user-protected"


async def test_only_a_link_that_expired_unused_is_renewed() -> None:
    world = a_world()
    sent = await world.send()
    alive = await world.store.get(sent.request_id)
    assert alive is not None
    assert not renewable(alive, world.services)
    await world.store.revoke(alive.id, world.clock.now(), "revoked-by-manager", [])
    world.clock.advance(timedelta(days=2))
    revoked = await world.store.get(alive.id)
    assert revoked is not None
    assert not renewable(revoked, world.services)


async def test_no_link_is_renewed_where_the_settings_say_so() -> None:
    world = a_world({"renew_expired": False})
    old = await expired(world)
    assert not renewable(old, world.services)
    assert (await ask(world, renews=old.id)).name == "request.refused"


async def test_a_row_that_somebody_else_wrote_is_not_renewed() -> None:
    world = a_world()
    old = await expired(world)
    world.store.requests[old.id] = type(old)(**{**{f: getattr(old, f) for f in old.__slots__}, "user_id": "uuid-john"})
    assert (await ask(world, renews=old.id)).name == "request.refused"
    assert await links(world) == []
