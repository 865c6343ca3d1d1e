"""How a directory is doing, in words: whether each server can be used."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import ldap

from pwreset.directory.connection import Kind, Server, Trouble
from pwreset.directory.pool import Pool
from pwreset.reset.model import ServerHealth


async def health(pool: Pool, server: Server, base_dn: str) -> ServerHealth:
    """Connect, log in, read the base. Never raises."""
    begun = time.monotonic()

    def took() -> timedelta:
        return timedelta(seconds=time.monotonic() - begun)

    try:
        await pool.try_server(server, lambda session: read_base(session.connection, base_dn, pool.seconds))
    except Trouble as trouble:
        return ServerHealth(server.uri, ok=False, detail=trouble.words, advice=trouble.advice, took=took())
    except ldap.LDAPError:
        words, advice = Kind.ANSWER.value
        return ServerHealth(server.uri, ok=False, detail=words, advice=advice, took=took())
    return ServerHealth(server.uri, ok=True, took=took())


def read_base(connection: Any, base_dn: str, seconds: float) -> None:
    """See that the base is there. Blocks. Raises Trouble, ldap.LDAPError."""
    try:
        found = _read(connection, base_dn, "1.1", seconds)
    except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX, ldap.INSUFFICIENT_ACCESS) as error:
        raise Trouble(Kind.BASE) from error
    except (ldap.TIMEOUT, ldap.SERVER_DOWN) as error:
        raise Trouble(Kind.TIMEOUT) from error
    if not found:
        raise Trouble(Kind.BASE)


def _read(connection: Any, dn: str, attribute: str, seconds: float) -> list[tuple[str, dict[str, list[bytes]]]]:
    message = connection.search_ext(dn, ldap.SCOPE_BASE, "(objectClass=*)", [attribute])
    _, found, _, _ = connection.result3(message, timeout=seconds)
    return [entry for entry in found if entry[0] is not None]
