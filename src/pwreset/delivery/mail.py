"""Mail over an SMTP relay.

What an answer means (RFC 5321, section 4.2.1):

- no connection, no TLS, a certificate that does not verify, a greeting or log-in refused: deferred. Nothing is wrong
  with the message; the operator sees it in `pwreset check`.
- 4xx anywhere: deferred, that is what it means.
- 5xx to MAIL FROM: deferred. The sender is ours and the same for all; whoever refuses it refuses our settings.
- 5xx to RCPT TO, DATA, or the message: refused, but for the codes that speak of the conversation (bad sequence, log in
  first, not implemented), which are about the settings again.

A connection is kept for the next mail. When it turns out to be dead before the message itself was sent, the mail goes
out once more on a fresh one; later than that only the outbox may try again, since the relay may have the mail.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import aiosmtplib

from pwreset import logs
from pwreset.delivery import tls
from pwreset.delivery.conversation import Conversation, ConversationLost, NotTaken, Step
from pwreset.delivery.mime import Letterhead, ascii_address
from pwreset.errors import DeliveryDeferred, DeliveryRefused, SettingsError
from pwreset.logo import Logo
from pwreset.reset.model import Channel, Envelope, ServerHealth
from pwreset.reset.recipients import is_mail_address
from pwreset.secret import Secret
from pwreset.settings import Mail

IDLE_SECONDS = 60.0  # relays hang up after five minutes (RFC 5321, section 4.5.3.2.7), some much earlier
FIRST_FINAL_CODE = 500
# Command unrecognised, syntax, not implemented, bad sequence, log in first, mechanism too weak, encryption required.
ABOUT_THE_CONVERSATION = frozenset({500, 501, 502, 503, 504, 530, 534, 535, 538})

log = logs.get("mail")


@dataclass(frozen=True, slots=True)
class Relay:
    """The relay's address, read from the settings."""

    host: str
    port: int
    implicit_tls: bool
    start_tls: bool | None  # True: demanded; None: used when offered; False: never

    @property
    def name(self) -> str:
        """As the settings spell it."""
        return f"{'smtps' if self.implicit_tls else 'smtp'}://{self.host}:{self.port}"


class _CannotOpen(Exception):
    """The relay does not let us in; with words for the operator."""

    def __init__(self, trouble: tls.Trouble) -> None:
        self.trouble = trouble
        super().__init__(trouble.detail)


