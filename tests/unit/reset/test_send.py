from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pwreset.errors import (
    AskRefused,
    ChannelNotConfigured,
    CommentsInvalid,
    DirectoryUnavailable,
    DomainUnknown,
    ExpiresOutOfRange,
    LinkUnknown,
    MessageRefused,
    MethodUnknown,
    NoMailAddress,
    NoMobileNumber,
    NoneNotAllowed,
    NotManagerOfDomain,
    Overloaded,
    SmsBudgetSpent,
    TooManyRequests,
    UserDisabled,
    UserLocked,
    UsernameInvalid,
    UserProtected,
    UserUnknown,
)
from pwreset.reset.model import AccountState, Channel, DeliveryState, MessageName, RequestState
from pwreset.reset.redeem import open_link
from tests.fakes.directory import Weather
from tests.fakes.world import World, a_user, token_of


async def test_the_link_is_the_one_that_is_sent() -> None:
    world = World()
    sent = await world.send(mode="MAILSMS")
    assert sent.link.reveal() in world.mail.sent[0].content.text
    assert sent.link.reveal() in world.sms.sent[0].content.text
    assert sent.link.reveal().startswith("https://reset.example.org/r/")


async def test_a_domain_with_an_address_of_its_own_has_links_of_its_own() -> None:
    world = World(domain={"public_url": "https://other.example.org/"})
    assert (await world.send()).link.reveal().startswith("https://other.example.org/r/")


async def test_the_mode_is_read_in_any_letter_case() -> None:
    world = World()
    await world.send(mode="mailSms")
    assert (len(world.mail.sent), len(world.sms.sent)) == (1, 1)


async def test_without_a_mode_the_setting_decides() -> None:
    world = World({"links": {"delivery_mode": "SMS"}})
    await world.send(mode=None)
    assert (len(world.mail.sent), len(world.sms.sent)) == (0, 1)


async def test_a_link_without_delivery_sends_nothing() -> None:
    world = World()
    await world.send(mode="NONE")
    assert (world.mail.sent, world.sms.sent) == ([], [])


async def test_a_link_without_delivery_is_told_to_the_user_if_the_settings_say_so() -> None:
    world = World({"links": {"notify_on_none": True}})
    sent = await world.send(mode="NONE")
    notices = await world.store.deliveries(sent.request_id)
    assert [notice.message for notice in notices] == [MessageName.LINK_ISSUED] * 2  # by mail and by SMS


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"username": "   "}, UsernameInvalid),
        ({"username": "x" * 257}, UsernameInvalid),
        ({"username": "nobody"}, UserUnknown),
        ({"username": "root"}, UserProtected),
        ({"username": "boss"}, UserProtected),
        ({"domain": "NOWHERE"}, DomainUnknown),
        ({"mode": "PIGEON"}, MethodUnknown),
        ({"mode": ""}, MethodUnknown),
        ({"lifetime_hours": 0}, ExpiresOutOfRange),
        ({"lifetime_hours": 721}, ExpiresOutOfRange),
        ({"comments": "x" * 1001}, CommentsInvalid),
        ({"comments": "a\x00b"}, CommentsInvalid),
        ({"scope": frozenset()}, NotManagerOfDomain),
    ],
)
async def test_a_wrong_ask_is_refused_and_leaves_nothing_behind(
    changes: dict[str, Any], error: type[Exception]
) -> None:
    world = World()
    with pytest.raises(error):
        await world.send(**changes)
    assert (await world.store.counts(world.clock.now()))["live_links"] == 0
    assert world.mail.sent == []


async def test_1_and_720_hours_are_exact() -> None:
    world = World()
    for hours in (1, 720):
        sent = await world.send(lifetime_hours=hours, mode="NONE")
        request = await world.store.get(sent.request_id)
        assert request is not None
        assert request.expires_at - request.created_at == timedelta(hours=hours)


