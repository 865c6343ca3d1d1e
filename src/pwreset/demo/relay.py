"""The demo's SMTP relay: takes every mail that comes from this machine and keeps it.

The smallest part of RFC 5321 that a client needs, with PIPELINING (RFC 2920) and SMTPUTF8 (RFC 6531).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LONGEST_LINE = 4096
LONGEST_MAIL = 10 * 1024 * 1024
_END_OF_MAIL = b"\r\n.\r\n"

KeepMail = Callable[[str, bytes], None]  # recipient and mail


class RelayProtocol(asyncio.Protocol):
    """One client, in `clients` while it is connected."""

    def __init__(self, keep: KeepMail, clients: set[asyncio.Transport]) -> None:
        self._keep = keep
        self._clients = clients
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sender_known = False
        self._recipients: list[str] = []
        self._in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._clients.add(transport)
        self._say("220 catcher.localhost ESMTP")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the client."""
        if self._transport is not None:
            self._clients.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Commands and mails, in whatever pieces they come."""
        self._buffer += data
        while self._take_mail() if self._in_mail else self._take_command():
            pass

    def _take_command(self) -> bool:
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            if len(line) > LONGEST_LINE:
                self._hang_up("500 Line too long")
            return False
        self._buffer = rest
        self._obey(line.decode(errors="replace"))
        return True

    def _take_mail(self) -> bool:
        # The mail may be empty: then its end begins with the line end of DATA, which is gone already.
        whole = b"\r\n" + self._buffer
        end = whole.find(_END_OF_MAIL)
        if end < 0:
            if len(whole) > LONGEST_MAIL:
                self._hang_up("552 Mail too large")
            return False
        mail = whole[:end].replace(b"\r\n.", b"\r\n")[2:]
        self._buffer = whole[end + len(_END_OF_MAIL) :]
        self._in_mail = False
        for recipient in self._recipients:
            self._keep(recipient, mail)
        self._forget()
        self._say("250 Caught")
        return True

    def _obey(self, line: str) -> None:
        verb = line[:4].upper()
        if verb == "EHLO":
            self._say("250-catcher.localhost", "250-PIPELINING", "250-8BITMIME", "250 SMTPUTF8")
        elif verb == "MAIL":
            self._forget()
            self._sender_known = True
            self._say("250 OK")
        elif verb == "RCPT" and self._sender_known:
            self._recipients.append(line.partition("<")[2].partition(">")[0])
            self._say("250 OK")
        elif verb == "DATA" and self._recipients:
            self._in_mail = True
            self._say("354 Go on")
        elif verb in ("RCPT", "DATA"):
            self._say("503 Not yet")
        elif verb == "QUIT":
            self._hang_up("221 Bye")
        elif verb in ("HELO", "NOOP", "RSET"):
            self._forget()
            self._say("250 OK")
        else:
            self._say("502 Not here")

    def _forget(self) -> None:
        self._sender_known = False
        self._recipients = []

    def _say(self, *lines: str) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write("".join(f"{line}\r\n" for line in lines).encode())

    def _hang_up(self, line: str) -> None:
        self._say(line)
        self._buffer = b""
        if self._transport is not None:
            self._transport.close()
