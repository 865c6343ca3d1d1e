"""A real SMTP relay on loopback, in a thread of its own: keeps what it gets and answers as told.

The SMTP itself is aiosmtpd's; a second implementation, so that ours is not only tested against itself.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from pwreset.web.listener import stop_accepting

PATIENCE = 30.0  # seconds; only a broken service gets there


@dataclass(frozen=True)
class CapturedMail:
    """One mail as it came."""

    sender: str
    recipient: str
    raw: bytes
    options: tuple[str, ...]

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


class SmtpServer:
    """The relay. `tls` with `implicit` is smtps, without it STARTTLS is offered; `login` demands a log-in.

    Everybody may ask from any thread: `messages`, `wait_for`, `refuse`, `hang_on`, `drop_connections`.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
        pipelining: bool = True,
        smtputf8: bool = True,
        dsn: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        self._tls = tls
        self._implicit = implicit
        self._login = login
        self._pipelining = pipelining
        self._smtputf8 = smtputf8
        self._dsn = dsn
        self.reports: list[str] = []  # what was asked for of MAIL and RCPT, where reports are offered
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp")
        self._arrived = threading.Condition()
        self._messages: list[CapturedMail] = []
        self._replies: dict[tuple[str, str], str] = {}
        self._hanging: set[str] = set()
        self._protocols: list[_Protocol] = []
        self._server: asyncio.Server | None = None
        self.port = 0
        self.connections = 0

    @property
    def url(self) -> str:
        return f"{'smtps' if self._implicit else 'smtp'}://{self._host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._in_loop(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def stop(self) -> None:
        """Hang up and stop listening; the port stays known."""
        self._in_loop(self._stop())

    def start_again(self) -> None:
        """Listen on the same port as before."""
        self._in_loop(self._listen())

    def drop_connections(self) -> None:
        """Hang up on everybody, and go on listening."""
        self._in_loop(self._drop())

    @property
    def messages(self) -> list[CapturedMail]:
        with self._arrived:
            return list(self._messages)

    def wait_for(self, recipient: str, number: int = 1) -> CapturedMail:
        """The so-manieth mail to a recipient."""
        deadline = time.monotonic() + PATIENCE
        with self._arrived:
            while True:
                mails = [mail for mail in self._messages if mail.recipient.casefold() == recipient.casefold()]
                if len(mails) >= number:
                    return mails[number - 1]
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{len(mails)} of {number} mails to {recipient}")

    def refuse(self, recipient: str, code: int, *, at: str = "RCPT", words: str = "no, says the relay") -> None:
        """Answer with this code from now on; `at` MAIL, RCPT, DATA (the message itself) or CONNECT.

        An empty recipient means all.
        """
        self._replies[at, recipient.casefold()] = f"{code} {words}"

    def accept(self, recipient: str = "") -> None:
        """Forget what was told about a recipient."""
        self._hanging.discard(recipient.casefold())
        for at in ("MAIL", "RCPT", "DATA", "CONNECT"):
            self._replies.pop((at, recipient.casefold()), None)

    def hang_on(self, recipient: str) -> None:
        """Never answer the RCPT of this recipient."""
        self._hanging.add(recipient.casefold())

    # What the server's own thread does.

    def _in_loop(self, what: Any) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(PATIENCE)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            self._protocol, "127.0.0.1", self.port, ssl=self._tls if self._implicit else None
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _protocol(self) -> SMTP:
        self.connections += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a log-in should demand TLS: some tests are about just that
            protocol = _Protocol(
                self,
                enable_SMTPUTF8=self._smtputf8,
                hostname="relay.test",
                tls_context=None if self._implicit else self._tls,
                auth_required=self._login is not None,
                auth_require_tls=False,
                auth_exclude_mechanism=[] if self._login else ["LOGIN", "PLAIN"],
                authenticator=self._authenticate if self._login else None,
                loop=self._loop,
            )
        self._protocols.append(protocol)
        return protocol

    async def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await stop_accepting(server)
            await server.wait_closed()
        await self._drop()

    async def _drop(self) -> None:
        for protocol in self._protocols:
            if isinstance(protocol.transport, asyncio.WriteTransport):
                # Python before 3.11.4 fails to abort a TLS transport that was closed twice.
                with suppress(AttributeError):
                    protocol.transport.abort()
        self._protocols.clear()
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self._login, handled=False)

    # aiosmtpd's hooks.

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [
            responses[0],
            *(["250-PIPELINING"] if self._pipelining else []),
            *(["250-DSN"] if self._dsn else []),
            *responses[1:],
        ]

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self._replies.get(("MAIL", "")):
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.casefold() in self._hanging:
            await asyncio.Event().wait()
        if reply := self._replies.get(("RCPT", address.casefold())):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        [recipient] = envelope.rcpt_tos
        if reply := self._replies.get(("DATA", recipient.casefold())):
            return reply
        content = envelope.content
        mail = CapturedMail(
            sender=envelope.mail_from or "",
            recipient=recipient,
            raw=content if isinstance(content, bytes) else (content or "").encode(),
            options=tuple(envelope.mail_options),
        )
        with self._arrived:
            self._messages.append(mail)
            self._arrived.notify_all()
        return "250 OK"


class _Protocol(SMTP):
    """aiosmtpd's, with a greeting that can be a refusal."""

    async def push(self, status: Any) -> None:
        refusal = self.event_handler._replies.get(("CONNECT", ""))
        text = status if isinstance(status, str) else status.decode()
        await super().push(refusal if refusal and text.startswith("220 relay.test") else status)

    # aiosmtpd knows no reports (RFC 3461): their parameters are noted and taken off before it looks.

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        await super().smtp_MAIL(self._noted(arg, " RET=HDRS"))

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        await super().smtp_RCPT(self._noted(arg, " NOTIFY=FAILURE"))

    def _noted(self, arg: str | None, parameter: str) -> str | None:
        if arg is None or parameter not in arg or not self.event_handler._dsn:
            return arg
        self.event_handler.reports.append(parameter.strip())
        return arg.replace(parameter, "")


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])
