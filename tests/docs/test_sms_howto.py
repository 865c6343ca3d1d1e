"""The gateways of the how-to, as they stand there, against a server that answers as their services document it."""

from __future__ import annotations

import base64
import tomllib
from datetime import UTC, datetime

import msgspec
import pytest

from pwreset.delivery.gateways import sms_transport
from pwreset.errors import DeliveryDeferred, DeliveryFailed, DeliveryRefused
from pwreset.reset.model import Channel, Content, Envelope, Recipient
from pwreset.secret import Secret
from pwreset.settings import Sms
from tests.docs.markdown import settings_examples
from tests.servers.gateway import CapturedRequest, GatewayServer

pytestmark = pytest.mark.servers

NUMBER, TEXT = "+33612345678", "Set it: https://reset.example.org/r/abc"


def described(host: str) -> Sms:
    """The settings in the block that names this host."""
    [table] = [tomllib.loads(text) for where, text in settings_examples() if "sms-gateway" in where and host in text]
    return msgspec.convert(table["sms"], Sms)


async def sent(host: str, status: int, body: str) -> tuple[CapturedRequest | None, DeliveryFailed | None]:
    settings = described(host)
    with GatewayServer() as server:
        server.answer("612345678", status=status, body=body)
        here = msgspec.structs.replace(
            settings, url=(settings.url or "").replace(f"https://{host}", f"http://127.0.0.1:{server.port}")
        )
        transport = sms_transport(here, Secret("token"))
        failure = None
        try:
            await transport.send(
                Envelope("id-1", "EXAMPLE", Recipient(Channel.SMS, NUMBER), Content("", TEXT), datetime.now(UTC))
            )
        except DeliveryFailed as error:
            failure = error
        await transport.close()
        return next(iter(server.requests), None), failure


async def test_twilio_gets_its_form_with_basic_credentials() -> None:
    request, failure = await sent("api.twilio.com", 201, '{"sid": "SM1", "status": "queued", "error_code": null}')
    assert failure is None
    assert request is not None
    assert request.path == "/2010-04-01/Accounts/ACxxxxxxxx/Messages.json"
    assert request.fields == {"To": NUMBER, "From": "+12025550143", "Body": TEXT}
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"ACxxxxxxxx:token"


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (400, '{"code": 21211, "message": "Invalid To number", "status": 400}', DeliveryRefused),
        (401, '{"code": 20003, "message": "Authenticate", "status": 401}', DeliveryDeferred),
        (429, '{"code": 20429, "message": "Too Many Requests", "status": 429}', DeliveryDeferred),
    ],
)
async def test_twilio_s_refusals_are_told_apart(status: int, body: str, meaning: type[DeliveryFailed]) -> None:
    assert type((await sent("api.twilio.com", status, body))[1]) is meaning


async def test_vonage_gets_its_form() -> None:
    request, failure = await sent("rest.nexmo.com", 200, '{"message-count": "1", "messages": [{"status": "0"}]}')
    assert failure is None
    assert request is not None
    assert (request.path, request.fields) == (
        "/sms/json",
        {
            "api_key": "abcd1234",
            "api_secret": "token",
            "to": "33612345678",
            "from": "EXAMPLE",
            "text": TEXT,
            "type": "unicode",
        },
    )


@pytest.mark.parametrize(
    ("number", "meaning"),
    [("1", DeliveryDeferred), ("4", DeliveryDeferred), ("6", DeliveryRefused), ("7", DeliveryRefused)],
)
async def test_vonage_s_refusals_within_a_200_are_told_apart(number: str, meaning: type[DeliveryFailed]) -> None:
    body = f'{{"messages": [{{"status": "{number}", "error-text": "..."}}]}}'
    assert type((await sent("rest.nexmo.com", 200, body))[1]) is meaning
