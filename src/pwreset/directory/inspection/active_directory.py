"""How Active Directory and Samba are asked.

`allowedAttributesEffective` tells which attributes we may write, for lockoutTime and pwdLastSet. It does not tell of
"Reset Password", which is a right of its own ([MS-ADTS] 5.1.3.2.1): that is tried with a value that can be no password.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import ldap

from pwreset.directory.dialects.active_directory import POLICY_HINTS
from pwreset.directory.entries import Entry, read_time
from pwreset.directory.inspection import Enforcement, Power, Rights, Wants
from pwreset.directory.outcomes import DENIALS
from pwreset.directory.pool import Session
from pwreset.directory.reading import read_now
from pwreset.directory.rootdse import read_root
from pwreset.reset.findings import State

# A value that is no password in quotation marks: refused in any case, but as forbidden without the right.
NO_PASSWORD = b"x"
REFUSALS = (ldap.UNWILLING_TO_PERFORM, ldap.CONSTRAINT_VIOLATION, ldap.INVALID_SYNTAX)
ALLOWED = "allowedAttributesEffective"
LOCK, LAST_SET = "lockoutTime", "pwdLastSet"
OURS = frozenset({"unicodepwd", "lockouttime", "pwdlastset"})
INDEXED = 1  # fATTINDEX in searchFlags, [MS-ADTS] 2.2.10

# The last number of a security identifier ([MS-DTYP] 2.4.2.4): of groups in a domain, and of those built in.
POWERFUL = {
    512: "Domain Admins",
    518: "Schema Admins",
    519: "Enterprise Admins",
    544: "Administrators",
    548: "Account Operators",
    549: "Server Operators",
    551: "Backup Operators",
}
ADMINISTRATOR = 500


class ActiveDirectoryInspector:
    """Active Directory and Samba."""

    people = "(&(objectCategory=person)(objectClass=user))"
    identity = "objectGUID"

    def clock(self, session: Session, wants: Wants) -> datetime | None:
        """The rootDSE tells everybody."""
        return read_time(read_root(session.connection, wants.seconds).text("currentTime"))

    def power(self, session: Session, wants: Wants) -> Power:
        """By its groups, nested ones too."""
        own = read_now(session.connection, wants.bind_dn, ("objectSid", "tokenGroups"), wants.seconds)
        if own is None or not own.raw("tokenGroups"):
            return Power(unsure="which groups it is in cannot be read")
        groups = [name for identifier in own.raw("tokenGroups") if (name := POWERFUL.get(last_number(identifier)))]
        if groups:
            return Power(excess=f"it is a member of {', '.join(dict.fromkeys(groups))}")
        if ADMINISTRATOR in map(last_number, own.raw("objectSid")):
            return Power(excess="it is the domain's Administrator")
        return Power()

    def rights(self, session: Session, dn: str, wants: Wants) -> Rights:
        """See the top of this file."""
        entry = read_now(session.connection, dn, (ALLOWED,), wants.seconds)
        allowed = [] if entry is None else entry.texts(ALLOWED)
        wanted = (*((LOCK,) if wants.unlock else ()), *((LAST_SET,) if wants.keep_must_change else ()))
        held = {name.lower() for name in allowed}
        return Rights(
            password=_may_reset(session.connection, dn, wants.seconds),
            missing=tuple(name for name in wanted if name.lower() not in held),
            beyond=tuple(name for name in allowed if name.lower() not in OURS),
            source=f"Reset Password tried with what can be no password; the rest told by {ALLOWED}",
        )

    def enforcement(self, session: Session, wants: Wants) -> Enforcement:  # noqa: ARG002 - by the rootDSE alone
        """A reset is held to length and complexity; to history and minimum age where the server can be told so."""
        if session.root.has("supportedControl", POLICY_HINTS):
            return Enforcement(State.OK, "our writes are held to the whole policy, history and minimum age included")
        return Enforcement(
            State.OK,
            "our writes are held to length and complexity; not to history and minimum age, since this server knows no"
            " policy hints control (Samba)",
        )

    def unindexed(self, session: Session, wants: Wants) -> tuple[str, ...] | None:
        """By the schema, which everybody may read."""
        where = session.root.text("schemaNamingContext")
        flags = {name: _search_flags(session.connection, where, name, wants) for name in (*wants.logins, self.identity)}
        if not where or not any(flag is not None for flag in flags.values()):
            return None
        return tuple(name for name, flag in flags.items() if flag is not None and not flag & INDEXED)


def last_number(identifier: bytes) -> int:
    """Of a security identifier: which account or group of its domain it is."""
    return int.from_bytes(identifier[-4:], "little")


def _may_reset(connection: Any, dn: str, seconds: float) -> bool:
    try:
        connection.result3(
            connection.modify_ext(dn, [(ldap.MOD_REPLACE, "unicodePwd", [NO_PASSWORD])]), timeout=seconds
        )
    except DENIALS:
        return False
    except REFUSALS:
        return True
    return True


def _search_flags(connection: Any, where: str, name: str, wants: Wants) -> int | None:
    """None for an attribute that the schema does not know, or whose flags we may not read."""
    message = connection.search_ext(where, ldap.SCOPE_ONELEVEL, f"(lDAPDisplayName={name})", ["searchFlags"])
    try:
        _, found, _, _ = connection.result3(message, timeout=wants.seconds)
    except ldap.NO_SUCH_OBJECT:
        return None
    texts = [Entry(raw).text("searchFlags") for raw in found if raw[0] is not None]
    return int(texts[0]) if texts and texts[0].lstrip("-").isdecimal() else None
