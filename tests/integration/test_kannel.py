"""SMS through a real Kannel to its fake operator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from pwreset.delivery.gateways import sms_transport
from pwreset.delivery.segments import segments
from pwreset.errors import DeliveryDeferred, DeliveryRefused, SettingsError
from pwreset.reset.model import Channel, Content, Envelope, Recipient
from pwreset.reset.ports import Transport
from pwreset.secret import Secret
from pwreset.settings import Sms
from tests.servers.gateway import GatewayServer
from tests.servers.kannel import PASSWORD, USERNAME, Kannel

pytestmark = pytest.mark.servers

NUMBER = "+33612345678"
LINK = "https://reset.example.org/r/" + "Ab_-" * 10 + "xyz"


@pytest.fixture(scope="module")
def running() -> Iterator[Kannel]:
    with Kannel() as kannel:
        yield kannel


@pytest.fixture
def kannel(running: Kannel) -> Kannel:
    running.restart()
    return running


@pytest.fixture
async def transport(kannel: Kannel) -> AsyncIterator[Transport]:
    transport = transport_to(kannel)
    yield transport
    await transport.close()


def transport_to(kannel: Kannel, password: str = PASSWORD, **more: object) -> Transport:
    settings = Sms(url=kannel.url, username=USERNAME, sender="Ex & Co", **more)  # type: ignore[arg-type]
    return sms_transport(settings, Secret(password))


def envelope(text: str, number: str = NUMBER) -> Envelope:
    return Envelope("id-1", "EXAMPLE", Recipient(Channel.SMS, number), Content("", text), datetime.now(UTC))


async def test_the_link_arrives_at_the_operator_with_its_sender(kannel: Kannel, transport: Transport) -> None:
    before = len(kannel.all_arrived())
    await transport.send(envelope(f"Example Corp: {LINK}"))
    [message] = kannel.all_arrived()[before:]
    assert (message.sender, message.to, message.kind) == ("Ex & Co", NUMBER, "text")
    assert message.text == f"Example Corp: {LINK}"


@pytest.mark.parametrize(
    "text", ["Ορίστε νέο κωδικό", "كلمة مرور جديدة", "新しいパスワード", "a key: 🔑🏠", "guillemets « ê »"]
)
async def test_a_text_beyond_gsm_7_arrives_intact(kannel: Kannel, transport: Transport, text: str) -> None:
    before = len(kannel.all_arrived())
    await transport.send(envelope(text))
    [message] = kannel.all_arrived()[before:]
    assert (message.kind, message.text) == ("ucs-2", text)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("x" * 161, "utf-8"), (f"{LINK} " * 5, "utf-8"), ("€" * 100, "utf-8"), ("Ω" * 10 + "ж" * 150, "utf-16-be")],
)
async def test_a_long_text_arrives_in_as_many_parts_as_we_count(
    kannel: Kannel, transport: Transport, text: str, encoding: str
) -> None:
    before = len(kannel.all_arrived())
    await transport.send(envelope(text.strip()))
    parts = kannel.all_arrived()[before:]
    assert [part.part for part in parts] == [(number + 1, len(parts)) for number in range(len(parts))]
    assert b"".join(part.raw for part in parts).decode(encoding) == text.strip()
    assert len(parts) == segments(text.strip())


async def test_while_the_operator_is_away_kannel_keeps_the_message(kannel: Kannel, transport: Transport) -> None:
    before = len(kannel.all_arrived())
    kannel.stop("fakesmsc")
    await transport.send(envelope("later"))
    kannel.start("fakesmsc")
    assert [message.text for message in kannel.all_arrived()[before:]] == ["later"]


async def test_without_its_bearerbox_kannel_takes_nothing_and_the_message_is_deferred(
    kannel: Kannel, transport: Transport
) -> None:
    before = len(kannel.all_arrived())
    kannel.stop("bearerbox")
    with pytest.raises(DeliveryDeferred):
        await transport.send(envelope("meanwhile"))
    kannel.restart()
    await transport.send(envelope("after"))
    assert [message.text for message in kannel.all_arrived()[before:]] == ["after"]


async def test_a_wrong_password_defers_since_the_message_is_not_to_blame(kannel: Kannel) -> None:
    transport = transport_to(kannel, "wrong")
    with pytest.raises(DeliveryDeferred) as caught:
        await transport.send(envelope("text"))
    await transport.close()
    assert "403" in caught.value.detail


async def test_a_number_that_kannel_denies_is_refused(kannel: Kannel, transport: Transport) -> None:
    kannel.restart(denied=rf"^\{NUMBER}$")
    with pytest.raises(DeliveryRefused):
        await transport.send(envelope("text"))


async def test_neither_the_link_nor_the_password_stands_in_an_address() -> None:
    with GatewayServer() as server:
        server.answer(LINK, status=202, body="0: Accepted for delivery")  # the number is in a header
        url = f"kannel://127.0.0.1:{server.port}"
        transport = sms_transport(Sms(url=url, username=USERNAME), Secret(PASSWORD))
        await transport.send(envelope(LINK))
        await transport.close()
        [request] = server.requests
    assert (request.method, request.path) == ("POST", "/cgi-bin/sendsms")
    assert request.body.decode() == LINK


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "kannel://kannel.example.org"}, "loopback"),
        ({"url": "kannel://127.0.0.1:x"}, "sms.url"),
        ({"url": "kannel://user:pw@127.0.0.1"}, "log-in"),
        ({"url": "kannel://127.0.0.1", "method": "GET"}, "sms.method"),
        ({"url": "kannel://127.0.0.1", "body": "{text}"}, "sms.body"),
        ({"url": "kannel://127.0.0.1", "success_status": (200,)}, "sms.success_status"),
    ],
)
def test_settings_that_cannot_work_with_kannel_are_told(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        sms_transport(Sms(**settings), Secret(PASSWORD))  # type: ignore[arg-type]
