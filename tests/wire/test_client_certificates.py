"""Client certificates for the Manager API, in real handshakes.

Which defence was switched off by hand, and what then turned red:

| switched off | red |
|---|---|
| the endpoint's look at the certificate | `test_without_a_certificate_managers_are_refused`, `test_a_header_is_no_certificate` |
| the asking (`_ask_clients` in `web/tls.py`) | `test_with_a_certificate_and_a_log_in_a_manager_is_served` |
| the verifying (`CERT_NONE` there) | `test_a_certificate_of_another_authority_ends_the_handshake`, `test_an_expired_certificate_ends_the_handshake` |
| every connection counted as one with a certificate (`web/protocol.py`) | `test_without_a_certificate_managers_are_refused` |
| the Manager API's own address does not ask | `test_the_manager_api_on_an_address_of_its_own_takes_one` |
| the pages' own address asks | `test_pages_on_an_address_of_their_own_ask_for_no_certificate` |
"""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pwreset.demo.authority import Authority, TlsFiles
from pwreset.errors import StartError
from pwreset.settings import Server
from pwreset.web.tls import server_context
from tests.fakes.api import ApiWorld, basic, post
from tests.servers.wire import certificate, connected
from tests.wire.test_manager_api import call
from tests.wire.test_server import LOOPBACK, serving, world_with
from tests.wire.test_tls import anyone

CALLERS = Authority("Callers CA")
PAGE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
STATUS = call("Server_Status")


@pytest.fixture
def world(tmp_path: Path) -> ApiWorld:
    return asking(tmp_path)


def asking(folder: Path, **manager_api: Any) -> ApiWorld:
    """A world whose Manager API asks for certificates of `CALLERS`."""
    files = certificate(folder)
    authority = str(CALLERS.write(folder / "callers.pem"))
    return world_with(
        {"tls_certificate": str(files.certificate), "tls_key": str(files.key)},
        manager_api={"client_ca": authority, **manager_api},
    )


def showing(files: TlsFiles) -> ssl.SSLContext:
    """A client with this certificate."""
    client = anyone()
    client.load_cert_chain(files.certificate, files.key)
    return client


def issued(folder: Path, authority: Authority = CALLERS, **how: Any) -> ssl.SSLContext:
    return showing(authority.issue(folder / "caller", names=("hr.example.org",), **{"for_clients": True, **how}))


async def exchange(world: ApiWorld, client: ssl.SSLContext, octets: bytes) -> tuple[int, bytes]:
    async with serving(world) as at, connected(at.manager[1], client) as wire:
        answer = await wire.exchange(octets)
        return answer.status, answer.body


async def test_with_a_certificate_and_a_log_in_a_manager_is_served(world: ApiWorld, tmp_path: Path) -> None:
    status, body = await exchange(world, issued(tmp_path), post(STATUS, basic()))
    assert (status, json.loads(body)["result"]["status"]) == (200, True)


async def test_with_tls_1_2_it_is_the_same(world: ApiWorld, tmp_path: Path) -> None:
    client = issued(tmp_path)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert (await exchange(world, client, post(STATUS, basic())))[0] == 200


async def test_without_a_certificate_managers_are_refused(world: ApiWorld) -> None:
    status, body = await exchange(world, anyone(), post(STATUS, basic()))
    assert status == 403
    assert json.loads(body)["error"] == {
        "code": -32600,
        "message": "Invalid Request",
        "data": "A client certificate is required",
    }


async def test_without_a_certificate_the_directory_is_not_asked(world: ApiWorld) -> None:
    await exchange(world, anyone(), post(STATUS, basic(password="wrong")))
    assert await world.store.audit(0, 10) == ()


async def test_a_certificate_alone_opens_nothing(world: ApiWorld, tmp_path: Path) -> None:
    assert (await exchange(world, issued(tmp_path), post(STATUS)))[0] == 401


@pytest.mark.parametrize(
    "header", [b"X-SSL-Client-Verify: SUCCESS", b"X-Client-Cert: x", b"SSL_CLIENT_VERIFY: SUCCESS"]
)
async def test_a_header_is_no_certificate(world: ApiWorld, header: bytes) -> None:
    assert (await exchange(world, anyone(), post(STATUS, basic(), header + b"\r\n")))[0] == 403


async def test_people_need_no_certificate(world: ApiWorld) -> None:
    assert (await exchange(world, anyone(), PAGE))[0] == 200


async def is_cut(world: ApiWorld, client: ssl.SSLContext) -> bool:
    """Whether the handshake ends the connection; with TLS 1.3 the client learns of it after its own end of it."""
    async with serving(world) as at:
        try:
            async with connected(at.manager[1], client) as wire:
                await wire.exchange(post(STATUS, basic()))
        except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
            return True
    return False


async def test_a_certificate_of_another_authority_ends_the_handshake(world: ApiWorld, tmp_path: Path) -> None:
    assert await is_cut(world, issued(tmp_path, Authority("Callers CA")))


async def test_an_expired_certificate_ends_the_handshake(world: ApiWorld, tmp_path: Path) -> None:
    assert await is_cut(world, issued(tmp_path, lifetime=timedelta(hours=-1)))


async def test_a_server_s_certificate_is_none_of_a_client(world: ApiWorld, tmp_path: Path) -> None:
    assert await is_cut(world, issued(tmp_path, for_clients=False))


async def test_pages_on_an_address_of_their_own_ask_for_no_certificate(tmp_path: Path) -> None:
    client = issued(tmp_path, Authority("Somebody Else"))  # it would end the handshake if it were asked for
    async with serving(asking(tmp_path, bind=LOOPBACK)) as at, connected(at.main[1], client) as wire:
        assert (await wire.exchange(PAGE)).status == 200


async def test_the_manager_api_on_an_address_of_its_own_takes_one(tmp_path: Path) -> None:
    world = asking(tmp_path, bind=LOOPBACK)
    assert (await exchange(world, issued(tmp_path), post(STATUS, basic())))[0] == 200


async def test_the_manager_api_on_an_address_of_its_own_is_served_to_nobody_without_one(tmp_path: Path) -> None:
    assert (await exchange(asking(tmp_path, bind=LOOPBACK), anyone(), post(STATUS, basic())))[0] == 403


def test_authorities_that_do_not_load_stop_the_start(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    authorities = tmp_path / "callers.pem"
    authorities.write_text("nonsense")
    with pytest.raises(StartError, match=r"client_ca: .*callers\.pem does not load: it holds no certificates"):
        server_context(Server(tls_certificate=str(files.certificate), tls_key=str(files.key)), str(authorities))
