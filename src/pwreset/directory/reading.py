"""One entry by its DN, or nothing where there is none that we may read: in the event loop, or in a thread of a write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ldap

from pwreset.directory.entries import Entry
from pwreset.directory.pool import Pool

ANYTHING = "(objectClass=*)"


async def read(pool: Pool, dn: str, attributes: Sequence[str]) -> Entry | None:
    """On a shared connection. Raises DirectoryUnavailable, DirectoryMisconfigured, Overloaded."""
    return await first_below(pool, dn, ANYTHING, attributes, scope=ldap.SCOPE_BASE)


async def first_below(
    pool: Pool, base: str, filter_text: str, attributes: Sequence[str], *, scope: int = ldap.SCOPE_SUBTREE
) -> Entry | None:
    """The first entry found. Raises like `read`."""
    try:
        found = await pool.search(base, scope, filter_text, attributes)
    except ldap.LDAPError:
        return None
    return Entry(found[0]) if found else None


def read_now(connection: Any, dn: str, attributes: Sequence[str], seconds: float) -> Entry | None:
    """Blocks. Raises ldap.LDAPError."""
    return first_below_now(connection, dn, ANYTHING, attributes, seconds, scope=ldap.SCOPE_BASE)


def first_below_now(
    connection: Any,
    base: str,
    filter_text: str,
    attributes: Sequence[str],
    seconds: float,
    *,
    scope: int = ldap.SCOPE_SUBTREE,
) -> Entry | None:
    """The first entry found; search references are none. Blocks. Raises ldap.LDAPError."""
    message = connection.search_ext(base, scope, filter_text, list(attributes))
    try:
        _, found, _, _ = connection.result3(message, timeout=seconds)
    except (ldap.NO_SUCH_OBJECT, ldap.INSUFFICIENT_ACCESS):
        return None
    return next((Entry(entry) for entry in found if entry[0] is not None), None)
