"""The port `OneTimePasswords` on RADIUS (RFC 2865), over UDP.

What protects it is one shared secret and MD5, so what can be done is done: each request carries a Message-Authenticator
(RFC 3579, 3.2), its identifier and its port are random, and an answer counts only with the right authenticator and a
right Message-Authenticator of its own (CVE-2024-3596, "BlastRADIUS"). Whatever else arrives is not there: somebody who
cannot make an answer cannot spoil the one that is on its way either.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable
from dataclasses import dataclass
from ipaddress import ip_address

from pyrad.packet import (
    AccessAccept,
    AccessChallenge,
    AccessReject,
    AccessRequest,
    AuthPacket,
    PacketError,
    StatusServer,
)

from pwreset import logs
from pwreset.errors import FactorUnavailable
from pwreset.reset.model import ServerHealth
from pwreset.reset.ports import OtpAnswer, Verdict
from pwreset.secret import Secret
from pwreset.settings import Radius

USER_NAME, USER_PASSWORD, REPLY_MESSAGE, STATE, NAS_IDENTIFIER = 1, 2, 18, 24, 32  # RFC 2865, 5
LONGEST_VALUE = 253
LONGEST_PASSWORD = 128
VERDICTS = {AccessAccept: Verdict.RIGHT, AccessReject: Verdict.WRONG, AccessChallenge: Verdict.MORE}
NOBODY = "pwreset-check"

log = logs.get("radius")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> Address:
        """`127.0.0.1:1812`, `[::1]:1812`, `radius.example.org:1812`."""
        host, _, port = text.rpartition(":")
        return cls(host.strip("[]"), int(port))

    @property
    def near(self) -> bool:
        """Whether it is on this machine or in a private network, as far as its address tells."""
        if self.host == "localhost":
            return True
        try:
            address = ip_address(self.host)
        except ValueError:
            return False
        return address.is_loopback or address.is_private

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class RadiusServers:
    """One domain's servers, asked one after the other until one answers."""

    def __init__(self, domain: str, settings: Radius, secret: Secret) -> None:
        self._domain = domain
        self._settings = settings
        self._secret = secret
        self._servers = tuple(map(Address.read, settings.servers))

    async def try_password(self, name: str, password: Secret, state: bytes = b"") -> OtpAnswer:
        """See `OneTimePasswords.try_password`."""
        typed = password.reveal().encode(errors="surrogatepass")
        who = name.encode(errors="surrogatepass")
        if not 0 < len(typed) <= LONGEST_PASSWORD or not 0 < len(who) <= LONGEST_VALUE:
            return OtpAnswer(Verdict.WRONG)
        for server in self._servers:
            request = self._request(AccessRequest)
            request[USER_NAME] = [who]
            request[USER_PASSWORD] = [request.PwCrypt(typed)]
            if state:
                request[STATE] = [state]
            reply = await self._ask(server, request)
            if reply is not None:
                return _answer(reply)
            log.warning("no answer", domain=self._domain, server=str(server))
        raise FactorUnavailable(self._domain)

    async def health(self) -> tuple[ServerHealth, ...]:
        """See `OneTimePasswords.health`. Status-Server (RFC 5997); where that is not answered, a log-in of nobody's."""
        return tuple(await asyncio.gather(*map(self._health, self._servers)))

    async def _health(self, server: Address) -> ServerHealth:
        if await self._ask(server, self._request(StatusServer)) is not None:
            return ServerHealth(str(server), ok=True)
        nobody = self._request(AccessRequest)
        nobody[USER_NAME] = [NOBODY.encode()]
        nobody[USER_PASSWORD] = [nobody.PwCrypt(secrets.token_hex(16))]
        if await self._ask(server, nobody) is not None:
            return ServerHealth(str(server), ok=True)
        return ServerHealth(
            str(server),
            ok=False,
            detail="no answer that proves to be its own",
            advice="See that it listens there, that it knows this machine as a client with the same secret, and that its"
            " answers carry a Message-Authenticator.",
        )

    def _request(self, code: int) -> AuthPacket:
        request = AuthPacket(code, secrets.randbelow(256), self._secret.reveal().encode())
        request.authenticator = secrets.token_bytes(16)
        request.add_message_authenticator()  # the first attribute, as it should be
        request[NAS_IDENTIFIER] = [self._settings.nas_identifier.encode()]
        return request

    async def _ask(self, server: Address, request: AuthPacket) -> AuthPacket | None:
        """The server's own answer; None when none comes in time. The same request is sent each time (RFC 2865, 2.5)."""
        packet = request.RequestPacket()
        loop = asyncio.get_running_loop()
        try:
            transport, waiting = await loop.create_datagram_endpoint(
                lambda: _Waiting(request), remote_addr=(server.host, server.port)
            )
        except OSError:
            return None
        try:
            for _ in range(self._settings.attempts):
                transport.sendto(packet)
                reply = await _within(self._settings.timeout_seconds, waiting.reply)
                if reply is not None:
                    return reply
        finally:
            transport.close()
        return None


class _Waiting(asyncio.DatagramProtocol):
    """Waits for the answer to one request, on a port of its own."""

    def __init__(self, request: AuthPacket) -> None:
        self._request = request
        self.reply: asyncio.Future[AuthPacket] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's
        """Take it if it is the server's."""
        if self.reply.done():
            return
        reply = _genuine(self._request, data)
        if reply is None:
            log.warning("an answer that is not the server's was dropped")
        else:
            self.reply.set_result(reply)

    def error_received(self, exc: Exception) -> None:
        """Nothing listens there, says the machine; the next attempt may find it back."""


def _genuine(request: AuthPacket, data: bytes) -> AuthPacket | None:
    """The answer in a packet, if only the server can have made it."""
    try:
        reply = request.CreateReply(packet=data)
        genuine = reply.code in VERDICTS and request.VerifyReply(reply, data, enforce_ma=True)
    except (PacketError, ValueError, IndexError, KeyError):
        return None
    return reply if genuine else None


async def _within(seconds: float, reply: Awaitable[AuthPacket]) -> AuthPacket | None:
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(reply)
    except TimeoutError:
        return None


def _answer(reply: AuthPacket) -> OtpAnswer:
    verdict = VERDICTS[reply.code]
    if verdict is not Verdict.MORE:
        return OtpAnswer(verdict)
    words = b" ".join(reply.get(REPLY_MESSAGE, [])).decode(errors="replace")
    state = reply.get(STATE, [b""])[0]
    # Without a state the answer to its question could not be told from a new log-in.
    return OtpAnswer(Verdict.MORE, words, state) if state else OtpAnswer(Verdict.WRONG)
