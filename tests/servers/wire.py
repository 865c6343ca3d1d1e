"""A client that puts exact bytes on the wire, and the server's own listener around any ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from starlette.types import ASGIApp

from pwreset.settings import Server
from pwreset.web.listener import Listener, open_socket
from pwreset.web.tls import server_context

GENEROUS = 30.0  # seconds; only a broken server gets there


@dataclass
class Received:
    """One HTTP answer as it came: status line, headers, body."""

    raw: bytes

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> bytes:
        return self.raw.split(b"\r\n\r\n", 1)[1]


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def receive(self, *, to_head: bool = False) -> Received:
        """The next answer, by its Content-Length; `to_head`: the answer to a HEAD."""
        async with asyncio.timeout(GENEROUS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            answer = Received(head)
            length = 0 if to_head else int(answer.headers.get("content-length", 0))
            return Received(head + await self.reader.readexactly(length))

    async def exchange(self, octets: bytes) -> Received:
        await self.send(octets)
        return await self.receive()

    async def is_hung_up(self) -> bool:
        """Wait until the server hangs up; whatever it still says is thrown away."""
        try:
            async with asyncio.timeout(GENEROUS):
                while await self.reader.read(65536):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


@contextlib.asynccontextmanager
async def connected(to: int | socket.socket, context: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """A connection to a port on loopback, or by a socket that is connected already."""
    where: dict[str, Any] = {"sock": to} if isinstance(to, socket.socket) else {"host": "127.0.0.1", "port": to}
    reader, writer = await asyncio.open_connection(
        **where, ssl=context, server_hostname="localhost" if context else None
    )
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, server: Server) -> AsyncIterator[Listener]:
    """The application behind the server's own listener, on a free loopback port."""
    context = server_context(server)
    listener = Listener(open_socket("127.0.0.1:0"), app, server)
    await listener.listen(context)
    try:
        yield listener
    finally:
        await listener.stop()


@dataclass
class Certificate:
    """A self-signed certificate for localhost, and a client context that trusts it alone."""

    certificate: Path
    key: Path

    @property
    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)


def certificate(folder: Path, name: str = "server", *, kind: str = "ec") -> Certificate:
    """Write a fresh certificate and its key (`ec` or `rsa`) into the folder."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.touch(mode=0o600)
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made
