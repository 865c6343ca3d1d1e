# ruff: noqa: SLF001 - the floor is what lies beneath the adapters' doors
"""The floor: read the request, one search, one durable insert, answer. With MAIL, hand a mail made beforehand over too.

The insert is the service's own: the link with its audit event, and either the end of the person's older links (NONE) or
the delivery (MAIL), in one transaction. What the service writes once the relay has taken the mail is left out.
The same LDAP connections, the same store and the same SMTP conversation as the service, in one process, on a bare
asyncio protocol: no framework, no log-in, no checks, no limits, no rendering, no sealing, no log. Prints its port.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import ldap
import msgspec

from bench.load import END_OF_HEAD, length_of
from pwreset.delivery.mail import MailTransport
from pwreset.directory.ldap import LdapDirectory
from pwreset.reset.model import (
    AuditEvent,
    Channel,
    Delivery,
    DeliveryMode,
    MessageName,
    Origin,
    Recipient,
    ResetRequest,
)
from pwreset.reset.tokens import new_id
from pwreset.settings.load import load
from pwreset.store.clock import SystemClock
from pwreset.store.sqlite import SqliteStore

MAIL_BODY = b"".join(b"%070d\r\n" % number for number in range(60))  # about what our mail has


class Floor:
    """The three things that cannot be left out."""

    def __init__(self, directory: LdapDirectory, store: SqliteStore, transport: MailTransport) -> None:
        self._directory = directory
        self._store = store
        self._transport = transport
        self._clock = SystemClock()

    async def answer(self, body: bytes) -> bytes:
        """One call."""
        params = msgspec.json.decode(body)["params"]
        directory = self._directory
        reader = (directory._kind or await directory._learn()).reader
        [(dn, attributes)] = await directory._pool.search(
            directory._settings.base_dn,
            ldap.SCOPE_SUBTREE,
            reader.by_login(params["username"]),
            reader.attributes,
            2,
        )
        token = secrets.token_urlsafe(32)
        request = self._request(dn, attributes, token)
        mails = [_delivery(request, attributes["mail"][0].decode())] if params["method"] == "MAIL" else []
        await self._store.add(request, mails, [_event(request)], supersede=not mails)
        for mail in mails:
            await self._send(mail.recipient.address)
        return b'{"jsonrpc":"2.0","id":0,"result":"https://localhost:8443/r/%b"}' % token.encode()

    def _request(self, dn: str, attributes: dict[str, list[bytes]], token: str) -> ResetRequest:
        now = self._clock.now()
        return ResetRequest(
            id=new_id(),
            digest=token[:32].encode(),
            domain="EXAMPLE",
            user_id=attributes["entryUUID"][0].decode(),
            user_login=attributes["uid"][0].decode(),
            user_name=dn,
            mode=DeliveryMode.NONE,
            origin=Origin.MANAGER,
            asked_by="floor",
            asked_from="127.0.0.1",
            correlation="",
            created_at=now,
            expires_at=now + timedelta(hours=24),
            password_mark="",
            sent_to=(),
            binding=b"",
        )

    async def _send(self, address: str) -> None:
        message = b"From: bench@example.org\r\nTo: %b\r\nSubject: bench\r\n\r\n%b" % (address.encode(), MAIL_BODY)
        async with self._transport._slots:
            await self._transport._hand_over(address, message)


def _delivery(request: ResetRequest, address: str) -> Delivery:
    return Delivery(
        id=new_id(),
        request_id=request.id,
        domain=request.domain,
        message=MessageName.RESET_LINK,
        recipient=Recipient(Channel.MAIL, address),
        body=MAIL_BODY,
        created_at=request.created_at,
        not_after=request.expires_at,
        due_at=request.created_at,
    )


def _event(request: ResetRequest) -> AuditEvent:
    return AuditEvent(
        name="request.sent",
        at=request.created_at,
        actor="floor",
        domain=request.domain,
        user=request.user_login,
        address=request.asked_from,
        request_id=request.id,
        facts={"mode": "NONE"},
    )


class Connection(asyncio.Protocol):
    """One caller's connection."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request; callers wait for an answer before they send the next."""
        self._buffer += data
        length = length_of(self._buffer)
        if length is not None and len(self._buffer) >= length:
            body = self._buffer[self._buffer.index(END_OF_HEAD) + len(END_OF_HEAD) :]
            self._buffer = b""
            self._task = asyncio.get_running_loop().create_task(self._serve(body))

    async def _serve(self, body: bytes) -> None:
        answer = await self._floor.answer(body)
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer)
        )


async def main(config: Path, store: Path) -> None:
    configuration = load(config)
    settings = configuration.settings
    name, domain = next(iter(settings.domains.items()))
    opened: Any = await SqliteStore.open(store, SystemClock(), exclusive=True)
    floor = Floor(
        LdapDirectory(name, domain, configuration.bind_passwords.get(name)),
        opened,
        MailTransport(settings.mail, None),
    )
    server = await asyncio.get_running_loop().create_server(lambda: Connection(floor), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
