"""OpenLDAP with the ppolicy overlay: RFC 3062 and draft-behera-ldap-password-policy.

The service account must not be the database's rootdn: rootdn skips the quality check and the history, and a change by
it sets `pwdReset` where the policy says `pwdMustChange`. A delegated account is held to the policy; its change clears
`pwdReset`, failures and any lock, an administrator's too: who may not be unlocked must be refused beforehand.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import ldap
from ldap.controls.ppolicy import PasswordPolicyControl
from ldap.filter import escape_filter_chars

from pwreset import logs
from pwreset.directory.dialects import GroupFacts, LogIn, Names, NoNames, Policies, Write, behera
from pwreset.directory.dialects.ppolicy import PpolicyPolicies
from pwreset.directory.entries import LOGIN_ATTRIBUTES, Entry, read_time
from pwreset.directory.outcomes import Unwilling
from pwreset.directory.pool import Pool
from pwreset.directory.rootdse import RootDse
from pwreset.reset.model import AccountState
from pwreset.secret import Secret

ADMINISTRATIVE_LOCK = "000001010000Z"
log = logs.get("directory")


class OpenLdap:
    """The dialect of OpenLDAP."""

    name = "openldap"
    answers = 4  # the write, a second one where the first is not understood, and two steps for `must change`
    ends_old_passwords = True
    logins: tuple[str, ...] = LOGIN_ATTRIBUTES
    attributes: tuple[str, ...] = (
        "entryUUID",
        "entryCSN",
        "modifyTimestamp",
        "pwdChangedTime",
        "pwdAccountLockedTime",
        "pwdStartTime",
        "pwdEndTime",
        "pwdReset",
    )

    def identity(self, entry: Entry) -> str:
        """RFC 4530."""
        return entry.text("entryUUID")

    def identity_filter(self, identity: str) -> str:
        """RFC 4530."""
        return f"(entryUUID={escape_filter_chars(identity)})"

    def state(self, entry: Entry) -> AccountState:
        """slapo-ppolicy(5): an administrator's lock has a time of its own; an account may begin and end."""
        locked = entry.text("pwdAccountLockedTime")
        if locked == ADMINISTRATIVE_LOCK or _outside_its_time(entry):
            return AccountState.DISABLED
        return AccountState.LOCKED if locked else AccountState.ACTIVE

    def must_change(self, entry: Entry) -> bool:
        """slapo-ppolicy(5)."""
        return entry.text("pwdReset") == "TRUE"

    def is_protected(self, entry: Entry) -> bool:  # noqa: ARG002 - it has no such mark
        """See `Account.is_protected`."""
        return False

    def password_mark(self, entry: Entry) -> str:
        """Empty for a password that was never changed under a policy."""
        return entry.text("pwdChangedTime")

    def entry_mark(self, entry: Entry) -> str:
        """The change sequence number, or the time of the last change where it is not shown."""
        return entry.text("entryCSN", "modifyTimestamp")

    def write(self, connection: Any, write: Write) -> None:
        """Write the password with the ppolicy request control; see `Dialect.write`."""
        by_modify = not behera.knows_password_modify(write.root)
        # What cannot be encoded cannot be typed at a log-in either.
        new = write.password.reveal().encode()
        controls = [PasswordPolicyControl()]
        write.begun = True
        try:
            behera.send(connection, write, new, controls, by_modify=by_modify)
        except ldap.PROTOCOL_ERROR:
            # Where the rootDSE is hidden we learn only now that there is no RFC 3062; nothing was written.
            if by_modify:
                raise Unwilling("it does not understand a modification of userPassword") from None
            behera.send(connection, write, new, controls, by_modify=True)
        write.done = True
        _settle_must_change(connection, write)

    def change(self, person: Any, connection: Any, write: Write) -> None:  # noqa: ARG002 - the answer tells the rule
        """By RFC 3062; the server itself ends `must change`. See `Dialect.change`."""
        by_modify = not behera.knows_password_modify(write.root)
        behera.change(person, write, [PasswordPolicyControl()], by_modify=by_modify)

    def log_in(self, connection: Any, dn: str, password: Secret, seconds: float) -> LogIn:
        """See `Dialect.log_in`."""
        return behera.log_in(connection, dn, password, seconds)

    def policies(self, pool: Pool, base_dn: str) -> Policies:
        """slapo-ppolicy(5)."""
        return PpolicyPolicies(pool, base_dn)

    async def names(self, pool: Pool) -> Names:  # noqa: ARG002
        """See `Dialect.names`."""
        return NoNames()

    def group_facts(self, root: RootDse) -> GroupFacts:  # noqa: ARG002 - all of them do
        """The overlays refint and memberof write into groups without moving `entryCSN`."""
        return GroupFacts(mark=("entryCSN",), identity="entryUUID", asks_for_member=True, by_dn="entryDN")

    async def groups_of(self, pool: Pool, entry: Entry) -> tuple[str, ...]:  # noqa: ARG002 - slapo-memberof(5) says all
        """See `Dialect.groups_of`."""
        return tuple(entry.texts("memberOf"))


def _outside_its_time(entry: Entry) -> bool:
    start, end = read_time(entry.text("pwdStartTime")), read_time(entry.text("pwdEndTime"))
    if start is None and end is None:
        return False
    now = datetime.now(UTC)
    return (start is not None and now < start) or (end is not None and now >= end)


def _settle_must_change(connection: Any, write: Write) -> None:
    """Clear or restore `pwdReset` as the domain wants it. The password is set: what fails here is logged only."""
    try:
        message = connection.search_ext(write.dn, ldap.SCOPE_BASE, "(objectClass=*)", ["pwdReset"])
        _, found, _, _ = connection.result3(message, timeout=write.seconds)
        is_set = any(value == b"TRUE" for _, values in found for value in values.get("pwdReset", ()))
        wanted = write.keep_must_change and write.must_change
        if is_set != wanted:
            change = (ldap.MOD_REPLACE, "pwdReset", [b"TRUE"] if wanted else None)
            connection.result3(connection.modify_ext(write.dn, [change]), timeout=write.seconds)
    except ldap.LDAPError as error:
        log.warning("password set, but `must change` could not be settled", error=type(error).__name__)