async def test_a_domain_may_cap_the_lifetime() -> None:
    world = World(domain={"max_lifetime_hours": 12})
    with pytest.raises(ExpiresOutOfRange):
        await world.send(lifetime_hours=13)
    request = await world.store.get((await world.send()).request_id)
    assert request is not None
    assert request.expires_at - request.created_at == timedelta(hours=12)


async def test_comments_keep_their_lines() -> None:
    world = World()
    await world.send(comments="first\r\nsecond")
    assert "first\n" in world.mail.sent[0].content.text.replace("  ", "")


async def test_none_can_be_withheld() -> None:
    with pytest.raises(NoneNotAllowed):
        await World({"links": {"allow_none": False}}).send(mode="NONE")


async def test_a_disabled_account_gets_no_link() -> None:
    world = World()
    world.add(a_user("gone", state=AccountState.DISABLED))
    with pytest.raises(UserDisabled):
        await world.send("gone")


async def test_a_locked_account_gets_a_link_only_where_it_may_be_unlocked() -> None:
    for unlock in (True, False):
        world = World(domain={"unlock": unlock})
        world.add(a_user("locked", state=AccountState.LOCKED))
        if unlock:
            await world.send("locked")
        else:
            with pytest.raises(UserLocked):
                await world.send("locked")


async def test_the_first_usable_address_is_taken() -> None:
    world = World()
    world.add(a_user("many", mails=("not an address", "good@example.org", "later@example.org")))
    await world.send("many")
    assert [envelope.recipient.address for envelope in world.mail.sent] == ["good@example.org"]


async def test_without_an_address_for_the_only_channel_there_is_no_link() -> None:
    world = World()
    world.add(a_user("bare", mails=(), mobiles=()))
    with pytest.raises(NoMailAddress):
        await world.send("bare", mode="MAIL")
    with pytest.raises(NoMobileNumber):
        await world.send("bare", mode="SMS")


async def test_one_channel_makes_up_for_the_other_and_the_reason_is_told() -> None:
    world = World()
    world.add(a_user("nomail", mails=()))
    sent = await world.send("nomail", mode="MAILSMS")
    assert sent.failures == ("no-mail-address",)
    assert len(world.sms.sent) == 1


async def test_a_channel_without_a_transport_is_told() -> None:
    world = World()
    del world.services.transports[Channel.SMS]  # type: ignore[attr-defined] # a dict in tests
    with pytest.raises(ChannelNotConfigured):
        await world.send(mode="SMS")


async def test_sms_go_only_to_the_countries_listed() -> None:
    world = World({"limits": {"sms_countries": ["49"]}})
    with pytest.raises(NoMobileNumber):
        await world.send(mode="SMS")


async def test_a_message_refused_for_good_revokes_the_link() -> None:
    world = World()
    world.mail.refuse("jane@example.org")
    with pytest.raises(MessageRefused):
        await world.send()
    assert (await world.store.counts(world.clock.now()))["live_links"] == 0


async def test_after_a_refused_message_the_older_link_is_as_it_was() -> None:
    world = World()
    older = await world.token()
    world.mail.refuse("jane@example.org")
    with pytest.raises(MessageRefused):
        await world.send()
    assert (await open_link(older, world.services)).user.login == "jane"


async def test_one_refused_message_of_two_is_told_beside_the_link() -> None:
    world = World()
    world.mail.refuse("jane@example.org")
    sent = await world.send(mode="MAILSMS")
    assert sent.failures == ("message-refused",)
    assert (await open_link(token_of(sent), world.services)).user.login == "jane"


async def test_a_relay_that_is_down_delays_the_message_and_not_the_answer() -> None:
    world = World()
    world.mail.reachable = False
    sent = await world.send()
    [delivery] = await world.store.deliveries(sent.request_id)
    assert delivery.state is DeliveryState.QUEUED
    assert delivery.due_at > world.clock.now()


async def test_a_delayed_message_replaces_the_older_link_once_the_answer_is_a_link() -> None:
    world = World()
    older = await world.token()
    world.mail.reachable = False
    await world.send()
    with pytest.raises(LinkUnknown):
        await open_link(older, world.services)


