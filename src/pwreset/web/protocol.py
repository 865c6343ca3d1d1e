"""uvicorn's HTTP protocol with deadlines for slow clients and a bound on headers.

HttpToolsProtocol is no public API: uvicorn is pinned to one minor version, and tests/wire/test_slow_clients.py holds
what is relied on. A client is cut when it takes longer than `client_timeout_seconds` for its TLS handshake (that one is
asyncio's own deadline), for a whole header, for a pause in its body, or for reading its answer; when its body takes
longer than ten times that; and when its header is larger than 32 kB.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from enum import Enum
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from pwreset.web.peers import Peers
from pwreset.web.rpc import INVALID_REQUEST, Failure, error_body

CLIENT_CERTIFICATE = "pwreset.client_certificate"
LARGEST_HEADER = 32 * 1024
LINE_OVERHEAD = 4  # ": " and the line's end
BODY_FACTOR = 10


class _Awaited(Enum):
    """What the client owes us."""

    NOTHING = "nothing"
    HEADER = "header"
    BODY = "body"


def hang_up(transport: asyncio.WriteTransport) -> None:
    """Cut a connection at once."""
    # Python before 3.11.4 (Debian 12 has 3.11.2) fails to abort a TLS transport that was closed twice; asyncio's own
    # deadline for the goodbye ends it then.
    with suppress(AttributeError):
        transport.abort()


def _acknowledge(transport: asyncio.Transport) -> None:
    """Acknowledge the end of the client's TLS handshake at once, where the kernel would take 40 ms.

    Nothing of ours follows it (no session tickets), and clients that leave Nagle's algorithm on hold their request back
    until it is acknowledged: RFC 1122, section 4.2.3.4.
    """
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class _Rest:
    """The body of a request that wished for an upgrade; what follows it is not looked at."""

    def __init__(self, connection: PatientProtocol, framing: bytes) -> None:
        self._connection: PatientProtocol | None = connection
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")

    def feed(self, data: bytes) -> None:
        """Raises HttpParserError."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self._connection is not None:
                raise

    def on_body(self, body: bytes) -> None:
        """For the parser."""
        if self._connection is not None:
            self._connection.on_body(body)

    def on_message_complete(self) -> None:
        """For the parser."""
        if self._connection is not None:
            self._connection.on_message_complete()
            self._connection = None


class PatientProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        client_timeout: float,
        peers: Peers,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._client_timeout = client_timeout
        self._peers = peers
        self._awaited = _Awaited.HEADER
        self._has_certificate = False  # one that was verified: another one ends the handshake
        self._deadline: asyncio.TimerHandle | None = None
        self._reading_deadline: asyncio.TimerHandle | None = None
        self._body_ends_by = 0.0
        self._header_size = 0
        self._framing = b""  # how the body is framed that the parser will not read, for the wish of an upgrade
        self._rest: _Rest | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection, its TLS handshake included, stands: a header is due."""
        super().connection_made(transport)
        if not self._peers.enter(self._address):
            hang_up(transport)
        self._has_certificate = bool(transport.get_extra_info("peercert"))
        _acknowledge(transport)
        self._deadline = self.loop.call_later(self._client_timeout, self._cut)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._disarm()
        self._stop_reading_deadline()
        self._peers.leave(self._address)
        super().connection_lost(exc)

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse what is no HTTP; set the deadline for what is still missing."""
        self._unset_keepalive_if_required()
        awaited_before = self._awaited
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Not an HTTP request")
            return
        if self.transport.is_closing():
            return
        if self._awaited is _Awaited.HEADER:
            self._header_size += len(data) if awaited_before is _Awaited.HEADER else 0
            if self._header_size > LARGEST_HEADER:
                self._refuse(431, "The header is larger than 32 kB")
                return
        self._arm(awaited_before)

    def _feed(self, data: bytes) -> None:
        """Raises HttpParserError."""
        if self._rest is not None:
            self._rest.feed(data)
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # No upgrade is served, and the connection ends with the answer. The body of the request is due all the same
            # (RFC 9110, section 7.8), but this parser takes it for the other protocol.
            if self.cycle is not None:
                self.cycle.keep_alive = False
            if self._framing:
                self._rest, self._framing = _Rest(self, self._framing), b""
                self._rest.feed(data[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        """A request begins; on a connection whose client has shown a certificate it says so."""
        super().on_message_begin()
        if self._has_certificate:
            self.scope[CLIENT_CERTIFICATE] = True  # type: ignore[literal-required] # a name of ours
        self._awaited = _Awaited.HEADER

    def on_headers_complete(self) -> None:
        """Serve the request, if its header is not too large."""
        self._header_size = 0
        size = len(self.url) + sum(len(name) + len(value) + LINE_OVERHEAD for name, value in self.headers)
        if size > LARGEST_HEADER:
            self._refuse(431, "The header is larger than 32 kB")
            return
        self._awaited = _Awaited.BODY
        self._body_ends_by = self.loop.time() + BODY_FACTOR * self._client_timeout
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._framing = _framing(self.headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Nothing is missing of this request."""
        if self._framing:
            return
        self._awaited = _Awaited.NOTHING
        if self.cycle is not None:
            super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not read its answer as fast as it is written."""
        super().pause_writing()
        if self._reading_deadline is None:
            self._reading_deadline = self.loop.call_later(self._client_timeout, self._cut)

    def resume_writing(self) -> None:
        """The client has read on."""
        super().resume_writing()
        self._stop_reading_deadline()

    def timeout_keep_alive_handler(self) -> None:
        """The connection was idle for too long; an answer that nobody fetches does not keep it open."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self._client_timeout, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; in JSON, since a caller of the Manager API parses whatever it gets."""
        self._refuse(400, msg)

    def _refuse(self, status: int, words: str) -> None:
        if self.transport.is_closing():
            return
        self._disarm()
        body = error_body(Failure(INVALID_REQUEST, words))
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/json\r\n"
            + b"cache-control: no-store\r\n"
            + b"content-length: %d\r\n" % len(body)
            + b"connection: close\r\n\r\n"
            + body
        )
        self.transport.close()

    def _arm(self, awaited_before: _Awaited) -> None:
        """Set the deadline anew when the client owes something else now, or has sent a part of its body."""
        if self._awaited is _Awaited.NOTHING:
            self._disarm()
        elif self._awaited is _Awaited.BODY:
            self._disarm()
            next_part_by = self.loop.time() + self._client_timeout
            self._deadline = self.loop.call_at(min(next_part_by, self._body_ends_by), self._cut_body)
        elif awaited_before is not _Awaited.HEADER or self._deadline is None:
            self._disarm()
            self._deadline = self.loop.call_later(self._client_timeout, self._cut)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_reading_deadline(self) -> None:
        if self._reading_deadline is not None:
            self._reading_deadline.cancel()
            self._reading_deadline = None

    def _cut_body(self) -> None:
        if self.flow.read_paused:  # it is us who do not read on
            self._deadline = self.loop.call_later(self._client_timeout, self._cut_body)
            return
        self._cut()

    def _cut(self) -> None:
        # Not close(): that waits for the client, once more.
        hang_up(self.transport)


def _framing(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The header line that says how long the body is; empty when there is none. The parser has found them sound."""
    for wanted in (b"transfer-encoding", b"content-length"):
        for name, value in headers:
            if name == wanted:
                return name + b": " + value
    return b""
