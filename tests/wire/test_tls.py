"""TLS: what is spoken, what is refused at the start, and the certificate's renewal."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from pwreset.errors import StartError
from pwreset.settings import Server
from pwreset.web.tls import server_context
from tests.servers.wire import Certificate, certificate, connected, listening
from tests.wire.test_slow_clients import GET, echo


def server_with(files: Certificate) -> Server:
    return Server(tls_certificate=str(files.certificate), tls_key=str(files.key))


async def served_certificate(port: int, context: ssl.SSLContext) -> bytes:
    async with connected(port, context) as wire:
        served = wire.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert (await wire.exchange(GET)).status == 200
        assert isinstance(served, bytes)
        return served


def anyone() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_tls_1_3_is_spoken_with_a_verified_ecdsa_certificate(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    async with (
        listening(echo, server_with(files)) as listener,
        connected(listener.address[1], files.client) as wire,
    ):
        assert wire.writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert (await wire.exchange(GET)).status == 200


@pytest.mark.parametrize("kind", ["ec", "rsa"])
async def test_tls_1_2_is_spoken_with_forward_secrecy(tmp_path: Path, kind: str) -> None:
    files = certificate(tmp_path, kind=kind)
    client = files.client
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(echo, server_with(files)) as listener, connected(listener.address[1], client) as wire:
        assert wire.writer.get_extra_info("cipher")[0].startswith("ECDHE-")
        assert (await wire.exchange(GET)).status == 200


async def test_the_end_of_the_handshake_is_acknowledged_at_once(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    async with listening(echo, server_with(files)) as listener, connected(listener.address[1], files.client):
        while not listener._state.connections:  # the client's end of the handshake is still on its way
            await asyncio.sleep(0)
        (connection,) = listener._state.connections  # the kernel tells nobody but who holds the socket
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1


async def test_tls_1_1_is_refused(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    client = anyone()
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listening(echo, server_with(files)) as listener:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected(listener.address[1], client):
                pass


@pytest.mark.parametrize(("before", "after"), [("ec", "ec"), ("ec", "rsa"), ("rsa", "ec")])
async def test_a_renewed_certificate_replaces_the_old_one_whatever_its_kind(
    tmp_path: Path, before: str, after: str
) -> None:
    files = certificate(tmp_path, kind=before)
    async with listening(echo, server_with(files)) as listener:
        first = await served_certificate(listener.address[1], anyone())
        certificate(tmp_path, kind=after)
        await listener.listen(server_context(server_with(files)))
        for client in (anyone(), files.client):
            assert await served_certificate(listener.address[1], client) != first


async def test_a_connection_that_stands_outlives_the_renewal(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    async with listening(echo, server_with(files)) as listener, connected(listener.address[1], files.client) as wire:
        assert (await wire.exchange(GET)).status == 200
        certificate(tmp_path)
        await listener.listen(server_context(server_with(files)))
        assert (await wire.exchange(GET)).status == 200


@pytest.mark.parametrize("turns", range(5))
async def test_a_connection_made_just_before_the_renewal_is_served(tmp_path: Path, turns: int) -> None:
    files = certificate(tmp_path)
    async with listening(echo, server_with(files)) as listener:
        waiting = socket.create_connection(listener.address)
        for _ in range(turns):  # of the event loop: it sees the connection, accepts it, makes a transport for it
            await asyncio.sleep(0)
        certificate(tmp_path)
        await listener.listen(server_context(server_with(files)))
        async with asyncio.timeout(60), connected(waiting, anyone()) as wire:
            assert (await wire.exchange(GET)).status == 200


def test_a_key_of_another_certificate_stops_the_start_in_words(tmp_path: Path) -> None:
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    with pytest.raises(StartError, match="do not belong together"):
        server_context(Server(tls_certificate=str(first.certificate), tls_key=str(second.key)))


def test_a_file_that_is_no_certificate_stops_the_start_in_words(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    files.certificate.write_text("nonsense")
    with pytest.raises(StartError, match="no PEM files"):
        server_context(server_with(files))


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_a_missing_file_stops_the_start_in_words(tmp_path: Path, missing: str) -> None:
    files = certificate(tmp_path)
    (files.certificate if missing == "certificate" else files.key).unlink()
    with pytest.raises(StartError, match="No such file"):
        server_context(server_with(files))


def test_a_key_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    files.key.chmod(0o644)
    with pytest.raises(StartError, match="chmod 0600"):
        server_context(server_with(files))


def test_a_key_with_a_passphrase_stops_the_start_and_asks_nobody(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    key = load_pem_private_key(files.key.read_bytes(), password=None)
    files.key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase"))
    )
    with pytest.raises(StartError, match="passphrase"):
        server_context(server_with(files))
