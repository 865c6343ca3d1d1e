"""Serves an ASGI application over HTTPS on a free loopback port, for real browsers."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.types import ASGIApp

READY_WITHIN = 20.0


@contextmanager
def https(make_app: Callable[[str], ASGIApp], folder: Path) -> Iterator[str]:
    """Serve what `make_app` makes for the server's own address, `https://localhost:PORT`, and yield that address."""
    certificate = _certificate(folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://localhost:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            make_app(address),
            ssl_certfile=certificate,
            ssl_keyfile=certificate,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            _wait_until_ready(listener.getsockname()[1], certificate)
            yield address
        finally:
            server.should_exit = True
            thread.join()


def _wait_until_ready(port: int, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=certificate)
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=READY_WITHIN) as connection,
                context.wrap_socket(connection, server_hostname="localhost"),
            ):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _certificate(folder: Path) -> Path:
    """A self-signed certificate for localhost and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
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
    path = folder / "localhost.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
