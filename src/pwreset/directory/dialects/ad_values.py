"""How Active Directory spells values and errors: times, durations, passwords, error codes.

Sources: [MS-ADTS] 3.1.1.3.1.5.1 (unicodePwd), [MS-DTYP] 2.3.3 (FILETIME), [MS-ERREF] 2.2 (error codes). All of it was
seen on Samba 4.17 too.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import ldap

BEGINNING = datetime(1601, 1, 1, tzinfo=UTC)
TICKS_PER_MICROSECOND = 10
NEVER = 2**63 - 1
NEVER_ENDS = -(2**63)

# ERROR_PASSWORD_RESTRICTION: the policy's no, whichever rule it was. ERROR_INVALID_PASSWORD: the value to be deleted
# is not the present password.
PASSWORD_RESTRICTION = 0x52D
WRONG_PASSWORD = 0x56

# The log-in's own code stands behind `data`, e.g. `80090308: LdapErr: DSID-0C0903A9, comment: ..., data 532, v1db1`.
_DATA = re.compile(r",\s*data\s+([0-9a-fA-F]+)\s*,")
_ERROR = re.compile(r"\s*([0-9a-fA-F]{8})\s*:")

PASSWORD_EXPIRED = 0x532
PASSWORD_MUST_CHANGE = 0x773


def log_in_code(error: ldap.LDAPError) -> int | None:
    """Why a bind failed, by the code in its diagnostic message; None when there is none."""
    found = _DATA.search(_diagnostic(error))
    return int(found[1], 16) if found else None


def error_code(error: ldap.LDAPError) -> int | None:
    """The eight hexadecimal digits that a diagnostic message begins with; None when there are none."""
    found = _ERROR.match(_diagnostic(error))
    return int(found[1], 16) if found else None


def read_ticks(text: str) -> datetime | None:
    """A time in 100 ns since 1601; None for none, for 0, for "never" and for what is no number."""
    if not text.isdecimal() or int(text) in (0, NEVER):
        return None
    try:
        return BEGINNING + timedelta(microseconds=int(text) // TICKS_PER_MICROSECOND)
    except OverflowError:
        return None


def read_duration(text: str) -> timedelta | None:
    """A duration, which is a negative number of 100 ns; None for none, for 0 and for "never ends"."""
    try:
        ticks = int(text)
    except ValueError:
        return None
    if ticks >= 0 or ticks == NEVER_ENDS:
        return None
    return timedelta(microseconds=-ticks // TICKS_PER_MICROSECOND)


def written_password(password: str) -> bytes:
    """The value of unicodePwd: in quotation marks, UTF-16, little end first. Raises UnicodeEncodeError."""
    return f'"{password}"'.encode("utf-16-le")


def octets(value: bytes) -> str:
    """Bytes as they stand in a filter (RFC 4515)."""
    return "".join(f"\\{byte:02x}" for byte in value)


def _diagnostic(error: ldap.LDAPError) -> str:
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return str(details.get("info") or "")
