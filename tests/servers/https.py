"""Serves an ASGI application over HTTPS on a free loopback port, for real browsers."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from pwreset.demo.authority import Authority

READY_WITHIN = 20.0


@contextmanager
def https(make_app: Callable[[str], ASGIApp], folder: Path) -> Iterator[str]:
    """Serve what `make_app` makes for the server's own address, `https://localhost:PORT`, and yield that address."""
    tls = Authority("HTTPS test CA").issue(folder / "tls")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://localhost:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            make_app(address),
            ssl_certfile=tls.certificate,
            ssl_keyfile=tls.key,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            _wait_until_ready(listener.getsockname()[1], tls.ca)
            yield address
        finally:
            server.should_exit = True
            thread.join()


def _wait_until_ready(port: int, ca_file: Path) -> None:
    context = ssl.create_default_context(cafile=ca_file)
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
