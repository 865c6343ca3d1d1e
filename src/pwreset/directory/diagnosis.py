"""How a directory is doing, in words: whether each server can be used, and what our service account may do."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import ldap

from pwreset.directory.connection import Kind, Server, Trouble
from pwreset.directory.dialects import Dialect
from pwreset.directory.pool import Pool, Session
from pwreset.reset.model import ServerHealth, User


async def health(pool: Pool, server: Server, base_dn: str) -> ServerHealth:
    """Connect, log in, read the base. Never raises."""
    begun = time.monotonic()

    def took() -> timedelta:
        return timedelta(seconds=time.monotonic() - begun)

    try:
        await pool.try_server(server, lambda session: _read_base(session.connection, base_dn, pool.seconds))
    except Trouble as trouble:
        return ServerHealth(server.uri, ok=False, detail=trouble.words, advice=trouble.advice, took=took())
    except ldap.LDAPError:
        words, advice = Kind.ANSWER.value
        return ServerHealth(server.uri, ok=False, detail=words, advice=advice, took=took())
    return ServerHealth(server.uri, ok=True, took=took())


async def rights(pool: Pool, dialect: Dialect, dn: str, bind_dn: str | None) -> ServerHealth:
    """Whether our service account may set the password of this entry, and not more than it should. Never raises."""

    def look(session: Session) -> ServerHealth:
        connection = session.connection
        if not dialect.may_write(connection, dn, pool.seconds):
            return _verdict(
                ok=False,
                detail="the service account may not write this person's password",
                advice="give it the right to write (`=w`) userPassword below `base_dn`",
            )
        if bind_dn is not None and not _exists(connection, bind_dn, pool.seconds):
            return _verdict(
                ok=False,
                detail="the service account has no entry of its own: it is the rootdn, which no password policy holds",
                advice="use an account of its own with the right to write (`=w`) userPassword",
            )
        if _sees_passwords(connection, dn, pool.seconds):
            return _verdict(
                ok=True,
                detail="the service account can read password hashes",
                advice="give it `=w` instead of `write` on userPassword",
            )
        return _verdict(ok=True)

    try:
        return await pool.try_server(pool.servers[0], look)
    except Trouble as trouble:
        return _verdict(ok=False, detail=trouble.words, advice=trouble.advice)
    except ldap.LDAPError:
        return _verdict(ok=False, detail=Kind.ANSWER.value[0], advice=Kind.ANSWER.value[1])


def with_mark(seen: ServerHealth, user: User) -> ServerHealth:
    """What was seen of the rights; where nothing is wrong, whether a change of this person's password elsewhere shows."""
    if not seen.ok or seen.detail or user.password_mark:
        return seen
    return _verdict(
        ok=True,
        detail="the directory tells no time of this person's last password change: one made elsewhere ends no link",
        advice="have the policy keep it, and let the service account read it; see the directory's how-to. A password"
        " that was never changed under the policy has none either",
    )


def _verdict(*, ok: bool, detail: str = "", advice: str = "") -> ServerHealth:
    return ServerHealth("rights", ok=ok, detail=detail, advice=advice)


def _read_base(connection: Any, base_dn: str, seconds: float) -> None:
    try:
        found = _read(connection, base_dn, "1.1", seconds)
    except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX, ldap.INSUFFICIENT_ACCESS) as error:
        raise Trouble(Kind.BASE) from error
    except (ldap.TIMEOUT, ldap.SERVER_DOWN) as error:
        raise Trouble(Kind.TIMEOUT) from error
    if not found:
        raise Trouble(Kind.BASE)


def _exists(connection: Any, dn: str, seconds: float) -> bool:
    try:
        return bool(_read(connection, dn, "1.1", seconds))
    except ldap.NO_SUCH_OBJECT:
        return False


def _sees_passwords(connection: Any, dn: str, seconds: float) -> bool:
    return any(attributes for _, attributes in _read(connection, dn, "userPassword", seconds))


def _read(connection: Any, dn: str, attribute: str, seconds: float) -> list[tuple[str, dict[str, list[bytes]]]]:
    message = connection.search_ext(dn, ldap.SCOPE_BASE, "(objectClass=*)", [attribute])
    _, found, _, _ = connection.result3(message, timeout=seconds)
    return [entry for entry in found if entry[0] is not None]
