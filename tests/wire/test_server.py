"""The server as a whole: what stops its start, its signals, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pwreset.errors import StartError
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.web.listener import read_bind
from pwreset.web.server import Listening, serve
from tests.fakes.api import ApiWorld, basic, post
from tests.servers.wire import GENEROUS, certificate, connected
from tests.wire.test_manager_api import call
from tests.wire.test_tls import anyone

LOOPBACK = "127.0.0.1:0"


def world_with(server: dict[str, Any] | None = None, **changes: Any) -> ApiWorld:
    return ApiWorld(changes={"server": {"bind": LOOPBACK, **(server or {})}, **changes})


@contextlib.asynccontextmanager
async def serving(world: ApiWorld, stop: asyncio.Event | None = None) -> AsyncIterator[Listening]:
    """The service, ready; at the end it is told to stop and waited for."""
    ready: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    stop = stop or asyncio.Event()
    async with asyncio.timeout(2 * GENEROUS), asyncio.TaskGroup() as group:
        group.create_task(serve(world.services, on_ready=ready.set_result, stop=stop))
        try:
            yield await ready
        finally:
            stop.set()


async def started(world: ApiWorld) -> None:
    async with asyncio.timeout(GENEROUS):
        await serve(world.services, on_ready=lambda _: os.kill(os.getpid(), signal.SIGTERM))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_service(number: signal.Signals) -> None:
    async with asyncio.timeout(GENEROUS):
        await serve(world_with().services, on_ready=lambda _: os.kill(os.getpid(), number))


async def test_a_port_that_is_taken_stops_the_start_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"Cannot listen on 127.0.0.1:{port}: Address already in use"):
            await started(world_with({"bind": f"127.0.0.1:{port}"}))


async def test_a_host_that_is_none_stops_the_start_in_words() -> None:
    with pytest.raises(StartError, match=r"Cannot listen on nowhere\.invalid:8443"):
        await started(world_with({"bind": "nowhere.invalid:8443"}))


@pytest.mark.parametrize("bind", ["", "8443", "localhost", "localhost:", "localhost:https", "localhost:99999", "[::1"])
def test_an_address_that_is_none_is_refused_in_words(bind: str) -> None:
    with pytest.raises(StartError, match=r"write it like 0\.0\.0\.0:8443"):
        read_bind(bind)


@pytest.mark.parametrize(
    ("bind", "expected"),
    [("0.0.0.0:8443", ("0.0.0.0", 8443)), ("[::]:443", ("::", 443)), ("localhost:0", ("localhost", 0))],
)
def test_an_address_is_a_host_and_a_port(bind: str, expected: tuple[str, int]) -> None:
    assert read_bind(bind) == expected


async def test_plain_http_is_not_served_to_a_network() -> None:
    with pytest.raises(StartError, match="tls_certificate"):
        await started(world_with({"bind": "0.0.0.0:0"}))


async def test_plain_http_is_not_served_to_a_network_by_the_manager_apis_own_address_either() -> None:
    with pytest.raises(StartError, match="tls_certificate"):
        await started(world_with(manager_api={"bind": "0.0.0.0:0"}))


async def test_plain_http_is_served_to_listed_proxies() -> None:
    await started(world_with({"bind": "0.0.0.0:0", "trusted_proxies": ["10.0.0.1"]}))


async def test_a_certificate_that_does_not_load_stops_the_start(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    with pytest.raises(StartError, match=r"missing\.pem"):
        await started(world_with({"tls_certificate": missing, "tls_key": missing}))


async def test_the_port_is_free_again_after_the_end() -> None:
    async with serving(world_with()) as listening:
        port = listening.main[1]
    await started(world_with({"bind": f"127.0.0.1:{port}"}))


async def test_a_call_under_way_is_answered_before_the_end() -> None:
    world = world_with()
    asked, go_on = asyncio.Event(), asyncio.Event()
    directory = world.directories[world.home]
    bind = directory.bind

    async def slow(dn: str, password: Secret) -> BindOutcome:
        asked.set()
        await go_on.wait()
        return await bind(dn, password)

    directory.bind = slow  # type: ignore[method-assign]
    stop = asyncio.Event()
    async with serving(world, stop) as at, connected(at.main[1]) as wire:
        await wire.send(post(call("Server_Status"), basic()))
        await asked.wait()
        stop.set()
        await asyncio.sleep(0)
        go_on.set()
        answer = await wire.receive()
        assert (answer.status, json.loads(answer.body)["result"]["status"]) == (200, True)


async def test_a_call_that_does_not_end_in_time_is_answered_in_json_and_ended() -> None:
    world = world_with({"shutdown_seconds": 0.2})
    asked = asyncio.Event()

    async def stuck(dn: str, password: Secret) -> BindOutcome:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    world.directories[world.home].bind = stuck  # type: ignore[method-assign]
    stop = asyncio.Event()
    async with serving(world, stop) as at, connected(at.main[1]) as wire:
        await wire.send(post(call("Server_Status"), basic()))
        await asked.wait()
        stop.set()
        answer = await wire.receive()
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (503, -32000)


async def test_sighup_reads_the_certificate_again(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    async with serving(world_with({"tls_certificate": str(files.certificate), "tls_key": str(files.key)})) as at:
        port = at.main[1]
        before = await served_get(port)
        certificate(tmp_path, kind="rsa")
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(GENEROUS):
            while await served_get(port) == before:
                pass


async def test_a_certificate_that_does_not_load_at_sighup_leaves_the_old_one(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    async with serving(world_with({"tls_certificate": str(files.certificate), "tls_key": str(files.key)})) as at:
        before = await served_get(at.main[1])
        files.certificate.write_text("nonsense")
        os.kill(os.getpid(), signal.SIGHUP)
        for _ in range(5):
            assert await served_get(at.main[1]) == before


async def served_get(port: int) -> bytes:
    async with connected(port, anyone()) as wire:
        served = wire.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert (await wire.exchange(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
        assert isinstance(served, bytes)
        return served


async def test_the_manager_api_with_an_address_of_its_own_is_served_there_only() -> None:
    async with serving(world_with(manager_api={"bind": LOOPBACK})) as at:
        assert at.main != at.manager
        async with connected(at.main[1]) as main, connected(at.manager[1]) as manager:
            request = post(call("Server_Status"), basic())
            assert (await main.exchange(request)).status == 404
            assert (await manager.exchange(request)).status == 200
            assert (await main.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
            assert (await manager.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).status == 404
