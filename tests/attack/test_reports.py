"""Attacks on the address for delivery reports, from outside: forged and replayed tokens, floods, and what a true one can do.

Which defence switched off turns which test red, each tried by hand:

- reset/tokens.py, `read_report`: no comparison of the HMAC -> test_a_token_that_is_not_ours_changes_nothing
- reset/tokens.py, `read_report`: any spelling -> test_a_token_that_is_not_ours_changes_nothing
- reset/tokens.py, `report_token`: another purpose than `read_report` looks for -> test_a_get_tells_in_the_address and others
- web/reports.py, `take`: no look at the network -> test_from_elsewhere_there_is_no_such_page
- web/reports.py, `take`: also without `report_url` -> test_unless_reports_are_asked_for_there_is_no_such_page
- web/reports.py, `answer`: HEAD like GET -> test_a_head_does_nothing
- web/reports.py, `_body`: no bound -> test_a_body_that_is_too_large_is_not_read
- web/reports.py, `answer`: no limit -> test_a_flood_is_told_to_wait_and_costs_people_nothing
- web/reports.py, `answer`: counted as `page` -> the same
- reset/reports.py, `take_report`: any word kept -> test_no_word_of_a_stranger_is_kept
- reset/reports.py, `take_report`: an unknown word in the log -> the same
- store/statements.py, `REPORT_DELIVERY`: no comparison of weights -> test_a_report_said_again_changes_nothing and
  test_in_whatever_order_reports_come_the_worst_final_one_stays in tests/contract/test_store.py
- reset/reports.py, `take_report`: the delivery settled with the report -> test_a_report_sends_settles_and_revokes_nothing
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from pwreset.reset.model import Delivery, ReportState
from pwreset.reset.tokens import Keys, new_id, new_key
from pwreset.web.reports import LARGEST_BODY
from tests.fakes.api import ApiWorld
from tests.servers.wire import Received, Wire, connected
from tests.wire.test_manager_api import send
from tests.wire.test_manager_api import told as call_told

SETTINGS = {"sms": {"report_url": "http://127.0.0.1:8080/"}}


@pytest.fixture
def world() -> ApiWorld:
    return ApiWorld(changes=SETTINGS)


@pytest.fixture
async def wire(world: ApiWorld) -> AsyncIterator[Wire]:
    async with world.served() as listener, connected(listener.address[1]) as connection:
        yield connection


async def an_sms(world: ApiWorld, wire: Wire) -> tuple[str, Delivery]:
    """The token in the address that the gateway got, and the delivery."""
    await send(wire, username="jdoe", method="SMS")
    url = world.sms.carried[-1].report_url
    assert url.startswith("http://127.0.0.1:8080/report/")
    return urlsplit(url).path.removeprefix("/report/"), list(world.store.messages.values())[-1]


async def report(wire: Wire, token: str, query: str = "status=1", method: str = "GET") -> Received:
    await wire.send(f"{method} /report/{token}?{query} HTTP/1.1\r\nHost: pwreset\r\n\r\n".encode())
    return await wire.receive(to_head=method == "HEAD")


async def post(wire: Wire, token: str, body: bytes, kind: str = "application/x-www-form-urlencoded") -> Received:
    head = f"POST /report/{token} HTTP/1.1\r\nHost: pwreset\r\nContent-Type: {kind}\r\n"
    return await wire.exchange(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def reports(world: ApiWorld) -> list[ReportState | None]:
    return [message.report.state if message.report else None for message in world.store.messages.values()]


def told(world: ApiWorld) -> list[str]:
    return [event.name for event in world.store.events]


def shape(answer: Received) -> tuple[int, bytes, frozenset[str]]:
    """What a stranger can compare."""
    return answer.status, answer.body, frozenset(answer.headers)


# --- what gateways send ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("status=1", ReportState.DELIVERED),
        ("status=2", ReportState.FAILED),
        ("status=16", ReportState.FAILED),
        ("status=4", ReportState.BUFFERED),
        ("other=1&status=DELIVRD", ReportState.DELIVERED),
    ],
)
async def test_a_get_tells_in_the_address(world: ApiWorld, wire: Wire, query: str, state: ReportState) -> None:
    token, _ = await an_sms(world, wire)
    answer = await report(wire, token, query)
    assert (answer.status, answer.body) == (204, b"")
    assert reports(world) == [state]
    assert told(world)[-1] == "delivery.reported"


async def test_a_form_tells_in_its_field() -> None:
    world = ApiWorld(changes={"sms": {**SETTINGS["sms"], "report_field": "MessageStatus"}})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        token, _ = await an_sms(world, wire)
        await post(wire, token, b"MessageSid=SM1&MessageStatus=undelivered&To=%2B33612345678")
    assert reports(world) == [ReportState.FAILED]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("status", {"to": "33612345678", "status": "delivered"}),
        ("message.status", {"message": {"status": "Delivered"}}),
        ("code", {"code": 1}),
    ],
)
async def test_json_tells_in_its_field(field: str, body: object) -> None:
    world = ApiWorld(changes={"sms": {**SETTINGS["sms"], "report_field": field}})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        token, _ = await an_sms(world, wire)
        await post(wire, token, json.dumps(body).encode(), "application/json")
    assert reports(world) == [ReportState.DELIVERED]


# --- forged ------------------------------------------------------------------------------------------------------


async def test_a_token_that_is_not_ours_changes_nothing(world: ApiWorld, wire: Wire) -> None:
    token, delivery = await an_sms(world, wire)
    other_key = Keys((new_key(),)).report_token(delivery.id)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelled = token[:-1] + last[last.index(token[-1]) ^ 1]
    cut = base64.urlsafe_b64encode(bytes.fromhex(delivery.id) + bytes(20)).decode().rstrip("=")
    forged = [other_key, respelled, cut, token[:-1], f"{token}A", "", "x" * 43, f"{token}/", "%00" * 43]
    before = told(world)
    answers = [shape(await report(wire, bad)) for bad in forged]
    assert reports(world) == [None]
    assert told(world) == before
    assert {*answers, shape(await report(wire, token))} == {answers[0]}


async def test_a_token_of_another_delivery_reports_that_one_alone(world: ApiWorld, wire: Wire) -> None:
    first, _ = await an_sms(world, wire)
    await an_sms(world, wire)
    await report(wire, first)
    assert reports(world) == [ReportState.DELIVERED, None]


async def test_a_token_of_another_purpose_is_none_for_reports(world: ApiWorld, wire: Wire) -> None:
    token, delivery = await an_sms(world, wire)
    keys = world.services.keys
    not_me = keys.disowning_token(delivery.request_id, world.clock.now() + timedelta(days=7)).reveal()
    link = json.loads((await send(wire, username="jdoe", method="NONE")).body)["result"].rpartition("/")[2]
    for other in (not_me, link):
        await report(wire, other)
    assert reports(world) == [None]
    pages = [f"/r/{token}", f"/not-me/{token}"]
    for path in pages:
        await wire.exchange(f"GET {path} HTTP/1.1\r\nHost: reset.example.org\r\n\r\n".encode())
    answer = await wire.exchange(
        f"POST /not-me/{token} HTTP/1.1\r\nHost: reset.example.org\r\nOrigin: https://reset.example.org\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    assert answer.status in (403, 404)
    assert world.links[-1] == "pending"


async def test_a_token_of_a_delivery_that_is_gone_changes_nothing(world: ApiWorld, wire: Wire) -> None:
    assert (await report(wire, world.services.keys.report_token(new_id()))).status == 204
    assert told(world) == []


# --- replayed, or true ones ---------------------------------------------------------------------------------------


async def test_a_report_that_is_replayed_is_told_once(world: ApiWorld, wire: Wire) -> None:
    token, _ = await an_sms(world, wire)
    for _ in range(5):
        await report(wire, token)
        await report(wire, token, "status=4")
    assert reports(world) == [ReportState.DELIVERED]
    assert told(world).count("delivery.reported") == 1


async def test_a_later_delivered_does_not_hide_a_part_that_failed(world: ApiWorld, wire: Wire) -> None:
    token, _ = await an_sms(world, wire)
    for query in ("status=1", "status=2", "status=1"):
        await report(wire, token, query)
    assert reports(world) == [ReportState.FAILED]


@pytest.mark.parametrize("says", ["accepted", "deferred"])
async def test_a_report_sends_settles_and_revokes_nothing(world: ApiWorld, wire: Wire, says: str) -> None:
    world.sms.says = says
    await send(wire, username="jdoe", method="SMS")
    [before] = world.store.messages.values()
    carried = len(world.sms.carried)
    for query in ("status=4", "status=1", "status=2"):
        await report(wire, world.services.keys.report_token(before.id), query)
    [after] = world.store.messages.values()
    assert after.report is not None
    assert replace(after, report=None) == before
    assert (len(world.sms.carried), world.links) == (carried, ["pending"])


async def test_a_head_does_nothing(world: ApiWorld, wire: Wire) -> None:
    token, _ = await an_sms(world, wire)
    assert (await report(wire, token, method="HEAD")).status == 204
    assert reports(world) == [None]


@pytest.mark.parametrize(
    "word", ["", "0", "nonsense", "x" * 5000, "1\r\nX: y", "<b>1</b>", "${jndi:ldap://x}", "true", "1.0"]
)
async def test_no_word_of_a_stranger_is_kept(world: ApiWorld, wire: Wire, word: str) -> None:
    token, _ = await an_sms(world, wire)
    body = json.dumps({"status": word}).encode()
    with capture_logs() as lines:
        assert (await post(wire, token, body, "application/json")).status == 204
    assert reports(world) == [None]
    assert [line for line in lines if len(word) > 1 and word in str(line)] == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b"{}",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"status":' * 3000,
        b"&" * 9000,
        b'{"status": {"a": 1}}',
        b'{"status": true}',
    ],
)
async def test_no_body_upsets_it(world: ApiWorld, wire: Wire, body: bytes) -> None:
    token, _ = await an_sms(world, wire)
    assert (await post(wire, token, body)).status == 204
    assert reports(world) == [None]


async def test_a_body_that_is_too_large_is_not_read(world: ApiWorld, wire: Wire) -> None:
    token, _ = await an_sms(world, wire)
    answer = await post(wire, token, b"status=1&filler=" + b"x" * LARGEST_BODY)
    assert (answer.status, answer.headers["connection"]) == (204, "close")
    assert reports(world) == [None]


# --- from where, and how often ------------------------------------------------------------------------------------


async def test_from_elsewhere_there_is_no_such_page() -> None:
    world = ApiWorld(changes={"sms": {**SETTINGS["sms"], "report_networks": ["192.0.2.0/24"]}})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        token, _ = await an_sms(world, wire)
        answer, unknown = await report(wire, token), await wire.exchange(b"GET /made-up HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.body) == (404, unknown.body)
    assert reports(world) == [None]


async def test_unless_reports_are_asked_for_there_is_no_such_page() -> None:
    world = ApiWorld()
    async with world.served() as listener, connected(listener.address[1]) as wire:
        await send(wire, username="jdoe", method="SMS")
        [delivery] = world.store.messages.values()
        answer = await report(wire, world.services.keys.report_token(delivery.id))
    assert world.sms.carried[0].report_url == ""
    assert answer.status == 404
    assert reports(world) == [None]


async def test_behind_a_proxy_that_nobody_listed_there_is_no_such_page(world: ApiWorld, wire: Wire) -> None:
    token, _ = await an_sms(world, wire)
    await wire.exchange(
        f"GET /report/{token}?status=1 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n".encode()
    )
    assert reports(world) == [None]


async def test_a_flood_is_told_to_wait_and_costs_people_nothing() -> None:
    limits = {"reports_per_address_per_minute": 3, "page_requests_per_address_per_minute": 3}
    world = ApiWorld(changes={**SETTINGS, "limits": limits})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        answers = [await report(wire, "x" * 43) for _ in range(6)]
        page = await wire.exchange(b"GET /made-up HTTP/1.1\r\nHost: reset.example.org\r\n\r\n")
    assert [answer.status for answer in answers] == [204] * 3 + [429] * 3
    assert int(answers[-1].headers["retry-after"]) > 0
    assert page.status == 404


async def test_a_store_that_is_away_is_told_to_the_gateway_alone(world: ApiWorld, wire: Wire) -> None:
    token, _ = await an_sms(world, wire)
    world.store.down = True
    assert (await report(wire, token)).status == 503
    assert (await report(wire, "x" * 43)).status == 204


async def test_neither_token_nor_number_is_in_a_log_line(world: ApiWorld, wire: Wire) -> None:
    token, _ = await an_sms(world, wire)
    with capture_logs() as lines:
        await report(wire, token)
        await report(wire, "x" * 43)
    assert [line for line in lines if token in str(line) or "336123" in str(line)] == []


async def test_what_was_reported_is_shown_to_managers(world: ApiWorld, wire: Wire) -> None:
    token, delivery = await an_sms(world, wire)
    await report(wire, token, "status=2")
    answer = json.loads((await call_told(wire, "PwReset.Get_Request", id=delivery.request_id)).body)
    [shown] = answer["result"]["deliveries"]
    assert (shown["state"], shown["report"]) == ("sent", "failed")
    assert shown["reported"] is not None
