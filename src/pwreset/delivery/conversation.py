"""Hands mails over on one SMTP connection that is open and logged in.

The client library opens the connection (TLS, EHLO, log-in); for the mails themselves its one-command-at-a-time way
costs 0.7 ms of CPU and four round trips each. Here MAIL, RCPT and DATA go out together where the relay offers it
(PIPELINING, RFC 2920), which costs a fifth of that and two round trips.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from dataclasses import dataclass
from enum import Enum

LONGEST_ANSWER = 65536
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?= |\Z)")  # RFC 3463

OK = 250
WILL_FORWARD = 251
START_INPUT = 354
CLOSING = 421


class Step(Enum):
    """Where in the conversation an answer came."""

    SENDER = "sender"  # MAIL FROM
    RECIPIENT = "recipient"  # RCPT TO
    DATA = "start of the message"  # DATA
    MESSAGE = "message"  # after the final dot


@dataclass(frozen=True, slots=True)
class Answer:
    """The relay's answer to one command: its code (RFC 5321, section 4.2) and enhanced code, no text."""

    code: int
    enhanced: str = ""

    @property
    def codes(self) -> str:
        """`550 5.1.1`."""
        return f"{self.code} {self.enhanced}".rstrip()


class NotTaken(Exception):  # inside this package only; the transport's door turns it into Deferred or Refused
    """The relay said no, at this step."""

    def __init__(self, step: Step, answer: Answer) -> None:
        self.step = step
        self.answer = answer
        super().__init__(step.value, answer.codes)


class ConversationLost(ConnectionError):
    """The connection broke, or what came was no SMTP.

    `nothing_accepted` says that it broke before the message itself was sent: it may be tried on another connection at
    once, without the risk of a duplicate.
    """

    def __init__(self, *, nothing_accepted: bool = False) -> None:
        self.nothing_accepted = nothing_accepted
        super().__init__("the connection was lost")


