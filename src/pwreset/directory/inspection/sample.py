"""Some people of a domain, as they come: to try things on, where nobody is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ldap

from pwreset.directory.pool import Session
from pwreset.directory.shared import RawEntry

if TYPE_CHECKING:
    from pwreset.directory.inspection import Inspector, Wants


def some_people(
    session: Session, wants: Wants, inspector: Inspector, attributes: Sequence[str], number: int
) -> list[RawEntry]:
    """Up to so many entries below the base that somebody could log in with. Blocks. Raises ldap.LDAPError."""
    any_login = "".join(f"({name}=*)" for name in wants.logins)
    wanted = f"(&(|{any_login}){inspector.people})"
    connection = session.connection
    message = connection.search_ext(wants.base_dn, ldap.SCOPE_SUBTREE, wanted, list(attributes), sizelimit=number)
    found: list[RawEntry] = []
    # One by one: with the limit's own result code the entries before it would be lost.
    try:
        while len(found) < number:
            kind, entries, _, _ = connection.result3(message, all=0, timeout=wants.seconds)
            found += [entry for entry in entries if entry[0] is not None]
            if kind == ldap.RES_SEARCH_RESULT:
                break
    except (ldap.SIZELIMIT_EXCEEDED, ldap.ADMINLIMIT_EXCEEDED, ldap.TIMELIMIT_EXCEEDED):
        pass
    return found
