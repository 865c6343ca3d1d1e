"""Notices and their "it was not me", on fakes."""

from __future__ import annotations

import re
from dataclasses import replace

from pwreset.reset.disown import disown
from pwreset.reset.model import Channel, Delivery, MessageName, RequestState
from pwreset.reset.redeem import set_password
from pwreset.reset.tokens import read_token
from pwreset.reset.worker import start_due_deliveries
from pwreset.secret import Secret
from tests.fakes.world import PASSWORD, World, a_user

REPORT_TO = "security@example.org"


async def carried(world: World) -> None:
    await start_due_deliveries(world.services)
    await world.services.outbox.drain(10)


def disowning_token_in(text: str) -> Secret:
    found = re.search(r"https://reset\.example\.org/not-me/([A-Za-z0-9_-]{43})", text)
    assert found is not None, text
    token = read_token(found[1])
    assert token is not None
    return token


def told(deliveries: list[Delivery] | tuple[Delivery, ...], name: MessageName) -> set[tuple[Channel, str]]:
    return {(one.recipient.channel, one.recipient.address) for one in deliveries if one.message is name}


async def test_a_changed_password_is_told_to_every_address_of_the_entry() -> None:
    world = World()
    world.add(a_user("many", mails=("a@example.org", "b@example.org"), mobiles=("+33612345678", "+33698765432")))
    sent = await world.send("many", mode="NONE")
    token = read_token(sent.link.reveal().rpartition("/")[2])
    assert token is not None
    await set_password(token, Secret(PASSWORD), "192.0.2.1", world.services)
    assert told(await world.store.deliveries(sent.request_id), MessageName.PASSWORD_CHANGED) == {
        (Channel.MAIL, "a@example.org"),
        (Channel.MAIL, "b@example.org"),
        (Channel.SMS, "+33612345678"),
        (Channel.SMS, "+33698765432"),
    }


async def test_a_sent_link_is_told_where_it_was_not_sent_if_the_domain_says_so() -> None:
    world = World(domain={"notify_of_links": True})
    sent = await world.send(mode="MAIL")
    deliveries = await world.store.deliveries(sent.request_id)
    assert told(deliveries, MessageName.LINK_ISSUED) == {(Channel.SMS, "+33612345678")}


async def test_links_are_told_to_nobody_by_default() -> None:
    world = World()
    for mode in ("MAIL", "NONE"):
        sent = await world.send(mode=mode)
        assert told(await world.store.deliveries(sent.request_id), MessageName.LINK_ISSUED) == set()


async def test_the_button_of_a_mail_and_of_an_sms_ends_the_link_that_they_tell_of() -> None:
    for channel in Channel:
        world = World({"links": {"notify_on_none": True}})
        sent = await world.send(mode="NONE")
        await carried(world)
        [envelope] = (world.mail if channel is Channel.MAIL else world.sms).sent
        await disown(disowning_token_in(envelope.content.text), "192.0.2.1", world.services)
        assert world.store.requests[sent.request_id].state is RequestState.REVOKED


async def test_whom_the_domain_names_is_told_once_and_without_a_link() -> None:
    world = World({"links": {"notify_on_none": True}}, domain={"report_to": REPORT_TO})
    await world.send(mode="NONE")
    await carried(world)
    token = disowning_token_in(world.mail.sent[0].content.text)
    for _ in range(2):
        await disown(token, "192.0.2.1", world.services)
        await carried(world)
    [report] = [envelope for envelope in world.mail.sent if envelope.recipient.address == REPORT_TO]
    assert report.content.subject == '"It was not me", says jane at EXAMPLE'
    assert "https://" not in report.content.text + report.content.html


async def test_a_used_link_that_is_disowned_stays_used() -> None:
    world = World()
    sent = await world.send(mode="NONE")
    token = read_token(sent.link.reveal().rpartition("/")[2])
    assert token is not None
    await set_password(token, Secret(PASSWORD), "192.0.2.1", world.services)
    await carried(world)
    await disown(disowning_token_in(world.mail.sent[0].content.text), "192.0.2.1", world.services)
    request = world.store.requests[sent.request_id]
    assert (request.state, request.settled_why) == (RequestState.USED, "disowned")
    assert world.directory.password_of("uuid-jane") == PASSWORD


async def test_a_title_that_leaves_no_room_costs_an_sms_the_button_and_not_the_news() -> None:
    world = World({"sms": {"max_segments": 1}, "links": {"notify_on_none": True}})
    await world.send(mode="NONE")
    await carried(world)
    [sms] = world.sms.sent
    assert "/not-me/" not in sms.content.text
    assert "a link to set a new password" in sms.content.text


async def test_the_person_is_told_of_every_link_only_in_that_domain() -> None:
    world = World(domain={"notify_of_links": True})
    user = replace(a_user("plain"), mobiles=())
    world.add(user)
    sent = await world.send("plain", mode="MAIL")
    assert told(await world.store.deliveries(sent.request_id), MessageName.LINK_ISSUED) == set()
