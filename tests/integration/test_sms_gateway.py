"""The SMS transport against a real HTTP server, as described in many ways."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from pwreset.delivery.sms import HttpSmsTransport
from pwreset.errors import DeliveryDeferred, DeliveryFailed, DeliveryRefused, SettingsError
from pwreset.reset.model import Channel, Content, Envelope, Recipient
from pwreset.secret import Secret
from pwreset.settings import Sms
from tests.servers.certificates import Authority
from tests.servers.gateway import CapturedRequest, GatewayServer
from tests.servers.smtp import silent_port

pytestmark = pytest.mark.servers

NUMBER = "+33612345678"
NASTY = 'a&b=c "quoted" \\ {password} {to} <tag> é€\nnext %41+'
KEY = "api key & more"


@pytest.fixture
def gateway() -> Iterator[GatewayServer]:
    with GatewayServer() as server:
        yield server


def transport_to(url: str, **more: object) -> HttpSmsTransport:
    return HttpSmsTransport(Sms(url=url, **more), Secret(KEY))  # type: ignore[arg-type]


def envelope(text: str = NASTY) -> Envelope:
    return Envelope("id-1", "EXAMPLE", Recipient(Channel.SMS, NUMBER), Content("", text), datetime.now(UTC))


async def sent(gateway: GatewayServer, transport: HttpSmsTransport) -> CapturedRequest:
    await transport.send(envelope())
    await transport.close()
    [request] = gateway.requests
    return request


async def failure(transport: HttpSmsTransport) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        await transport.send(envelope("text"))
    await transport.close()
    return caught.value


async def test_by_default_a_form_with_to_from_and_text_is_posted(gateway: GatewayServer) -> None:
    request = await sent(gateway, transport_to(gateway.url, sender="Ex & Co"))
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.fields == {"to": NUMBER, "from": "Ex & Co", "text": NASTY}


async def test_the_id_of_the_delivery_makes_repetitions_recognisable(gateway: GatewayServer) -> None:
    assert (await sent(gateway, transport_to(gateway.url))).headers["idempotency-key"] == "id-1"


async def test_json_fields_are_encoded_as_json(gateway: GatewayServer) -> None:
    body = {"phone": "{to_digits}", "message": "{text}", "ref": "{id}"}
    request = await sent(gateway, transport_to(gateway.url, content_type="json", body=body))
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"phone": "33612345678", "message": NASTY, "ref": "id-1"}


async def test_a_json_text_keeps_its_structure_whatever_the_message_holds(gateway: GatewayServer) -> None:
    body = '{"messages": [{"to": ["{to}"], "body": "{text}", "priority": 1}], "key": "{password}"}'
    request = await sent(gateway, transport_to(gateway.url, content_type="json", body=body))
    assert json.loads(request.body) == {
        "messages": [{"to": [NUMBER], "body": NASTY, "priority": 1}],
        "key": KEY,
    }


async def test_a_form_text_is_encoded_field_by_field(gateway: GatewayServer) -> None:
    request = await sent(gateway, transport_to(gateway.url, body="dest={to}&msg={text}&key={password}"))
    assert request.fields == {"dest": NUMBER, "msg": NASTY, "key": KEY}


async def test_a_url_is_quoted(gateway: GatewayServer) -> None:
    url = f"{gateway.url}?to={{to}}&text={{text}}"
    request = await sent(gateway, transport_to(url, method="GET"))
    assert request.query == {"to": NUMBER, "text": NASTY}
    assert request.body == b""


async def test_plain_text_is_sent_as_it_is(gateway: GatewayServer) -> None:
    request = await sent(gateway, transport_to(gateway.url, content_type="text", headers={"X-To": "{to}"}))
    assert request.body.decode() == NASTY
    assert request.headers["x-to"] == NUMBER


async def test_xml_is_escaped(gateway: GatewayServer) -> None:
    request = await sent(
        gateway,
        transport_to(
            gateway.url,
            content_type="text",
            headers={"Content-Type": "text/xml; charset=utf-8"},
            body='<sms to="{to}"><text>{text}</text></sms>',
        ),
    )
    document = ET.fromstring(request.body.decode())
    assert document.get("to") == NUMBER
    assert document.findtext("text") == NASTY


async def test_a_header_carries_the_secret(gateway: GatewayServer) -> None:
    request = await sent(gateway, transport_to(gateway.url, headers={"Authorization": "Bearer {password}"}))
    assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_username_and_password_are_sent_as_basic(gateway: GatewayServer) -> None:
    request = await sent(gateway, transport_to(gateway.url, username="pwreset"))
    scheme, _, value = request.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(value).decode()) == ("Basic", f"pwreset:{KEY}")


async def test_username_in_the_body_is_not_sent_as_basic_too(gateway: GatewayServer) -> None:
    body = {"user": "{username}", "pass": "{password}", "to": "{to}", "text": "{text}"}
    request = await sent(gateway, transport_to(gateway.url, username="pwreset", body=body))
    assert "authorization" not in request.headers
    assert request.fields["user"] == "pwreset"


async def test_a_message_that_a_header_cannot_hold_is_deferred(gateway: GatewayServer) -> None:
    transport = transport_to(gateway.url, headers={"X-Text": "{text}"})
    with pytest.raises(DeliveryDeferred):
        await transport.send(envelope("two\r\nX-Evil: lines"))
    await transport.close()
    assert not gateway.requests


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, DeliveryRefused),
        (410, DeliveryRefused),
        (422, DeliveryRefused),
        (401, DeliveryDeferred),
        (403, DeliveryDeferred),
        (404, DeliveryDeferred),
        (405, DeliveryDeferred),
        (407, DeliveryDeferred),
        (408, DeliveryDeferred),
        (429, DeliveryDeferred),
        (500, DeliveryDeferred),
        (503, DeliveryDeferred),
        (203, DeliveryDeferred),
    ],
)
async def test_each_status_means_try_again_or_never(
    gateway: GatewayServer, status: int, meaning: type[DeliveryFailed]
) -> None:
    gateway.answer(NUMBER, status=status)
    error = await failure(transport_to(gateway.url))
    assert type(error) is meaning
    assert str(status) in error.detail


async def test_a_redirect_is_not_followed(gateway: GatewayServer) -> None:
    with GatewayServer() as elsewhere:
        gateway.answer(NUMBER, status=307, location=elsewhere.url)
        assert type(await failure(transport_to(gateway.url))) is DeliveryDeferred
        assert not elsewhere.requests


async def test_success_is_what_the_pattern_finds(gateway: GatewayServer) -> None:
    gateway.answer(NUMBER, body="status: OK 17")
    transport = transport_to(gateway.url, success_pattern=r"OK \d+")
    await transport.send(envelope())
    await transport.close()


async def test_a_yes_without_the_pattern_is_not_believed(gateway: GatewayServer) -> None:
    gateway.answer(NUMBER, body="status: queue full")
    assert type(await failure(transport_to(gateway.url, success_pattern=r"OK \d+"))) is DeliveryDeferred


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_the_refused_pattern_means_never_whatever_the_status(gateway: GatewayServer, status: int) -> None:
    gateway.answer(NUMBER, status=status, body="error 21211: no such number")
    assert type(await failure(transport_to(gateway.url, refused_pattern="no such number"))) is DeliveryRefused


async def test_a_gateway_that_never_answers_is_not_waited_for() -> None:
    with silent_port() as port:
        error = await failure(transport_to(f"http://127.0.0.1:{port}/", timeout_seconds=0.3))
    assert "no answer in time" in error.detail


async def test_a_certificate_that_is_not_trusted_stops_the_message(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with GatewayServer(tls=authority.server()) as gateway:
        transport = transport_to(gateway.url)
        assert "not trusted" in (await transport.health()).detail
        error = await failure(transport)
        assert "not trusted" in error.detail
        assert not gateway.requests


async def test_a_failure_shows_neither_secret_nor_message(gateway: GatewayServer) -> None:
    gateway.stop()
    error = await failure(transport_to(f"{gateway.url}?key={{password}}&text={{text}}"))
    assert KEY not in f"{error!r} {error.__cause__!r} {error.__context__!r}"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "http://gateway.example.org/"}, "loopback"),
        ({"url": "ftp://gateway.example.org/"}, "https://"),
        ({"url": "https://"}, "https://"),
        ({"url": "https://user:pw@gateway.example.org/"}, "log-in"),
        ({"url": "https://{to}.example.org/"}, "https://"),
        ({"url": "https://gateway.example.org/", "method": "GET"}, "{text}"),
        ({"url": "https://g.example.org/?t={text}", "method": "GET", "body": {"a": "{text}"}}, "no body"),
        ({"url": "https://g.example.org/", "body": {"to": "{to}"}}, "{text}"),
        ({"url": "https://g.example.org/", "body": {"to": "{number}", "t": "{text}"}}, "{number}"),
        ({"url": "https://g.example.org/", "content_type": "json", "body": "{to}: {text}"}, "JSON"),
        ({"url": "https://g.example.org/", "content_type": "text", "body": {"t": "{text}"}}, "a text"),
        ({"url": "https://g.example.org/", "headers": {"X-A": "b\r\nc"}}, "X-A"),
        ({"url": "https://g.example.org/", "headers": {"X A": "b"}}, "X A"),
        ({"url": "https://g.example.org/", "ca_file": "/nonexistent.pem"}, "sms.ca_file"),
    ],
)
def test_a_description_that_cannot_work_is_a_mistake_in_the_settings(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        HttpSmsTransport(Sms(**settings), Secret(KEY))  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert KEY not in str(caught.value)


def test_plain_http_off_loopback_can_be_allowed() -> None:
    assert transport_to("http://gateway.example.org/", allow_plain_http=True).channel is Channel.SMS