class Conversation(asyncio.Protocol):
    """One connection, taken over from whoever opened it. Mails go one after another."""

    def __init__(self, transport: asyncio.Transport, seconds: float, *, pipelining: bool) -> None:
        self._transport = transport
        self._seconds = seconds
        self._pipelining = pipelining
        self._buffer = b""
        self._answers: deque[Answer] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._late_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._over = False
        self.last_used = asyncio.get_running_loop().time()
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether another mail may be tried here."""
        return not self._over and not self._transport.is_closing()

    async def send(
        self, sender: bytes, recipient: bytes, message: bytes, *, utf8: bool = False, report: bool = False
    ) -> None:
        """Hand one mail over. `message` has CRLF line ends and begins with a header.

        `report` asks for a report of a failure, with the headers only, of a relay that offers it (RFC 3461): the message
        holds a link.

        Raises NotTaken (the connection is good for the next mail), ConversationLost, TimeoutError (both: it is not).
        """
        try:
            await self._send(sender, recipient, message, utf8=utf8, report=report)
        except NotTaken as error:
            if error.answer.code == CLOSING:
                self.close()
            raise
        except BaseException:
            # An answer that comes late must not be taken for that of the next command; cancelled included.
            self.close()
            raise
        self.last_used = asyncio.get_running_loop().time()

    async def _send(self, sender: bytes, recipient: bytes, message: bytes, *, utf8: bool, report: bool) -> None:
        commands = [
            b"MAIL FROM:<%b>%b%b\r\n" % (sender, b" SMTPUTF8" if utf8 else b"", b" RET=HDRS" if report else b""),
            b"RCPT TO:<%b>%b\r\n" % (recipient, b" NOTIFY=FAILURE" if report else b""),
            b"DATA\r\n",
        ]
        try:
            self._refuse_what_nobody_asked_for()
            await (self._all_at_once(commands) if self._pipelining else self._one_by_one(commands))
        except ConversationLost as error:
            raise ConversationLost(nothing_accepted=True) from error
        self._write(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        answer = await self._answer()
        if answer.code != OK:
            raise NotTaken(Step.MESSAGE, answer)

    def _refuse_what_nobody_asked_for(self) -> None:
        """Between mails a relay only says that it hangs up; taken for an answer it would shift all that follow."""
        if self._answers or self._buffer or not self.usable:
            raise ConversationLost

    async def _all_at_once(self, commands: list[bytes]) -> None:
        self._write(b"".join(commands))
        sender = await self._first_answer()
        recipient = await self._answer()
        data = await self._answer()
        refusal = _refusal(sender, recipient, data)
        if refusal is None:
            return
        if data.code == START_INPUT:
            # RFC 2920, section 3.1: a relay may ask for the message although nobody is left to get it. It gets none.
            self._write(b".\r\n")
            await self._answer()
        await self._reset()
        raise refusal

    async def _one_by_one(self, commands: list[bytes]) -> None:
        self._write(commands[0])
        answer = await self._first_answer()
        if answer.code == OK:
            self._write(commands[1])
            refusal = _refusal(answer, recipient := await self._answer(), Answer(START_INPUT))
            if refusal is None:
                self._write(commands[2])
                refusal = _refusal(answer, recipient, await self._answer())
        else:
            refusal = NotTaken(Step.SENDER, answer)
        if refusal is not None:
            await self._reset()
            raise refusal

    async def _reset(self) -> None:
        """Forget the mail that was begun. A relay that is about to hang up need not answer."""
        self._write(b"RSET\r\n")
        try:
            if (await self._answer()).code != OK:
                self.close()
        except (ConversationLost, TimeoutError):
            self.close()

    def quit(self) -> None:
        """Say goodbye and close; a relay that does not answer is not waited for."""
        if self.usable:
            self._transport.write(b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._over = True
        self._transport.close()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _write(self, data: bytes) -> None:
        if self.usable:
            self._transport.write(data)

    async def _first_answer(self) -> Answer:
        """The answer to MAIL. A relay that has hung up meanwhile may still have said so."""
        answer = await self._answer()
        if answer.code == CLOSING:
            raise ConversationLost
        return answer

    async def _answer(self) -> Answer:
        """The next answer. Raises ConversationLost, TimeoutError."""
        if not self._answers:
            if not self.usable:
                raise ConversationLost
            loop = asyncio.get_running_loop()
            self._late_at = loop.time() + self._seconds
            # One alarm for all answers, which looks again when the one that it was set for has come in time.
            if self._alarm is None:
                self._alarm = loop.call_at(self._late_at, self._ring)
            self._waiter = loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._answers:
            raise ConversationLost
        return self._answers.popleft()

    def data_received(self, data: bytes) -> None:
        """What the relay says. Between mails it has nothing to say but that it hangs up."""
        self._buffer += data
        if len(self._buffer) > LONGEST_ANSWER:
            self._end()
            return
        try:
            self._read()
        except ValueError:
            self._end()
            return
        if self._answers:
            self._wake()

    def _read(self) -> None:
        """Complete answers out of the buffer. Raises ValueError when it is no SMTP."""
        while (end := self._buffer.find(b"\n")) >= 0:
            line, self._buffer = self._buffer[:end].rstrip(b"\r"), self._buffer[end + 1 :]
            code = int(line[:3])
            if line[3:4] == b"-":
                continue
            enhanced = _ENHANCED.match(line, 4)
            self._answers.append(Answer(code, enhanced[0].decode() if enhanced else ""))

    def _ring(self) -> None:
        """Is an answer late?"""
        self._alarm = None
        if self._waiter is None or self._waiter.done():
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._late_at:
            self._alarm = loop.call_at(self._late_at, self._ring)
        else:
            self._waiter.set_exception(TimeoutError())

    def eof_received(self) -> bool:
        """The relay hangs up."""
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The connection is gone."""
        self._end()

    def _end(self) -> None:
        self.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _refusal(sender: Answer, recipient: Answer, data: Answer) -> NotTaken | None:
    """The first of the answers that was no yes."""
    if sender.code != OK:
        return NotTaken(Step.SENDER, sender)
    if recipient.code not in (OK, WILL_FORWARD):
        return NotTaken(Step.RECIPIENT, recipient)
    if data.code != START_INPUT:
        return NotTaken(Step.DATA, data)
    return None
