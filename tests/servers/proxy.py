"""A TCP proxy that makes bad weather: between a client and a server it hangs, cuts, and loses answers on demand.

With a certificate of its own it ends the client's TLS and begins one of its own to the server, and so sees what is said.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from pwreset.demo.authority import TlsFiles
from pwreset.web.listener import stop_accepting

CHUNK = 65536


class Proxy:
    """Forwards connections to the server of a URI. An async context manager; belongs to the running loop."""

    def __init__(self, target: str, tls: TlsFiles | None = None) -> None:
        parts = urlsplit(target)
        self._scheme = parts.scheme
        self._target = (parts.hostname or "127.0.0.1", parts.port or (636 if parts.scheme == "ldaps" else 389))
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._context: ssl.SSLContext | None = None
        self._to_server: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls.certificate, tls.key)
            self._to_server = ssl._create_unverified_context()
        # How many further connections are served; those after them are accepted and get no answer. None: all.
        self.answers: int | None = None
        # Downstream bytes that still pass; what comes after them is held back. None: all.
        self.passes: int | None = None
        # Whether what the client sends is read at all; else its socket fills up.
        self.reads = True
        # The first message upstream that holds this is forwarded, and its answer is lost with the connection.
        self.lose_the_answer_to: bytes | None = None
        # The first message upstream that holds this is forwarded, and its answer is held back for ever.
        self.hold_the_answer_to: bytes | None = None
        # The first message upstream that holds this is not forwarded; the connection is cut.
        self.cut_before: bytes | None = None
        # The first message upstream that holds this is not forwarded, and the connection stays; `stalled` tells.
        self.stall_before: bytes | None = None
        self.stalled = False
        # While it is cleared, what the server says waits here.
        self.gate = asyncio.Event()
        self.gate.set()
        # How long each piece of what the server says is on its way.
        self.delay = 0.0
        # Bytes downstream that are changed on the way, to others of the same length.
        self.rewrites: tuple[bytes, bytes] | None = None

    @property
    def uri(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._context)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def refuse(self) -> None:
        """Refuse new connections, and go on with those there are."""
        server, self._server = self._server, None
        if server is not None:
            await stop_accepting(server)

    async def stop(self) -> None:
        """Refuse new connections and cut the old ones."""
        await self.refuse()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self.answers is not None:
                self.answers -= 1
                if self.answers < 0:
                    await self._hold(reader)
                    return
            await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            if task is not None:
                self._tasks.discard(task)

    async def _hold(self, reader: asyncio.StreamReader) -> None:
        """Take what comes and answer nothing until the client goes away."""
        while await reader.read(CHUNK):
            pass

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self._target, ssl=self._to_server)
        self._writers.add(to_server)
        losing = asyncio.Event()
        up = asyncio.create_task(self._up(reader, to_server, losing))
        down = asyncio.create_task(self._down(from_server, writer, losing))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        finally:
            to_server.transport.abort()
            self._writers.discard(to_server)
            for half in (up, down):
                half.cancel()
            with suppress(OSError):
                await asyncio.gather(up, down, return_exceptions=True)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while data := await reader.read(CHUNK):
            if not self.reads:
                await asyncio.Event().wait()
            if self.cut_before is not None and self.cut_before in data:
                return
            if self.stall_before is not None and self.stall_before in data:
                self.stalled = True
                await asyncio.Event().wait()
            if self.lose_the_answer_to is not None and self.lose_the_answer_to in data:
                losing.set()
            if self.hold_the_answer_to is not None and self.hold_the_answer_to in data:
                self.passes = 0
            writer.write(data)
            await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while data := await reader.read(CHUNK):
            if losing.is_set():
                return
            await self.gate.wait()
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.rewrites is not None:
                data = data.replace(*self.rewrites)
            if self.passes is not None:
                data, self.passes = data[: self.passes], max(0, self.passes - len(data))
            writer.write(data)
            await writer.drain()
