"""An SMTP relay that costs little: takes every mail, keeps none. Prints its port."""

from __future__ import annotations

import asyncio

END_OF_MAIL = b"\r\n.\r\n"
GREETING = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._buffer = b""
        self._in_mail = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer every whole command, and every whole mail."""
        self._buffer += data
        answers = []
        while (answer := self._next()) is not None:
            answers.append(answer)
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _next(self) -> bytes | None:
        mark = END_OF_MAIL if self._in_mail else b"\r\n"
        end = self._buffer.find(mark)
        if end < 0:
            return None
        line, self._buffer = self._buffer[:end], self._buffer[end + len(mark) :]
        if self._in_mail:
            self._in_mail = False
            return b"250 taken\r\n"
        verb = line[:4].upper()
        if verb == b"EHLO":
            return GREETING
        if verb == b"DATA":
            self._in_mail = True
            return b"354 go on\r\n"
        if verb == b"QUIT":
            return b"221 bye\r\n"
        return b"250 ok\r\n"


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
