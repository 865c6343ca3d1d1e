"""Slow and odd clients are cut, and cannot stop the others (SECURITY, rule 23)."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from pwreset.settings import Server
from pwreset.web.answer import plain_answer
from pwreset.web.listener import Listener
from tests.servers.wire import GENEROUS, Certificate, certificate, connected, listening

TIMEOUT = 0.4
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the size of the body, or with as many bytes as the path asks for."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    wanted = scope["path"].strip("/")
    await plain_answer(200, "x" * int(wanted) if wanted.isdecimal() else f"{scope['method']} {size}").send(send)


@pytest.fixture
async def plain() -> AsyncIterator[Listener]:
    async with listening(echo, Server()) as listener:
        yield listener


@pytest.fixture
async def hasty() -> AsyncIterator[Listener]:
    async with listening(echo, Server(client_timeout_seconds=TIMEOUT, keep_alive_seconds=TIMEOUT)) as listener:
        yield listener


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def secure(files: Certificate) -> AsyncIterator[Listener]:
    server = Server(client_timeout_seconds=TIMEOUT, tls_certificate=str(files.certificate), tls_key=str(files.key))
    async with listening(echo, server) as listener:
        yield listener


async def test_a_client_that_says_nothing_is_cut(hasty: Listener) -> None:
    async with connected(hasty.address[1]) as wire:
        assert await wire.is_hung_up()


async def test_a_client_that_begins_no_handshake_is_cut(secure: Listener) -> None:
    async with connected(secure.address[1]) as wire:
        assert await wire.is_hung_up()


async def test_a_client_that_says_nothing_after_its_handshake_is_cut(secure: Listener, files: Certificate) -> None:
    async with connected(secure.address[1], files.client) as wire:
        assert await wire.is_hung_up()


async def test_a_client_that_sends_half_a_header_is_cut(hasty: Listener) -> None:
    async with connected(hasty.address[1]) as wire:
        await wire.send(GET[:-6])
        assert await wire.is_hung_up()


async def test_a_client_that_drips_its_header_is_cut(hasty: Listener) -> None:
    async with connected(hasty.address[1]) as wire:

        async def drip() -> None:
            await wire.send(b"GET / HTTP/1.1\r\n")
            while True:
                await wire.send(b"a: b\r\n")
                await asyncio.sleep(TIMEOUT / 8)

        task = asyncio.create_task(drip())
        assert await wire.is_hung_up()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_client_that_sends_half_a_body_is_cut(hasty: Listener) -> None:
    async with connected(hasty.address[1]) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        assert await wire.is_hung_up()


async def test_a_client_that_drips_its_body_is_cut_in_the_end(hasty: Listener) -> None:
    async with connected(hasty.address[1]) as wire:

        async def drip() -> None:
            await wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                await wire.send(b"x")
                await asyncio.sleep(TIMEOUT / 8)

        task = asyncio.create_task(drip())
        assert await wire.is_hung_up()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_body_that_comes_slowly_but_steadily_is_taken() -> None:
    patience = 3.0
    async with (
        listening(echo, Server(client_timeout_seconds=patience)) as listener,
        connected(listener.address[1]) as wire,
    ):
        await wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(patience / 7)
            await wire.send(b"x")
        assert (await wire.receive()).body == b"POST 8\n"


async def test_an_idle_connection_is_closed(hasty: Listener) -> None:
    async with connected(hasty.address[1]) as wire:
        await wire.exchange(GET)
        assert await wire.is_hung_up()


async def test_a_client_that_does_not_read_its_answer_is_cut() -> None:
    server = Server(client_timeout_seconds=TIMEOUT, keep_alive_seconds=600)
    async with listening(echo, server) as listener, connected(listener.address[1]) as wire:
        wire.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(b"GET /50000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(GENEROUS):
            while not listener._state.total_requests:
                await asyncio.sleep(0.01)
            while listener._state.connections:
                await asyncio.sleep(0.01)


async def test_slow_clients_do_not_hold_up_the_others(plain: Listener) -> None:
    async with connected(plain.address[1]) as slow, connected(plain.address[1]) as quick:
        await slow.send(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
        assert (await quick.exchange(GET)).status == 200


async def test_a_connection_is_used_again(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        assert [(await wire.exchange(GET)).body for _ in range(3)] == [b"GET 0\n"] * 3


async def test_pipelined_requests_are_answered_in_order(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        await wire.send(GET + b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" + GET)
        assert [(await wire.receive()).body for _ in range(3)] == [b"GET 0\n", b"POST 3\n", b"GET 0\n"]


async def test_connection_close_is_honoured(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        answer = await wire.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: ClOsE\r\n\r\n")
        assert answer.headers["connection"] == "close"
        assert await wire.is_hung_up()


@pytest.mark.parametrize(
    "header", [b"a: %s\r\n" % (b"x" * 33_000), b"".join(b"a%d: x\r\n" % number for number in range(4000))]
)
async def test_a_header_above_32_kb_is_refused(plain: Listener, header: bytes) -> None:
    async with connected(plain.address[1]) as wire:
        answer = await wire.exchange(b"GET / HTTP/1.1\r\n" + header + b"\r\n")
        assert answer.status == 431
        assert await wire.is_hung_up()


async def test_a_header_that_never_ends_is_refused_before_it_fills_the_memory(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        await wire.send(b"GET / HTTP/1.1\r\na: " + b"x" * 40_000)
        assert (await wire.receive()).status == 431


async def test_a_header_just_below_32_kb_is_served(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        assert (await wire.exchange(b"GET / HTTP/1.1\r\na: %s\r\n\r\n" % (b"x" * 32_000))).status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x00\xa5\x01\x00",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"GET / HTTP/1.1\r\na b: c\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_is_refused_in_json(plain: Listener, request_bytes: bytes) -> None:
    async with connected(plain.address[1]) as wire:
        answer = await wire.exchange(request_bytes)
        assert answer.status == 400
        assert json.loads(answer.body)["error"]["code"] == -32600
        assert await wire.is_hung_up()


async def test_a_websocket_is_not_served_and_its_connection_ends(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        answer = await wire.exchange(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert (answer.status, answer.body) == (200, b"GET 0\n")
        assert await wire.is_hung_up()


async def stays(port: int, context: ssl.SSLContext | None = None) -> bool:
    """Whether the server serves one more connection from here."""
    async with connected(port, context) as wire:
        try:
            return (await wire.exchange(GET)).status == 200
        except (ConnectionError, asyncio.IncompleteReadError):
            return False


async def test_one_address_cannot_take_all_connections() -> None:
    async with listening(echo, Server(connections_per_address=2)) as listener:
        port = listener.address[1]
        async with connected(port) as one, connected(port) as two:
            assert [(await wire.exchange(GET)).status for wire in (one, two)] == [200, 200]
            assert not await stays(port)
            assert [(await wire.exchange(GET)).status for wire in (one, two)] == [200, 200]


async def test_a_connection_that_has_ended_makes_room_for_the_next() -> None:
    async with listening(echo, Server(connections_per_address=1)) as listener:
        for _ in range(3):
            async with asyncio.timeout(GENEROUS):
                while not await stays(listener.address[1]):
                    await asyncio.sleep(0.01)


async def test_over_tls_one_address_cannot_take_all_connections(files: Certificate) -> None:
    server = Server(connections_per_address=1, tls_certificate=str(files.certificate), tls_key=str(files.key))
    async with listening(echo, server) as listener, connected(listener.address[1], files.client) as first:
        assert (await first.exchange(GET)).status == 200
        assert not await stays(listener.address[1], files.client)


@pytest.mark.parametrize("freed", [{"trusted_proxies": ("127.0.0.1",)}, {"connections_per_address": 0}])
async def test_a_trusted_proxy_may_have_any_number_of_connections(freed: dict[str, Any]) -> None:
    async with listening(echo, Server(**({"connections_per_address": 1} | freed))) as listener:
        port = listener.address[1]
        async with connected(port) as one:
            assert (await one.exchange(GET)).status == 200
            assert await stays(port)


UPGRADE = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\n12345",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_a_body_counts_though_an_upgrade_was_wished_for(plain: Listener, body: bytes, step: int) -> None:
    request = UPGRADE + body
    async with connected(plain.address[1]) as wire:
        for start in range(0, len(request), step):
            await wire.send(request[start : start + step])
            await asyncio.sleep(0)
        assert (await wire.receive()).body == b"POST 5\n"
        assert await wire.is_hung_up()


@pytest.mark.parametrize(
    "more", [UPGRADE + b"Content-Length: 5\r\n\r\n12345", b"POST / HTTP/1.1\r\n\r\n", b"\0no HTTP"]
)
async def test_what_follows_a_request_that_wished_for_an_upgrade_is_not_its_body(plain: Listener, more: bytes) -> None:
    request = UPGRADE + b"Content-Length: 5\r\n\r\n12345"
    async with connected(plain.address[1]) as wire:
        assert (await wire.exchange(request + more)).body == b"POST 5\n"
        assert await wire.is_hung_up()


async def test_a_body_that_is_no_body_is_refused_though_an_upgrade_was_wished_for(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        answer = await wire.exchange(UPGRADE + b"Transfer-Encoding: chunked\r\n\r\nno length\r\n")
        assert answer.status == 400


async def test_a_client_that_wishes_for_an_upgrade_and_sends_half_a_body_is_cut(hasty: Listener) -> None:
    async with connected(hasty.address[1]) as wire:
        await wire.send(UPGRADE + b"Content-Length: 10\r\n\r\n12345")
        assert await wire.is_hung_up()


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE", b"DELETE", b"PROPFIND", b"PATCH"])
async def test_an_odd_method_reaches_the_application(plain: Listener, method: bytes) -> None:
    async with connected(plain.address[1]) as wire:
        answer = await wire.exchange(method + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.body == method + b" 0\n"


async def test_a_connect_is_answered_and_its_connection_ends(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        answer = await wire.exchange(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n")
        assert answer.status in {200, 400}
        assert await wire.is_hung_up()


async def test_expect_continue_is_served(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert (await wire.receive()).status == 100
        await wire.send(b"abc")
        assert (await wire.receive()).body == b"POST 3\n"


async def test_http_1_0_is_served_and_closed(plain: Listener) -> None:
    async with connected(plain.address[1]) as wire:
        assert (await wire.exchange(b"GET / HTTP/1.0\r\n\r\n")).status == 200
        assert await wire.is_hung_up()


async def test_more_connections_than_four_times_the_calls_are_hung_up() -> None:
    async with listening(echo, Server(max_connections=1)) as listener, AsyncExitStack() as stack:
        for _ in range(4):
            wire = await stack.enter_async_context(connected(listener.address[1]))
            assert (await wire.exchange(GET)).status == 200
        one_more = await stack.enter_async_context(connected(listener.address[1]))
        assert await one_more.is_hung_up()


async def test_a_file_of_certificate_and_key_is_enough(tmp_path: Path) -> None:
    made = certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.touch(mode=0o600)
    both.write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
    server = Server(tls_certificate=str(both), tls_key=str(both))
    async with listening(echo, server) as listener, connected(listener.address[1], made.client) as wire:
        assert (await wire.exchange(GET)).status == 200