class MailTransport:
    """Implements `pwreset.reset.ports.Transport` with up to `connections` connections to one relay."""

    def __init__(self, settings: Mail, password: Secret | None, logos: Mapping[str, Logo] | None = None) -> None:
        """`logos` are those of the domains that have one."""
        if settings.url is None or settings.sender is None:
            raise SettingsError("mail.url and mail.sender are needed to send mail")
        self._relay = read_relay(settings)
        self._settings = settings
        self._password = password
        self._tls = tls.context(settings.ca_file, "mail.ca_file")
        self._letterhead = Letterhead(settings.sender, settings.reply_to, settings.bounce_address, logos)
        self._wants_reports = settings.bounce_address is not None
        self._sender = self._letterhead.envelope_sender.encode()
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: list[_Open] = []
        self._greets_as = _own_name()

    @property
    def channel(self) -> Channel:
        """Mail."""
        return Channel.MAIL

    async def send(self, envelope: Envelope) -> None:
        """Hand one mail over. Raises DeliveryDeferred, DeliveryRefused."""
        address = envelope.recipient.address
        if not is_mail_address(address):
            raise DeliveryRefused("the recipient is no single mail address")
        to = ascii_address(address)
        message = self._letterhead.write(envelope, to)
        async with self._slots:
            try:
                await self._hand_over(to, message)
            except NotTaken as error:
                raise _meaning(error) from error
            except ConversationLost as error:
                raise DeliveryDeferred("the relay closed the connection") from error
            except TimeoutError as error:
                raise DeliveryDeferred("the relay did not answer in time") from error
            except _CannotOpen as error:
                raise DeliveryDeferred(f"the relay cannot be used: {error.trouble.detail}") from error

    async def _hand_over(self, to: str, message: bytes) -> None:
        kept = self._take_idle()
        if kept is not None:
            try:
                await self._tell(kept, to, message)
            except ConversationLost as error:
                if not error.nothing_accepted:
                    raise
            else:
                return
        await self._tell(await self._open(), to, message)

    async def _tell(self, connection: _Open, to: str, message: bytes) -> None:
        utf8 = not to.isascii()
        try:
            if utf8 and not connection.smtputf8:
                raise DeliveryRefused("the relay takes no addresses beyond ASCII")
            await connection.conversation.send(
                self._sender, to.encode(), message, utf8=utf8, report=self._wants_reports and connection.dsn
            )
        finally:
            if connection.conversation.usable:
                self._idle.append(connection)

    def _take_idle(self) -> _Open | None:
        """The connection used last, if it is young enough; the others are closed."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.conversation.usable and now - connection.conversation.last_used < IDLE_SECONDS:
                return connection
            connection.conversation.quit()
        return None

    async def _open(self) -> _Open:
        """A connection that is open, encrypted as demanded, and logged in. Raises _CannotOpen."""
        client = aiosmtplib.SMTP(
            hostname=self._relay.host,
            port=self._relay.port,
            timeout=self._settings.timeout_seconds,
            use_tls=self._relay.implicit_tls,
            start_tls=False,  # step by step below, to know by the step what failed
            tls_context=self._tls,
            local_hostname=self._greets_as,
        )
        try:
            await client.connect()
            await client.ehlo()
            await self._encrypt(client)
            await self._log_in(client)
        except _CannotOpen:
            client.close()
            raise
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise _CannotOpen(_trouble(error)) from error
        except BaseException:
            client.close()
            raise
        conversation = Conversation(
            cast("asyncio.Transport", client.transport),
            self._settings.timeout_seconds,
            pipelining=client.supports_extension("pipelining"),
        )
        return _Open(conversation, client.supports_extension("smtputf8"), client.supports_extension("dsn"))

    async def _encrypt(self, client: aiosmtplib.SMTP) -> None:
        if self._relay.implicit_tls or self._relay.start_tls is False:
            return
        if client.supports_extension("starttls"):
            await client.starttls()
            await client.ehlo()
        elif self._relay.start_tls:
            raise _CannotOpen(
                tls.Trouble(
                    "it does not offer STARTTLS",
                    "Switch STARTTLS on at the relay, use smtps://, or lift the demand with `?starttls=off`.",
                )
            )

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        if self._settings.username is None:
            return
        if not client.supports_extension("auth") or not client.supported_auth_methods:
            raise _CannotOpen(
                tls.Trouble("it offers no log-in that we know", "Remove mail.username, or let the relay offer PLAIN.")
            )
        await client.login(self._settings.username, self._password.reveal() if self._password else "")

    async def health(self) -> ServerHealth:
        """Connect, encrypt, log in, and leave again. Never raises."""
        started = monotonic()
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                connection = await self._open()
        except _CannotOpen as error:
            trouble = error.trouble
        except TimeoutError as error:
            trouble = tls.explain(error, "mail.ca_file")
        else:
            connection.conversation.quit()
            return ServerHealth(self._relay.name, ok=True, took=timedelta(seconds=monotonic() - started))
        took = timedelta(seconds=monotonic() - started)
        return ServerHealth(
            self._relay.name,
            ok=False,
            detail=trouble.detail,
            advice=trouble.advice,
            took=took,
            by_certificate=trouble.by_certificate,
        )

    async def close(self) -> None:
        """Say goodbye on the connections that wait."""
        while self._idle:
            self._idle.pop().conversation.quit()


@dataclass(frozen=True, slots=True)
class _Open:
    """An open connection and what the relay offered on it."""

    conversation: Conversation
    smtputf8: bool
    dsn: bool


def read_relay(settings: Mail) -> Relay:
    """The relay of `mail.url`. Raises SettingsError, with what to write instead."""
    parts = urlsplit(settings.url or "")
    query = dict(parse_qsl(parts.query))
    wish = query.pop("starttls", "")
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or query or parts.username:
        raise SettingsError("mail.url: must be like smtp://relay.example.org:25 or smtps://relay.example.org:465")
    if wish not in ("", "off", "on"):
        raise SettingsError("mail.url: starttls is `on` or `off`")
    implicit_tls = parts.scheme == "smtps"
    off_loopback = not tls.is_loopback(parts.hostname)
    start_tls = {"off": False, "on": True, "": True if off_loopback else None}[wish]
    if settings.username is not None and off_loopback and start_tls is False and not implicit_tls:
        raise SettingsError("mail.url: with starttls=off the password would travel in the clear; remove one of them")
    try:
        port = parts.port or (465 if implicit_tls else 25)
    except ValueError as error:
        raise SettingsError("mail.url: the port is no number") from error
    return Relay(parts.hostname, port, implicit_tls, False if implicit_tls else start_tls)


def _meaning(error: NotTaken) -> DeliveryDeferred | DeliveryRefused:
    """What a refusal means for the message; see the top of this file."""
    code = error.answer.code
    detail = f"the relay refused the {error.step.value} ({error.answer.codes})"
    final = code >= FIRST_FINAL_CODE and error.step is not Step.SENDER and code not in ABOUT_THE_CONVERSATION
    return DeliveryRefused(detail) if final else DeliveryDeferred(detail)


def _trouble(error: Exception) -> tls.Trouble:
    """Why a connection could not be opened."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return tls.Trouble(
            f"it refused the log-in ({error.code})", "Look at mail.username and the password (mail.password_file)."
        )
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return tls.Trouble(
            f"it answered {error.code} before any mail", "Does the relay let this machine in? Its log tells more."
        )
    return tls.explain(error, "mail.ca_file")


def _own_name() -> str:
    """The machine's name for EHLO, without asking the DNS, which can take seconds."""
    name = socket.gethostname()
    return name if name.isascii() and name.replace("-", "").replace(".", "").isalnum() else "localhost"
