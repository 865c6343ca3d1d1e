"""SMS by apprise URLs: what is told apart, what is refused at the start, and what stays out of the logs."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from pwreset.delivery.gateways import sms_transport
from pwreset.errors import DeliveryDeferred, DeliveryFailed, DeliveryRefused, SettingsError
from pwreset.reset.model import Channel, Content, Envelope, Recipient
from pwreset.secret import Secret
from pwreset.settings import Sms
from tests.servers.gateway import GatewayServer

pytestmark = pytest.mark.servers

NUMBER = "+33612345678"
KEY = "apikeyapikeyapikey"
LINK = "https://reset.example.org/r/" + "Ab_-" * 10 + "xyz"


def envelope(text: str = LINK) -> Envelope:
    return Envelope("id-1", "EXAMPLE", Recipient(Channel.SMS, NUMBER), Content("", text), datetime.now(UTC))


async def outcome(url: str, password: str | None = KEY, **more: object) -> DeliveryFailed | None:
    settings = Sms(url=url, sender="+33611111111", **more)  # type: ignore[arg-type]
    transport = sms_transport(settings, Secret(password) if password else None)
    try:
        await transport.send(envelope())
    except DeliveryFailed as error:
        return error
    finally:
        await transport.close()
    return None


async def test_an_sms_plug_in_sends_the_link_to_the_number_with_the_key() -> None:
    with GatewayServer() as server:
        server.answer(LINK, body='{"result": {"message_id": "1", "status": "ok"}}')
        assert await outcome(f"smseagle://{{password}}@127.0.0.1:{server.port}/{{to}}") is None
        [request] = server.requests
    body = request.body.decode()
    assert LINK in body
    assert NUMBER in body
    assert KEY in body


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, DeliveryRefused),
        (422, DeliveryRefused),
        (401, DeliveryDeferred),
        (403, DeliveryDeferred),
        (404, DeliveryDeferred),
        (429, DeliveryDeferred),
        (500, DeliveryDeferred),
        (503, DeliveryDeferred),
    ],
)
async def test_an_http_status_means_try_again_or_never(status: int, meaning: type[DeliveryFailed]) -> None:
    with GatewayServer() as server:
        server.answer(NUMBER, status=status)
        error = await outcome(f"json://127.0.0.1:{server.port}/?:to={{to}}")
    assert type(error) is meaning
    assert str(status) in error.detail


async def test_a_refusal_within_a_yes_cannot_be_told_from_a_fault_and_is_deferred() -> None:
    with GatewayServer() as server:
        server.answer(LINK, body='{"result": {"status": "invalid number"}}')
        error = await outcome(f"smseagle://{{password}}@127.0.0.1:{server.port}/{{to}}")
    assert type(error) is DeliveryDeferred


async def test_a_redirect_is_not_followed() -> None:
    with GatewayServer() as elsewhere, GatewayServer() as server:
        server.answer(NUMBER, status=307, location=elsewhere.url)
        assert type(await outcome(f"json://127.0.0.1:{server.port}/?:to={{to}}")) is DeliveryDeferred
        assert not elsewhere.requests


@pytest.mark.parametrize("down", [False, True])
async def test_neither_key_nor_number_nor_link_is_logged_or_told(
    down: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with GatewayServer() as server:
        server.answer(LINK, status=500, body=f"{KEY} {NUMBER} {LINK}")
        if down:
            server.stop()
        error = await outcome(f"smseagle://{{password}}@127.0.0.1:{server.port}/{{to}}?test={{password}}")
    assert error is not None
    told = f"{caplog.text} {''.join(capfd.readouterr())} {error!r} {error.detail} {error.__cause__!r} {error.__context__!r}"
    for secret in (KEY, NUMBER, NUMBER[1:], LINK):
        assert secret not in told


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("json://127.0.0.1/", "{to}"),
        ("nothing://{to}", "cannot read"),
        ("twilio://{to}", "cannot read"),
        ("json://127.0.0.1/{to}/{number}", "{number}"),
        ("json://sms.example.org/{to}", "allow_plain_http"),
        ("jsons://sms.example.org/{to}?verify=no", "verify=no"),
        ("jsons://sms.example.org/{to}?redirect=yes", "redirect=yes"),
    ],
)
def test_an_address_that_cannot_work_or_is_not_safe_stops_the_start(url: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        sms_transport(Sms(url=f"{url}{'&' if '?' in url else '?'}key={KEY}"), Secret(KEY))
    assert words in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "twilio://AC0123456789abcdef0123456789abcdef:{password}@{from}/{to}",
        "vonage://key:{password}@{from}/{to}",
        "seven://{password}/{to}",
        "bulksms://name:{password}@{to}",
        "clickatell://{password}/{to}",
    ],
)
async def test_addresses_of_services_in_the_cloud_are_read(url: str) -> None:
    transport = sms_transport(Sms(url=url, sender="+33611111111"), Secret(KEY))
    assert (await transport.health()).ok
    await transport.close()