async def test_a_hanging_relay_is_not_waited_for_beyond_the_limit() -> None:
    world = World()
    world.mail.hang("jane@example.org")
    sent = await world.send(wait=0.05)
    assert (await open_link(token_of(sent), world.services)).user.login == "jane"
    await world.services.outbox.drain(0)


@pytest.mark.parametrize("mode", ["NONE", "MAIL"])
@pytest.mark.parametrize("wait", [0.0, 5.0])
async def test_the_newest_link_wins(mode: str, wait: float) -> None:
    world = World()
    older = await world.token()
    newer = token_of(await world.send(mode=mode, wait=wait))
    with pytest.raises(LinkUnknown):
        await open_link(older, world.services)
    assert (await open_link(newer, world.services)).user.login == "jane"
    await world.services.outbox.drain(1)


async def test_a_link_leaves_other_peoples_links_alone() -> None:
    world = World()
    johns = await world.token("john")
    await world.send("jane")
    assert (await open_link(johns, world.services)).user.login == "john"


async def test_too_many_links_for_one_user_are_refused() -> None:
    world = World({"limits": {"links_per_user_per_hour": 2}})
    await world.send()
    await world.send()
    with pytest.raises(TooManyRequests):
        await world.send()
    await world.send("john")


async def test_a_user_with_several_names_is_counted_once() -> None:
    world = World({"limits": {"links_per_user_per_hour": 2}}, {"login_attributes": ["uid", "cn", "mail"]})
    await world.send("jane")
    await world.send("Jane Person")
    with pytest.raises(TooManyRequests):
        await world.send("jane@example.org")


async def test_a_limit_per_manager_says_when_to_try_again() -> None:
    world = World({"limits": {"requests_per_manager_per_minute": 1}})
    await world.send()
    with pytest.raises(Overloaded) as refusal:
        await world.send("john")
    assert refusal.value.retry_after == timedelta(minutes=1)


async def test_the_sms_budget_of_the_day_ends() -> None:
    world = World({"limits": {"sms_per_day": 1}})
    await world.send(mode="SMS")
    with pytest.raises(SmsBudgetSpent):
        await world.send("john", mode="SMS")
    await world.send("john", mode="MAIL")


async def test_a_directory_that_is_down_is_no_false_answer() -> None:
    world = World()
    world.directory.tree.weather = Weather.DOWN
    with pytest.raises(DirectoryUnavailable):
        await world.send()


async def test_every_ask_is_in_the_audit_trail_the_refused_ones_too() -> None:
    world = World()
    sent = await world.send(mode="NONE")
    with pytest.raises(AskRefused):
        await world.send("nobody")
    events = await world.store.audit(0, 10)
    assert [(event.name, event.user, event.request_id) for event in events] == [
        ("request.sent", "jane", sent.request_id),
        ("request.refused", "nobody", ""),
    ]
    assert events[1].facts["reason"] == "user-unknown"


async def test_what_waits_is_sealed_and_erased_once_it_is_settled() -> None:
    world = World()
    world.mail.reachable = False
    waiting = await world.send()
    [delivery] = await world.store.deliveries(waiting.request_id)
    assert delivery.body
    assert waiting.link.reveal().encode() not in delivery.body
    world.mail.reachable = True
    [settled] = await world.store.deliveries((await world.send()).request_id)
    assert settled.body == b""


async def test_a_superseded_links_message_is_not_sent_any_more() -> None:
    world = World()
    world.mail.reachable = False
    older = await world.send()
    await world.send(mode="NONE")
    [delivery] = await world.store.deliveries(older.request_id)
    assert delivery.state is DeliveryState.ABANDONED


async def test_the_request_is_kept_pending() -> None:
    world = World()
    request = await world.store.get((await world.send()).request_id)
    assert request is not None
    assert request.state is RequestState.PENDING
