"""Attacks on the Manager API from outside: links for another host, forbidden networks, other people's domains."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from pwreset.reset.model import AccountState
from tests.fakes.api import ApiWorld, basic, post
from tests.servers.wire import Received, Wire, connected

EVIL = b"evil.example"


@pytest.fixture
def world() -> ApiWorld:
    return ApiWorld()


@pytest.fixture
async def wire(world: ApiWorld) -> AsyncIterator[Wire]:
    async with world.served() as listener, connected(listener.address[1]) as connection:
        yield connection


def ask(**params: object) -> bytes:
    whole = {"username": "jdoe", "method": "NONE", **params}
    return json.dumps({"jsonrpc": "2.0", "method": "PwReset.Send_Request", "id": 0, "params": whole}).encode()


def told(answer: Received) -> dict[str, object]:
    parsed = json.loads(answer.body)
    assert isinstance(parsed, dict)
    return parsed


# --- links (rule 7) ---


@pytest.mark.parametrize(
    "headers",
    [
        [b"Host: evil.example\r\n"],
        [b"X-Forwarded-Host: evil.example\r\n", b"X-Forwarded-Proto: http\r\n", b"X-Forwarded-Port: 81\r\n"],
        [b"X-Original-URL: http://evil.example/manag/\r\n", b"X-Rewrite-URL: http://evil.example/manag/\r\n"],
        [b"X-Forwarded-Prefix: //evil.example\r\n", b"X-Forwarded-Server: evil.example\r\n"],
        [b"Origin: https://evil.example\r\n", b"Referer: https://evil.example/\r\n"],
    ],
)
@pytest.mark.parametrize("trusted_proxies", [[], ["127.0.0.1"]])
async def test_no_header_changes_the_link(headers: list[bytes], trusted_proxies: list[str]) -> None:
    world = ApiWorld(changes={"server": {"trusted_proxies": trusted_proxies}})
    # A proxy that says it had the request over plain HTTP is refused altogether; here it is only about the link.
    said = [header for header in headers if not (trusted_proxies and b"X-Forwarded-Proto" in header)]
    request = post(ask(method="MAIL"), basic(), *said)
    request = request.replace(b"Host: pwreset\r\n", b"") if headers[0].startswith(b"Host") else request
    async with world.served() as listener, connected(listener.address[1]) as wire:
        answer = await wire.exchange(request)
    assert str(told(answer)["result"]).startswith("https://reset.example.org/r/")
    assert EVIL not in answer.raw
    assert EVIL.decode() not in world.mail.carried[0].content.text + world.mail.carried[0].content.html


async def test_a_forwarded_header_does_not_change_the_link() -> None:
    world = ApiWorld(changes={"server": {"trusted_proxies": ["127.0.0.1"]}})
    forwarded = b"Forwarded: host=evil.example;proto=http;for=127.0.0.1\r\n"
    async with world.served() as listener, connected(listener.address[1]) as wire:
        answer = await wire.exchange(post(ask(method="MAIL"), basic(), forwarded))
    assert str(told(answer)["result"]).startswith("https://reset.example.org/r/")
    assert EVIL not in answer.raw
    assert EVIL.decode() not in world.mail.carried[0].content.text + world.mail.carried[0].content.html


@pytest.mark.parametrize(
    "target", [b"http://evil.example/manag/", b"https://evil.example:81/manag", b"/manag/?host=evil.example"]
)
async def test_the_request_target_does_not_change_the_link(wire: Wire, target: bytes) -> None:
    answer = await wire.exchange(post(ask(), basic(), path=target))
    assert str(told(answer)["result"]).startswith("https://reset.example.org/r/")


@pytest.mark.parametrize(
    "path", [b"/manag", b"/manag/", b"//manag/", b"/manag//", b"/./manag/", b"/x/../manag/", b"/MANAG/", b"/manag/x"]
)
@pytest.mark.parametrize("host", [b"pwreset", EVIL])
async def test_nothing_is_ever_redirected(wire: Wire, path: bytes, host: bytes) -> None:
    answer = await wire.exchange(post(ask(), basic(), path=path).replace(b"Host: pwreset", b"Host: " + host))
    assert answer.status in {200, 404, 405}
    assert "location" not in answer.headers


# --- networks ---


@pytest.mark.parametrize("value", [b"127.0.0.1", b"10.0.0.1", b"::1", b"127.0.0.1, 127.0.0.1"])
@pytest.mark.parametrize(
    "header", [b"X-Forwarded-For", b"X-Real-IP", b"Client-IP", b"True-Client-IP", b"CF-Connecting-IP"]
)
async def test_a_stranger_does_not_open_the_networks_by_a_header(header: bytes, value: bytes) -> None:
    world = ApiWorld(changes={"manager_api": {"allowed_networks": ["10.0.0.0/8", "::1/128"]}})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        answer = await wire.exchange(post(ask(), basic(), header + b": " + value + b"\r\n"))
    assert answer.status == 403
    assert world.links == []


@pytest.mark.parametrize(
    "header",
    [b"X-Forwarded-For: 203.0.113.7", b"x-forwarded-for: 127.0.0.1", b"Forwarded: for=127.0.0.1", b"X-Real-IP: ::1"],
)
async def test_a_proxy_on_this_machine_that_nobody_listed_opens_the_api_to_nobody(
    world: ApiWorld, wire: Wire, header: bytes
) -> None:
    with capture_logs() as events:
        answer = await wire.exchange(post(ask(), basic(), header + b"\r\n"))
    assert (answer.status, world.links) == (403, [])
    advice = [str(event["advice"]) for event in events if event["log_level"] == "warning"]
    assert len(advice) == 1
    assert "server.trusted_proxies" in advice[0]


async def test_a_proxy_that_nobody_listed_is_told_no_details(wire: Wire) -> None:
    answer = await wire.exchange(b"GET /readyz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n")
    assert json.loads(answer.body) == {"ready": True}


@pytest.mark.parametrize(
    ("hops", "status"),
    [
        (b"203.0.113.7", 403),
        (b"10.1.1.1, 203.0.113.7", 403),
        (b"10.1.1.1, 203.0.113.7, 127.0.0.1", 403),
        (b"203.0.113.7, 10.1.1.1", 200),
    ],
)
async def test_behind_a_trusted_proxy_the_hop_that_the_proxy_saw_decides(hops: bytes, status: int) -> None:
    world = ApiWorld(
        changes={"server": {"trusted_proxies": ["127.0.0.1"]}, "manager_api": {"allowed_networks": ["10.0.0.0/8"]}}
    )
    async with world.served() as listener, connected(listener.address[1]) as wire:
        assert (await wire.exchange(post(ask(), basic(), b"X-Forwarded-For: " + hops + b"\r\n"))).status == status


async def test_credentials_over_plain_http_in_front_of_the_proxy_are_refused() -> None:
    world = ApiWorld(changes={"server": {"trusted_proxies": ["127.0.0.1"]}})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        answer = await wire.exchange(post(ask(), basic(), b"X-Forwarded-Proto: http\r\n"))
    assert (answer.status, world.links) == (403, [])


async def test_a_stranger_cannot_spread_his_failures_over_invented_addresses() -> None:
    world = ApiWorld(changes={"server": {"trusted_proxies": ["127.0.0.1"]}})
    hops = b"X-Forwarded-For: 10.0.0.%d, 10.9.9.9\r\n"  # the proxy has added the one that it saw
    async with world.served() as listener, connected(listener.address[1]) as wire:
        statuses = [
            (await wire.exchange(post(ask(), basic(f"nobody{number}"), hops % number))).status for number in range(12)
        ]
    assert statuses == [200] * 10 + [429] * 2


# --- who may ask (rule 9) ---


async def test_a_user_who_is_no_manager_is_never_bound_so_nobody_can_lock_him(world: ApiWorld, wire: Wire) -> None:
    for _ in range(9):
        await wire.exchange(post(ask(), basic("EXAMPLE\\jdoe", "wrong")))
    jane = world.tree.people["id-jdoe-dc=example,dc=org"]
    assert (jane.failures, jane.user.state) == (0, AccountState.ACTIVE)


async def test_guessing_stops_below_the_directorys_own_lock_out(world: ApiWorld, wire: Wire) -> None:
    names = [
        "EXAMPLE\\administrator",
        "administrator@example.org",
        "administrator@example.org",
        "administrator",
        "ADMINISTRATOR",
    ]
    for name in names * 3:
        await wire.exchange(post(ask(), basic(name, "wrong")))
        world.clock.advance(timedelta(seconds=20))
    administrator = world.tree.people["id-administrator-dc=example,dc=org"]
    assert (administrator.failures, administrator.user.state) == (3, AccountState.ACTIVE)


async def test_an_empty_password_is_no_password(world: ApiWorld, wire: Wire) -> None:
    answer = await wire.exchange(post(ask(), basic("EXAMPLE\\administrator", "")))
    assert ("error" in told(answer), world.links) == (True, [])


@pytest.mark.parametrize("login", ["LAB\\administrator", "FAR\\administrator", "EXAMPLE\\administrator"])
async def test_a_log_in_of_one_domain_grants_nothing_in_another(world: ApiWorld, wire: Wire, login: str) -> None:
    answer = await wire.exchange(post(ask(username="jlab", domain="LAB"), basic(login)))
    assert ("error" in told(answer), world.links) == (True, [])


async def test_two_authorization_headers_are_none(world: ApiWorld, wire: Wire) -> None:
    answer = await wire.exchange(post(ask(), basic("EXAMPLE\\jdoe"), basic()))
    assert (answer.status, world.links) == (401, [])


# --- data (rules 11 and 14) ---


NASTY = [
    "*",
    "jdo*",
    ")(uid=*",
    "*)(uid=*))(|(uid=*",
    "\\2a",
    "jdoe\u0000",
    "jdoe\r\nPwreset-Request: 1",
    "x" * 10_000,
    "\uff4adoe",
    "jdoe,dc=x",
]


@pytest.mark.parametrize("username", NASTY)
async def test_a_username_is_data(world: ApiWorld, wire: Wire, username: str) -> None:
    answer = await wire.exchange(post(ask(username=username), basic()))
    assert (told(answer)["result"], world.links) == (False, [])
    assert answer.headers["pwreset-reason"] in {"user-unknown", "username-invalid"}


@pytest.mark.parametrize("failures", ["false", "error"])
@pytest.mark.parametrize("field", ["username", "domain", "method", "comments"])
async def test_no_parameter_writes_a_header(field: str, failures: str) -> None:
    world = ApiWorld(changes={"manager_api": {"failures": failures}})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        answer = await wire.exchange(post(ask(**{field: "x\r\nSet-Cookie: a=b\r\n\r\n<script>"}), basic()))
    assert "set-cookie" not in answer.headers
    assert answer.status == 200


async def test_a_method_name_writes_no_header(wire: Wire) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": "a\r\nSet-Cookie: a=b", "id": "\r\nX: y"}).encode()
    answer = await wire.exchange(post(body, basic()))
    assert set(answer.headers) == {
        "date",
        "content-type",
        "cache-control",
        "x-content-type-options",
        "content-length",
        "x-request-id",
    }


async def test_what_is_smuggled_behind_a_request_is_a_request_of_its_own(world: ApiWorld, wire: Wire) -> None:
    inner = post(ask(), basic())
    await wire.send(post(b"", path=b"/manag/") + inner)
    assert (await wire.receive()).status == 401
    assert (await wire.receive()).status == 200
    assert len(world.links) == 1


# --- what is told and logged ---


async def test_neither_token_nor_password_is_logged(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    with capture_logs() as events:
        link = str(told(await wire.exchange(post(ask(), basic())))["result"])
        token = link.rsplit("/", 1)[1]
        await wire.exchange(b"GET /r/%s HTTP/1.1\r\nHost: reset.example.org\r\n\r\n" % token.encode())
        await wire.exchange(b"GET /R/%s?t=%s HTTP/1.1\r\nHost: reset.example.org\r\n\r\n" % ((token.encode(),) * 2))
        await wire.exchange(post(ask(), basic("EXAMPLE\\administrator", "a-wrong-password")))
    logged = f"{events} {caplog.text}"
    paths = [event["path"] for event in events if event["event"] == "request"]
    assert paths == ["/manag/", "/r/***", "unknown", "/manag/"]
    for secret in (token, "a-wrong-password", basic()[21:-2].decode()):
        assert secret not in logged
