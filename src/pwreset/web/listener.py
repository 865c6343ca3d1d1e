"""One listening address: accepts connections, swaps its certificate, and lets calls under way end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from asyncio.sslproto import SSLProtocol
from email.utils import formatdate
from functools import partial
from urllib.parse import urlsplit

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from pwreset.errors import StartError
from pwreset.settings import Server
from pwreset.web.access import LOOPBACK
from pwreset.web.peers import Peers
from pwreset.web.protocol import PatientProtocol, hang_up

BACKLOG = 2048
CONNECTIONS_PER_CALL = 4  # idle connections and those still sending their header come on top of the calls under way
SWEEP_SECONDS = 0.02
FLUSH_SECONDS = 1.0

# asyncio keeps a buffer for each TLS connection, an idle one too. Its own 256 KiB would be a gigabyte for as many as may
# stand; this is twice the longest record (RFC 8446, section 5.1).
SSLProtocol.max_size = 32 * 1024


def open_socket(bind: str) -> socket.socket:
    """A socket that listens on `HOST:PORT`. Raises StartError, in words."""
    host, port = read_bind(bind)
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, proto)
    except OSError as error:
        raise StartError(f"Cannot listen on {bind}: {error.strerror}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.settimeout(0)
    except OSError as error:
        listening.close()
        raise StartError(f"Cannot listen on {bind}: {error.strerror}") from error
    return listening


def read_bind(bind: str) -> tuple[str, int]:
    """Host and port of `0.0.0.0:8443`, `[::]:8443` or `localhost:8443`. Raises StartError."""
    try:
        parts = urlsplit(f"//{bind}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None:
        raise StartError(f"{bind!r} is no address to listen on; write it like 0.0.0.0:8443 or [::]:8443")
    return host, port


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine can reach the socket."""
    return LOOPBACK.hold(listening.getsockname()[0])


async def stop_accepting(server: asyncio.Server) -> None:
    """Close a server; what it has accepted already becomes a connection like any other.

    `Server.close` alone loses a connection accepted in the same turn of the event loop: its transport is made in the
    next turn, and fails there because the server has no sockets any more (Python 3.11).
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    await asyncio.sleep(0)  # that next turn
    server.close()


class Listener:
    """Serves one application on one socket."""

    def __init__(self, listening: socket.socket, app: ASGIApp, server: Server, client_ca: str | None = None) -> None:
        self._socket = listening
        self.client_ca = client_ca  # whose certificates clients are asked for here
        self._settings = server
        # uvicorn's own loop, signals, logs and proxy headers are not used: `serve` and the application have theirs.
        self._config = Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=server.keep_alive_seconds,  # type: ignore[arg-type] # it is handed to call_later
        )
        self._config.load()
        self._state = ServerState()
        self._peers = Peers(server.connections_per_address, server.trusted_proxies)
        self._server: asyncio.Server | None = None
        self.tell_time()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    def tell_time(self) -> None:
        """Set the `Date` of the answers to come (RFC 9110, section 6.6.1); called once a second."""
        self._state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]

    async def listen(self, context: ssl.SSLContext | None) -> None:
        """Accept connections with this TLS context; those that stand keep theirs."""
        timeout = None if context is None else self._settings.client_timeout_seconds
        loop = asyncio.get_running_loop()
        # A duplicate: closing the former server closes its own, and no connection that waits in the queue is lost.
        fresh = await loop.create_server(
            partial(self._connection, loop),
            sock=self._socket.dup(),
            ssl=context,
            backlog=BACKLOG,
            ssl_handshake_timeout=timeout,
            ssl_shutdown_timeout=timeout,
        )
        former, self._server = self._server, fresh
        if former is not None:
            await stop_accepting(former)

    def _connection(self, loop: asyncio.AbstractEventLoop) -> asyncio.Protocol:
        if len(self._state.connections) >= CONNECTIONS_PER_CALL * self._settings.max_connections:
            return _Refusal()
        return PatientProtocol(self._config, self._state, {}, self._settings.client_timeout_seconds, self._peers, loop)

    async def stop(self) -> None:
        """Accept nothing more, let calls under way end within `server.shutdown_seconds`, close everything."""
        if self._server is not None:
            await stop_accepting(self._server)
        self._socket.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        await self._calls_end(self._settings.shutdown_seconds)
        for task in self._state.tasks:
            task.cancel()
        await self._calls_end(FLUSH_SECONDS)
        await self._connections_close(FLUSH_SECONDS)
        for connection in list(self._state.connections):
            hang_up(connection.transport)

    async def _calls_end(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (
            self._state.tasks and loop.time() < end
        ):  # again: the end of one call may start the next on its connection
            await asyncio.wait(self._state.tasks, timeout=end - loop.time())

    async def _connections_close(self, seconds: float) -> None:
        """Let the last answers go out. Not for long: an idle TLS client may never say its goodbye."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._state.connections and loop.time() < end:  # noqa: ASYNC110 - uvicorn's set of connections tells nobody
            await asyncio.sleep(SWEEP_SECONDS)


class _Refusal(asyncio.Protocol):
    """Hangs up: too many connections stand already."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            hang_up(transport)
