"""What every transport keeps: the fake, SMTP in its variants, the HTTP gateway, a real Kannel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pwreset.delivery.gateways import sms_transport
from pwreset.delivery.mail import MailTransport
from pwreset.delivery.sms import HttpSmsTransport
from pwreset.errors import DeliveryDeferred, DeliveryRefused
from pwreset.reset.model import Channel, Content, Envelope, Recipient
from pwreset.reset.ports import Transport
from pwreset.reset.tokens import new_id
from pwreset.secret import Secret
from pwreset.settings import Mail, Sms
from tests.fakes.transport import FakeTransport
from tests.servers.certificates import Authority
from tests.servers.gateway import GatewayServer
from tests.servers.kannel import PASSWORD, USERNAME, Kannel
from tests.servers.smtp import SmtpServer

PATIENT = 20.0
IMPATIENT = 0.3  # for the tests in which the peer never answers
PEERS_WORDS = "peers-own-words"
SENDER = "Help Desk <helpdesk@example.org>"


@dataclass
class Peer:
    """A transport and the means to make its peer say something else than yes."""

    transport: Transport
    address: str
    defer: Callable[[str], object]
    refuse: Callable[[str], object]
    hang: Callable[[str], object]
    accept: Callable[[str], object]
    arrived: Callable[[], list[tuple[str, str]]]  # address and text
    stop: Callable[[], object]
    start_again: Callable[[], object]
    hang_up: Callable[[], object]
    impatient: Callable[[], Transport]

    def envelope(self, text: str = "the text", address: str | None = None) -> Envelope:
        recipient = Recipient(self.transport.channel, address or self.address)
        return Envelope(new_id(), "EXAMPLE", recipient, Content("Subject", text, f"<p>{text}</p>"), datetime.now(UTC))


def fake_peer() -> Peer:
    fake = FakeTransport()
    # The impatient one answers nobody, like the relay it stands for.
    impatient = FakeTransport(deadline=timedelta(seconds=IMPATIENT))
    impatient.hang("jane.doe@example.org")
    return Peer(
        transport=fake,
        address="jane.doe@example.org",
        defer=fake.defer,
        refuse=fake.refuse,
        hang=fake.hang,
        accept=fake.accept,
        arrived=lambda: [(envelope.recipient.address, envelope.content.text) for envelope in fake.sent],
        stop=lambda: setattr(fake, "reachable", False),
        start_again=lambda: setattr(fake, "reachable", True),
        hang_up=lambda: None,
        impatient=lambda: impatient,
    )


def smtp_peer(server: SmtpServer, url: str, ca_file: Path | None, login: tuple[str, str] | None) -> Peer:
    def build(seconds: float) -> MailTransport:
        settings = Mail(
            url=url,
            sender=SENDER,
            ca_file=str(ca_file) if ca_file else None,
            timeout_seconds=seconds,
            username=login[0] if login else None,
            connections=2,
        )
        return MailTransport(settings, Secret(login[1]) if login else None)

    return Peer(
        transport=build(PATIENT),
        address="jane.doe@example.org",
        defer=lambda address: server.refuse(address, 451, words=PEERS_WORDS),
        refuse=lambda address: server.refuse(address, 550, words=PEERS_WORDS),
        hang=server.hang_on,
        accept=server.accept,
        arrived=lambda: [(mail.recipient, mail.text.rstrip("\n")) for mail in server.messages],
        stop=server.stop,
        start_again=server.start_again,
        hang_up=server.drop_connections,
        impatient=lambda: build(IMPATIENT),
    )


def gateway_peer(server: GatewayServer, ca_file: Path | None) -> Peer:
    def build(seconds: float) -> HttpSmsTransport:
        settings = Sms(url=server.url, ca_file=str(ca_file) if ca_file else None, timeout_seconds=seconds)
        return HttpSmsTransport(settings, None)

    def restart() -> None:
        server.stop()
        server.start_again()

    return Peer(
        transport=build(PATIENT),
        address="+33612345678",
        defer=lambda address: server.answer(address, status=503, body=PEERS_WORDS),
        refuse=lambda address: server.answer(address, status=422, body=PEERS_WORDS),
        hang=lambda address: server.answer(address, hang=True),
        accept=server.answer,
        arrived=lambda: [(request.to, request.text) for request in server.requests],
        stop=server.stop,
        start_again=server.start_again,
        hang_up=restart,
        impatient=lambda: build(IMPATIENT),
    )


def apprise_peer(server: GatewayServer) -> Peer:
    def build(seconds: float) -> Transport:
        url = f"json://127.0.0.1:{server.port}/sms?:to={{to}}&:message=text"
        return sms_transport(Sms(url=url, timeout_seconds=seconds), None)

    return replace(gateway_peer(server, None), transport=build(PATIENT), impatient=lambda: build(IMPATIENT))


def kannel_peer(kannel: Kannel) -> Peer:
    def build(seconds: float) -> Transport:
        return sms_transport(Sms(url=kannel.url, username=USERNAME, timeout_seconds=seconds), Secret(PASSWORD))

    def restart() -> None:
        kannel.stop("smsbox")
        kannel.start("smsbox")

    def accept(_: str) -> None:
        if kannel.paused:
            kannel.resume("smsbox")
        else:
            kannel.restart()

    return Peer(
        transport=build(PATIENT),
        address="+33612345678",
        defer=lambda _: kannel.stop("bearerbox"),
        refuse=lambda address: kannel.restart(denied=rf"^\{address}$"),
        hang=lambda _: kannel.pause("smsbox"),
        accept=accept,
        arrived=lambda: [(message.to, message.text) for message in kannel.all_arrived()],
        stop=lambda: kannel.stop("smsbox"),
        start_again=lambda: kannel.start("smsbox"),
        hang_up=restart,
        impatient=lambda: build(IMPATIENT),
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(
    params=[
        "fake",
        *(
            pytest.param(kind, marks=pytest.mark.servers)
            for kind in (
                "smtp",
                "smtp one by one",
                "starttls",
                "smtps with log-in",
                "http",
                "https",
                "kannel",
                "apprise",
            )
        ),
    ]
)
async def peer(request: pytest.FixtureRequest, authority: Authority) -> AsyncIterator[Peer]:
    kind = request.param
    ca_file = authority.ca_file
    login = ("pwreset", "relay password")
    if kind == "fake":
        yield fake_peer()
    elif kind == "apprise":
        with GatewayServer() as gateway:
            peer = apprise_peer(gateway)
            yield peer
            await peer.transport.close()
    elif kind == "kannel":
        with Kannel() as kannel:
            peer = kannel_peer(kannel)
            yield peer
            await peer.transport.close()
    elif kind.startswith("http"):
        tls = authority.server() if kind == "https" else None
        with GatewayServer(tls=tls) as gateway:
            peer = gateway_peer(gateway, ca_file if tls else None)
            yield peer
            await peer.transport.close()
    else:
        tls = None if kind.startswith("smtp ") or kind == "smtp" else authority.server()
        needs_login = kind == "smtps with log-in"
        with SmtpServer(
            tls=tls,
            implicit=kind.startswith("smtps"),
            login=login if needs_login else None,
            pipelining=kind != "smtp one by one",
        ) as server:
            url = server.url + ("?starttls=on" if kind == "starttls" else "")
            peer = smtp_peer(server, url, ca_file if tls else None, login if needs_login else None)
            yield peer
            await peer.transport.close()


async def test_a_message_that_is_taken_arrives_once_with_its_text(peer: Peer) -> None:
    await peer.transport.send(peer.envelope("Grüße, 5 €\n.a dot first\nand last"))
    assert peer.arrived() == [(peer.address, "Grüße, 5 €\n.a dot first\nand last")]


async def test_a_message_put_off_is_deferred_and_does_not_arrive(peer: Peer) -> None:
    peer.defer(peer.address)
    with pytest.raises(DeliveryDeferred):
        await peer.transport.send(peer.envelope())
    assert peer.arrived() == []


async def test_a_message_turned_down_is_refused_and_does_not_arrive(peer: Peer) -> None:
    peer.refuse(peer.address)
    with pytest.raises(DeliveryRefused):
        await peer.transport.send(peer.envelope())
    assert peer.arrived() == []


async def test_a_failure_is_told_in_our_words(peer: Peer) -> None:
    peer.refuse(peer.address)
    with pytest.raises(DeliveryRefused) as caught:
        await peer.transport.send(peer.envelope("a text with a link"))
    told = f"{caught.value.detail} {caught.value}"
    assert told.strip()
    assert PEERS_WORDS not in told
    assert "a text with a link" not in told


async def test_a_message_turned_down_does_not_stop_the_next(peer: Peer) -> None:
    peer.refuse(peer.address)
    with pytest.raises(DeliveryRefused):
        await peer.transport.send(peer.envelope("first"))
    peer.accept(peer.address)
    await peer.transport.send(peer.envelope("second"))
    assert peer.arrived() == [(peer.address, "second")]


async def test_a_peer_that_never_answers_is_not_waited_for(peer: Peer) -> None:
    peer.hang(peer.address)
    transport = peer.impatient()
    with pytest.raises(DeliveryDeferred):
        await transport.send(peer.envelope())
    await transport.close()


async def test_a_peer_that_is_down_defers(peer: Peer) -> None:
    peer.stop()
    with pytest.raises(DeliveryDeferred):
        await peer.transport.send(peer.envelope())


async def test_after_the_peer_was_down_messages_go_out_again(peer: Peer) -> None:
    await peer.transport.send(peer.envelope("before"))
    peer.stop()
    with pytest.raises(DeliveryDeferred):
        await peer.transport.send(peer.envelope("meanwhile"))
    peer.start_again()
    await peer.transport.send(peer.envelope("after"))
    assert [text for _, text in peer.arrived()] == ["before", "after"]


async def test_a_connection_that_the_peer_closed_while_it_was_idle_loses_no_message(peer: Peer) -> None:
    await peer.transport.send(peer.envelope("first"))
    peer.hang_up()
    await peer.transport.send(peer.envelope("second"))
    assert [text for _, text in peer.arrived()] == ["first", "second"]


async def test_messages_sent_at_the_same_time_all_arrive(peer: Peer) -> None:
    texts = {f"message {number}" for number in range(12)}
    await asyncio.gather(*(peer.transport.send(peer.envelope(text)) for text in texts))
    arrived = [text for _, text in peer.arrived()]
    assert len(arrived) == len(texts)
    assert set(arrived) == texts


async def test_a_send_that_is_cancelled_leaves_the_transport_usable(peer: Peer) -> None:
    peer.hang(peer.address)
    task = asyncio.create_task(peer.transport.send(peer.envelope("cancelled")))
    await asyncio.wait([task], timeout=IMPATIENT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    peer.accept(peer.address)
    await peer.transport.send(peer.envelope("next"))
    assert "next" in [text for _, text in peer.arrived()]


async def test_a_health_check_of_a_peer_that_works_says_so_and_sends_nothing(peer: Peer) -> None:
    health = await peer.transport.health()
    assert (health.ok, health.detail, health.advice) == (True, "", "")
    assert peer.arrived() == []


async def test_a_health_check_of_a_peer_that_is_down_says_what_and_what_to_do(peer: Peer) -> None:
    peer.stop()
    health = await peer.transport.health()
    assert not health.ok
    assert health.detail == "connection refused"
    assert health.advice


async def test_a_transport_says_what_it_carries(peer: Peer) -> None:
    assert peer.transport.channel is (Channel.SMS if peer.address.startswith("+") else Channel.MAIL)
