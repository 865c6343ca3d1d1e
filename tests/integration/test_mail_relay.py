"""The mail transport against a real relay: TLS, log-in, what each answer means, connections kept."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pwreset.delivery.mail import MailTransport
from pwreset.errors import DeliveryDeferred, DeliveryFailed, DeliveryRefused, SettingsError
from pwreset.reset.model import Channel, Content, Envelope, Recipient
from pwreset.reset.tokens import new_id
from pwreset.secret import Secret
from pwreset.settings import Mail
from tests.servers.certificates import Authority
from tests.servers.smtp import SmtpServer, silent_port

pytestmark = pytest.mark.servers

SENDER = "Help Desk <helpdesk@example.org>"
JANE = "jane@example.org"
LOGIN = ("pwreset", "relay password")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def relay() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


def transport_to(url: str, *, authority: Authority | None = None, **more: object) -> MailTransport:
    settings = {"url": url, "sender": SENDER, "ca_file": str(authority.ca_file) if authority else None, **more}
    return MailTransport(Mail(**settings), Secret(LOGIN[1]))  # type: ignore[arg-type]


def envelope(address: str = JANE, text: str = "text") -> Envelope:
    return Envelope(
        new_id(), "EXAMPLE", Recipient(Channel.MAIL, address), Content("Subject", text, "<p>h</p>"), datetime.now(UTC)
    )


async def failure(transport: MailTransport, address: str = JANE) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        await transport.send(envelope(address))
    await transport.close()
    return caught.value


async def test_the_envelope_names_sender_and_recipient_alone(relay: SmtpServer) -> None:
    transport = transport_to(relay.url)
    await transport.send(envelope())
    await transport.close()
    [mail] = relay.messages
    assert (mail.sender, mail.recipient) == ("helpdesk@example.org", JANE)
    assert str(mail.message["To"]) == JANE


async def test_a_mail_tried_again_has_the_same_message_id(relay: SmtpServer) -> None:
    transport = transport_to(relay.url)
    same = envelope()
    await transport.send(same)
    await transport.send(same)
    await transport.close()
    first, second = (str(mail.message["Message-ID"]) for mail in relay.messages)
    assert first == second


async def test_one_connection_carries_many_mails(relay: SmtpServer) -> None:
    transport = transport_to(relay.url)
    for _ in range(5):
        await transport.send(envelope())
    await transport.close()
    assert (len(relay.messages), relay.connections) == (5, 1)


async def test_no_more_connections_are_opened_than_settings_allow(relay: SmtpServer) -> None:
    transport = transport_to(relay.url, connections=2)
    await asyncio.gather(*(transport.send(envelope()) for _ in range(20)))
    await transport.close()
    assert len(relay.messages) == 20
    assert relay.connections <= 2


async def test_a_refused_mail_leaves_its_connection_good(relay: SmtpServer) -> None:
    relay.refuse(JANE, 550)
    transport = transport_to(relay.url)
    for _ in range(3):
        with pytest.raises(DeliveryRefused):
            await transport.send(envelope())
    await transport.send(envelope("john@example.org"))
    await transport.close()
    assert relay.connections == 1


@pytest.mark.parametrize(
    ("at", "recipient", "code", "meaning"),
    [
        ("RCPT", JANE, 550, DeliveryRefused),
        ("RCPT", JANE, 553, DeliveryRefused),
        ("RCPT", JANE, 450, DeliveryDeferred),
        ("RCPT", JANE, 421, DeliveryDeferred),
        ("RCPT", JANE, 530, DeliveryDeferred),
        ("RCPT", JANE, 503, DeliveryDeferred),
        ("DATA", JANE, 554, DeliveryRefused),
        ("DATA", JANE, 452, DeliveryDeferred),
        ("MAIL", "", 550, DeliveryDeferred),
        ("MAIL", "", 451, DeliveryDeferred),
        ("CONNECT", "", 554, DeliveryDeferred),
        ("CONNECT", "", 421, DeliveryDeferred),
    ],
)
@pytest.mark.parametrize("pipelining", [True, False])
async def test_each_answer_means_try_again_or_never(
    at: str, recipient: str, code: int, meaning: type[DeliveryFailed], *, pipelining: bool
) -> None:
    with SmtpServer(pipelining=pipelining) as relay:
        relay.refuse(recipient, code, at=at)
        error = await failure(transport_to(relay.url))
        assert type(error) is meaning
        assert str(code) in error.detail
        assert not relay.messages


@pytest.mark.parametrize(
    "address",
    ["jane@example.org\r\nRCPT TO:<thief@example.org>", "jane@example.org,thief@example.org", "a\x00@example.org", ""],
)
async def test_what_is_not_one_address_is_refused_before_any_connection(relay: SmtpServer, address: str) -> None:
    error = await failure(transport_to(relay.url), address)
    assert type(error) is DeliveryRefused
    assert relay.connections == 0


async def test_an_address_beyond_ascii_goes_to_a_relay_that_takes_it(relay: SmtpServer) -> None:
    transport = transport_to(relay.url)
    await transport.send(envelope("jöhn@exämple.org"))
    await transport.close()
    [mail] = relay.messages
    assert mail.recipient == "jöhn@xn--exmple-cua.org"
    assert "SMTPUTF8" in mail.options


async def test_an_address_beyond_ascii_is_refused_where_the_relay_takes_none() -> None:
    with SmtpServer(smtputf8=False) as relay:
        assert type(await failure(transport_to(relay.url), "jöhn@example.org")) is DeliveryRefused


async def test_a_domain_beyond_ascii_needs_no_special_relay() -> None:
    with SmtpServer(smtputf8=False) as relay:
        transport = transport_to(relay.url)
        await transport.send(envelope("jane@exämple.org"))
        await transport.close()
        assert relay.messages[0].recipient == "jane@xn--exmple-cua.org"


async def test_a_relay_that_takes_the_connection_and_says_nothing_defers() -> None:
    with silent_port() as port:
        error = await failure(transport_to(f"smtp://127.0.0.1:{port}", timeout_seconds=0.3))
    assert type(error) is DeliveryDeferred
    assert "no answer in time" in error.detail


async def test_starttls_is_used_on_loopback_when_it_is_offered(authority: Authority) -> None:
    with SmtpServer(tls=authority.server()) as relay:
        transport = transport_to(relay.url, authority=authority)
        await transport.send(envelope())
        await transport.close()
        assert len(relay.messages) == 1
        # Without the CA it fails: so it was TLS, and it was verified.
        assert "not trusted" in (await failure(transport_to(relay.url))).detail


async def test_a_relay_without_starttls_gets_nothing_where_it_is_demanded(relay: SmtpServer) -> None:
    transport = transport_to(f"{relay.url}?starttls=on")
    health = await transport.health()
    assert (health.ok, health.detail) == (False, "it does not offer STARTTLS")
    assert "starttls=off" in health.advice
    assert type(await failure(transport)) is DeliveryDeferred
    assert not relay.messages


def test_off_loopback_starttls_is_demanded_without_being_asked_for() -> None:
    from pwreset.delivery.mail import read_relay

    assert read_relay(Mail(url="smtp://relay.example.org")).start_tls is True
    assert read_relay(Mail(url="smtp://127.0.0.1")).start_tls is None
    assert read_relay(Mail(url="smtp://relay.example.org?starttls=off")).start_tls is False


def test_a_password_is_never_sent_in_the_clear_off_loopback() -> None:
    with pytest.raises(SettingsError, match="in the clear"):
        transport_to("smtp://relay.example.org?starttls=off", username="pwreset")


@pytest.mark.parametrize(
    "url",
    [
        "relay.example.org",
        "http://relay.example.org",
        "smtp://",
        "smtp://relay.example.org:port",
        "smtp://relay.example.org?tls=no",
        "smtp://relay.example.org?starttls=maybe",
        "smtp://user:pass@relay.example.org",
        "smtp://relay.example.org/path",
    ],
)
def test_an_address_that_is_none_is_a_mistake_in_the_settings(url: str) -> None:
    with pytest.raises(SettingsError, match=r"mail\.url"):
        transport_to(url)


def test_a_ca_file_that_does_not_load_is_a_mistake_in_the_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    with pytest.raises(SettingsError, match=r"mail\.ca_file"):
        transport_to("smtps://127.0.0.1", ca_file=str(file))


@pytest.mark.parametrize(
    ("name", "expired", "words"),
    [("other.example", False, "another name"), ("localhost", True, "expired")],
)
@pytest.mark.parametrize("implicit", [True, False])
async def test_a_certificate_that_does_not_fit_stops_the_mail(
    authority: Authority, name: str, words: str, *, expired: bool, implicit: bool
) -> None:
    with SmtpServer(tls=authority.server(name=name, expired=expired), implicit=implicit) as relay:
        transport = transport_to(relay.url, authority=authority)
        health = await transport.health()
        assert words in health.detail
        assert health.advice
        assert type(await failure(transport)) is DeliveryDeferred
        assert not relay.messages


async def test_a_wrong_password_defers_and_names_the_setting(authority: Authority) -> None:
    with SmtpServer(tls=authority.server(), implicit=True, login=("pwreset", "another")) as relay:
        transport = transport_to(relay.url, authority=authority, username="pwreset")
        health = await transport.health()
        assert health.detail == "it refused the log-in (535)"
        assert "mail.password_file" in health.advice
        error = await failure(transport)
        assert type(error) is DeliveryDeferred
        assert LOGIN[1] not in str(error)


async def test_a_relay_that_offers_no_log_in_is_told_about(relay: SmtpServer) -> None:
    health = await transport_to(relay.url, username="pwreset").health()
    assert health.detail == "it offers no log-in that we know"


@pytest.mark.parametrize(
    ("host", "words"), [("127.0.0.1", "connection refused"), ("no-such-host.invalid", "its name is not known")]
)
async def test_a_relay_that_is_not_there_is_told_about(host: str, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    health = await transport_to(f"smtp://{host}:{port}").health()
    assert not health.ok
    assert words in health.detail


async def test_a_port_that_speaks_no_tls_is_told_about(relay: SmtpServer) -> None:
    health = await transport_to(relay.url.replace("smtp://", "smtps://")).health()
    assert health.detail == "no TLS there"


async def test_what_cannot_be_delivered_is_returned_to_the_bounce_address() -> None:
    with SmtpServer(dsn=True) as relay:
        transport = transport_to(relay.url, bounce_address="bounces@exämple.org")
        await transport.send(envelope())
        await transport.close()
        [mail] = relay.messages
        assert mail.sender == "bounces@xn--exmple-cua.org"
        assert str(mail.message["From"]) == SENDER
        assert str(mail.message["Message-ID"]).endswith("@example.org>")
        assert relay.reports == ["RET=HDRS", "NOTIFY=FAILURE"]


async def test_no_report_is_asked_for_of_a_relay_that_offers_none() -> None:
    with SmtpServer(dsn=False) as relay:  # which refuses parameters that it does not know
        transport = transport_to(relay.url, bounce_address="bounces@example.org")
        await transport.send(envelope())
        await transport.close()
        assert len(relay.messages) == 1


async def test_without_a_bounce_address_no_report_is_asked_for() -> None:
    with SmtpServer(dsn=True) as relay:
        transport = transport_to(relay.url)
        await transport.send(envelope())
        await transport.close()
        assert (relay.messages[0].sender, relay.reports) == ("helpdesk@example.org", [])
