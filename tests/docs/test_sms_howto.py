"""The gateways of the how-to, as they stand there, against a server that answers as their services document it."""

from __future__ import annotations

import base64
import re
import tomllib
from datetime import UTC, datetime

import msgspec
import pytest

from pwreset.delivery.gateways import sms_transport
from pwreset.errors import DeliveryDeferred, DeliveryFailed, DeliveryRefused, SettingsError
from pwreset.reset.model import Channel, Content, Envelope, Recipient, ReportState
from pwreset.reset.reports import report_address
from pwreset.secret import Secret
from pwreset.settings import Sms
from tests.docs.markdown import ROOT, settings_examples
from tests.fakes.api import ApiWorld
from tests.fakes.records import a_delivery, a_request
from tests.servers.gateway import CapturedRequest, GatewayServer
from tests.servers.wire import connected

pytestmark = pytest.mark.servers

HERE = "https://reset.example.org"
NUMBER, TEXT = "+33612345678", "Set it: https://reset.example.org/r/abc"


def described(host: str) -> Sms:
    """The settings in the block that names this host."""
    [table] = [tomllib.loads(text) for where, text in settings_examples() if "sms-gateway" in where and host in text]
    return msgspec.convert(table["sms"], Sms)


def with_reports(host: str) -> Sms:
    """The same with what the table of delivery reports says to put there."""
    name = {"api.twilio.com": "Twilio", "rest.nexmo.com": "Vonage"}[host]
    text = (ROOT / "docs" / "how-to" / "sms-gateway.md").read_text(encoding="utf-8")
    [(field, rest)] = re.findall(rf'^\| {name} \| `(\w+) = "{{report_url}}"` \| (.*) \|$', text, re.MULTILINE)
    settings = described(host)
    assert isinstance(settings.body, dict)
    more = tomllib.loads("\n".join(re.findall(r"`(\w+ = [^`]+)`", rest)))
    return msgspec.convert(
        {**msgspec.to_builtins(settings), "body": {**settings.body, field: "{report_url}"}, "report_url": HERE, **more},
        Sms,
    )


async def sent(
    host: str, status: int, body: str, report_url: str = ""
) -> tuple[CapturedRequest | None, DeliveryFailed | None]:
    settings = with_reports(host) if report_url else described(host)
    with GatewayServer() as server:
        server.answer("612345678", status=status, body=body)
        here = msgspec.structs.replace(
            settings, url=(settings.url or "").replace(f"https://{host}", f"http://127.0.0.1:{server.port}")
        )
        transport = sms_transport(here, Secret("token"))
        failure = None
        try:
            await transport.send(
                Envelope(
                    "id-1", "EXAMPLE", Recipient(Channel.SMS, NUMBER), Content("", TEXT), datetime.now(UTC), report_url
                )
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


async def test_ovhcloud_gets_everything_in_the_address() -> None:
    request, failure = await sent("www.ovh.com", 200, '{"status":100,"creditLeft":"85.95","smsIds":["123456789"]}')
    assert failure is None
    assert request is not None
    assert (request.method, request.path.partition("?")[0]) == ("GET", "/cgi-bin/sms/http2sms.cgi")
    assert "authorization" not in request.headers
    assert request.query == {
        "account": "sms-xx11111-1",
        "login": "example",
        "password": "token",
        "from": "EXAMPLE",
        "to": NUMBER,
        "message": TEXT,
        "noStop": "1",
        "smsCoding": "2",
        "contentType": "application/json",
    }


@pytest.mark.parametrize("status", ["201", "202", "401", "1000", "10"])
async def test_what_ovhcloud_did_not_take_within_a_200_is_tried_again(status: str) -> None:
    body = f'{{"status":{status},"message":"..."}}'
    assert type((await sent("www.ovh.com", 200, body))[1]) is DeliveryDeferred


# What their documents show of a report: Twilio posts a form, Vonage a JSON object or, by setting, a GET.
TWILIO_REPORT = (
    b"SmsSid=SM1&SmsStatus=delivered&MessageStatus=delivered&To=%2B33612345678&MessageSid=SM1&AccountSid=AC1"
)
VONAGE_REPORT = b'{"msisdn": "33612345678", "to": "EXAMPLE", "messageId": "0A", "price": "0.03", "status": "expired", "err-code": "1"}'


@pytest.mark.parametrize(
    ("host", "field", "status", "answer", "report", "state"),
    [
        ("api.twilio.com", "StatusCallback", 201, "{}", TWILIO_REPORT, ReportState.DELIVERED),
        ("rest.nexmo.com", "callback", 200, '{"messages": [{"status": "0"}]}', VONAGE_REPORT, ReportState.FAILED),
    ],
)
async def test_what_the_table_says_of_reports_works(
    host: str, field: str, status: int, answer: str, report: bytes, state: ReportState
) -> None:
    settings = with_reports(host)
    world = ApiWorld(changes={"sms": {name: getattr(settings, name) for name in ("report_url", "report_field")}})
    request = a_request(world.clock.now())
    delivery = a_delivery(request, recipient=Recipient(Channel.SMS, NUMBER))
    await world.store.add(request, [delivery], [], supersede=False)
    request_there, failure = await sent(host, status, answer, report_address(delivery, world.services))
    assert failure is None
    assert request_there is not None
    url = str(request_there.fields[field])
    async with world.served() as listener, connected(listener.address[1]) as wire:
        path = url.removeprefix(HERE).encode()
        await wire.exchange(
            b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(report) + report
        )
    kept = await world.store.delivery(delivery.id)
    assert kept is not None
    assert kept.report is not None
    assert kept.report.state is state


def test_without_an_address_for_reports_the_placeholder_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="report_url"):
        sms_transport(Sms(url="https://gateway.example.org/?t={text}&r={report_url}", method="GET"), None)
