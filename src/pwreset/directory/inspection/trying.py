"""What can be tried without changing anything: deleting a value that is not there.

Whoever may write an attribute is told that there is no such value, whoever may not that he may not (RFC 4511, 4.6 and
appendix A.2). Nothing changes in either case, whatever the server is.
"""

from __future__ import annotations

from typing import Any

import ldap

from pwreset.directory.outcomes import DENIALS
from pwreset.directory.reading import read_now

# Good for every syntax that addresses and descriptions have; nobody's value.
NO_SUCH_VALUE = b"0000000000000000000"
NO_SUCH_PASSWORD = b"{pwreset}no-such-value"
NOT_THERE = (ldap.NO_SUCH_ATTRIBUTE, ldap.CONSTRAINT_VIOLATION)


def may_delete(connection: Any, dn: str, attribute: str, seconds: float, value: bytes = NO_SUCH_VALUE) -> bool | None:
    """Whether we may write this attribute; None when the answer does not tell. Raises ldap.LDAPError when lost."""
    try:
        connection.result3(connection.modify_ext(dn, [(ldap.MOD_DELETE, attribute, [value])]), timeout=seconds)
    except DENIALS:
        return False
    except NOT_THERE:
        return True
    except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT):
        raise
    except ldap.LDAPError:
        return None
    return True


def may_set_flag(connection: Any, dn: str, attribute: str, seconds: float) -> bool | None:
    """The same for a boolean, of which either value may be there."""
    entry = read_now(connection, dn, (attribute,), seconds)
    present = entry is not None and entry.text(attribute).upper() == "TRUE"
    return may_delete(connection, dn, attribute, seconds, b"FALSE" if present else b"TRUE")


def is_there(connection: Any, dn: str, seconds: float) -> bool:
    """Whether we see the entry."""
    return bool(dn) and read_now(connection, dn, ("1.1",), seconds) is not None


def is_known(connection: Any, dn: str, attribute: str, seconds: float) -> bool:
    """Whether the server's schema has the attribute."""
    try:
        connection.result3(connection.compare_ext(dn, attribute, NO_SUCH_VALUE.decode()), timeout=seconds)
    except ldap.UNDEFINED_TYPE:
        return False
    except ldap.LDAPError:
        return True
    return True


def sees_hashes(connection: Any, dn: str, seconds: float) -> bool:
    """Whether we can read what is kept of the password."""
    entry = read_now(connection, dn, ("userPassword",), seconds)
    return entry is not None and bool(entry.raw("userPassword"))


def may_write_password(connection: Any, dn: str, seconds: float) -> bool:
    """Whether we may write `userPassword`; yes also where the server understands no such deletion, as lldap."""
    return may_delete(connection, dn, "userPassword", seconds, NO_SUCH_PASSWORD) is not False
