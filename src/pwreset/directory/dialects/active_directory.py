"""Active Directory and Samba: `unicodePwd`, account states, memberships with nested and primary groups.

A reset by a service account ignores history and minimum age, unless the domain controller knows the policy hints
control; Samba 4.17 does not. A reset does not unlock: `lockoutTime` is set to 0 in the same modification. The old
password still binds for an hour on both (Windows: for log-ins that are not Kerberos).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import ldap
from ldap.controls import RequestControl

from pwreset.directory.dialects import GroupFacts, LogIn, Names, Policies, Write
from pwreset.directory.dialects.ad_names import LOGIN, PRINCIPAL, names_of
from pwreset.directory.dialects.ad_policy import AdPolicies, read_for_judging
from pwreset.directory.dialects.ad_values import (
    PASSWORD_EXPIRED,
    PASSWORD_MUST_CHANGE,
    PASSWORD_RESTRICTION,
    WRONG_PASSWORD,
    error_code,
    log_in_code,
    octets,
    read_ticks,
    written_password,
)
from pwreset.directory.entries import Entry
from pwreset.directory.outcomes import NotRight, ReadOnly, Refused, meaning_of_code
from pwreset.directory.pool import Pool
from pwreset.directory.rootdse import RootDse
from pwreset.directory.servers import PARTIAL_SECRETS
from pwreset.reset.model import AccountState
from pwreset.reset.policy import RuleCode
from pwreset.secret import Secret

# userAccountControl, and what is computed for it ([MS-ADTS] 2.2.16, 3.1.1.4.5.17).
ACCOUNT_DISABLED = 0x2
LOCKED_OUT = 0x10
PASSWORD_NEVER_EXPIRES = 0x10000

# LDAP_SERVER_POLICY_HINTS_OID and its deprecated number ([MS-ADTS] 3.1.1.3.4.1.27): the policy holds for resets too.
POLICY_HINTS = ("1.2.840.113556.1.4.2239", "1.2.840.113556.1.4.2066")
ENFORCE_POLICY = b"\x30\x03\x02\x01\x01"  # SEQUENCE { INTEGER 1 }

GROUPS_AT_ONCE = 100
NOBODY = "(!(objectClass=*))"
READ_ONLY = "it is a read-only domain controller"

NOT_RIGHT = (ldap.INVALID_CREDENTIALS, ldap.INAPPROPRIATE_AUTH, ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX)


class ActiveDirectory:
    """The dialect of Active Directory and of Samba."""

    name = "active-directory"
    answers = 4  # the write, and three for what it broke
    ends_old_passwords = False
    # Its schema has `uid` too, but no index for it: each search would read the whole domain.
    logins: tuple[str, ...] = (LOGIN, PRINCIPAL)
    attributes: tuple[str, ...] = (
        "objectGUID",
        "userAccountControl",
        "msDS-User-Account-Control-Computed",
        "accountExpires",
        "lockoutTime",
        "pwdLastSet",
        "msDS-KeyVersionNumber",
        "uSNChanged",
        "whenChanged",
        "adminCount",
    )

    def identity(self, entry: Entry) -> str:
        """[MS-ADTS] 2.2.25: the first three fields have their little end first."""
        values = entry.raw("objectGUID")
        return str(UUID(bytes_le=values[0])) if values else ""

    def identity_filter(self, identity: str) -> str:
        """The same, as bytes."""
        try:
            return f"(objectGUID={octets(UUID(identity).bytes_le)})"
        except ValueError:
            return NOBODY

    def state(self, entry: Entry) -> AccountState:
        """An account that has expired is as good as disabled; whether a lock still holds the server computes."""
        expires = read_ticks(entry.text("accountExpires"))
        if _number(entry, "userAccountControl") & ACCOUNT_DISABLED or (expires and expires <= datetime.now(UTC)):
            return AccountState.DISABLED
        if entry.text("msDS-User-Account-Control-Computed"):
            locked = bool(_number(entry, "msDS-User-Account-Control-Computed") & LOCKED_OUT)
        else:
            locked = read_ticks(entry.text("lockoutTime")) is not None
        return AccountState.LOCKED if locked else AccountState.ACTIVE

    def must_change(self, entry: Entry) -> bool:
        """Time 0, unless the password never expires."""
        never = _number(entry, "userAccountControl") & PASSWORD_NEVER_EXPIRES
        return entry.text("pwdLastSet") == "0" and not never

    def is_protected(self, entry: Entry) -> bool:
        """Whom AdminSDHolder guards, or once did: administrators of any kind."""
        return entry.text("adminCount") == "1"

    def password_mark(self, entry: Entry) -> str:
        """The same on all domain controllers. While a password must be changed its time is 0, but its number counts on."""
        since = entry.text("pwdLastSet")
        return f"0/{entry.text('msDS-KeyVersionNumber')}" if since == "0" else since

    def entry_mark(self, entry: Entry) -> str:
        """Each domain controller counts by itself: a mark of another one differs, which errs on the safe side."""
        return entry.text("uSNChanged", "whenChanged")

    def write(self, connection: Any, write: Write) -> None:
        """One modification; see `Dialect.write`."""
        if write.root.has("supportedCapabilities", PARTIAL_SECRETS):
            raise ReadOnly(READ_ONLY)
        hints = next((one for one in POLICY_HINTS if write.root.has("supportedControl", one)), None)
        controls = [RequestControl(hints, True, ENFORCE_POLICY)] if hints else []  # noqa: FBT003 - its own signature
        changes = [(ldap.MOD_REPLACE, "unicodePwd", [written_password(write.password.reveal())])]
        if write.was_locked:
            changes.append((ldap.MOD_REPLACE, "lockoutTime", [b"0"]))
        if write.must_change and write.keep_must_change:
            changes.append((ldap.MOD_REPLACE, "pwdLastSet", [b"0"]))
        write.begun = True
        try:
            connection.result3(connection.modify_ext(write.dn, changes, controls), timeout=write.seconds)
        except ldap.LDAPError as error:
            raise _meaning(error, connection, write, held_to_age=hints is not None) from error
        write.done = True

    def change(self, person: Any, connection: Any, write: Write) -> None:
        """The present value is deleted and a new one added, in one modification ([MS-ADTS] 3.1.1.3.1.5.1).

        So the domain controller tells a change from a reset, and holds it to history and minimum age.
        """
        if write.root.has("supportedCapabilities", PARTIAL_SECRETS):
            raise ReadOnly(READ_ONLY)
        old = "" if write.old is None else write.old.reveal()
        changes = [
            (ldap.MOD_DELETE, "unicodePwd", [written_password(old)]),
            (ldap.MOD_ADD, "unicodePwd", [written_password(write.password.reveal())]),
        ]
        write.begun = True
        try:
            person.result3(person.modify_ext(write.dn, changes), timeout=write.seconds)
        except ldap.LDAPError as error:
            # A password replaced within the last hour may still log in, and is not the present one.
            if error_code(error) == WRONG_PASSWORD:
                raise NotRight from error
            # Samba's own word for "this user cannot change his password": no code at all. Windows denies the access.
            if isinstance(error, ldap.CONSTRAINT_VIOLATION) and error_code(error) is None:
                raise Refused(RuleCode.NOT_ALLOWED) from error
            raise _meaning(error, connection, write, held_to_age=True) from error
        write.done = True

    def log_in(self, connection: Any, dn: str, password: Secret, seconds: float) -> LogIn:
        """See `Dialect.log_in`. The codes come with the right password only."""
        try:
            connection.result3(connection.simple_bind(dn, password.reveal()), timeout=seconds)
        except NOT_RIGHT as error:
            overdue = log_in_code(error) in (PASSWORD_EXPIRED, PASSWORD_MUST_CHANGE)
            return LogIn.SHUT_OUT if overdue else LogIn.WRONG
        except (UnicodeError, ValueError):  # lone surrogates, NUL
            return LogIn.WRONG
        return LogIn.LET_IN

    def policies(self, pool: Pool, base_dn: str) -> Policies:  # noqa: ARG002 - the domain is known by the rootDSE
        """The resultant PSO, else the domain's policy."""
        return AdPolicies(pool)

    async def names(self, pool: Pool) -> Names:
        """NetBIOS and DNS name."""
        return await names_of(pool)

    def group_facts(self, root: RootDse) -> GroupFacts:  # noqa: ARG002 - all of them do
        """A member's new name or end does not move `uSNChanged`, but the person's entry tells the same: see `groups_of`.

        Each domain controller counts by itself; its time stands beside the count, for where somebody in between leads
        one connection to several.
        """
        return GroupFacts(mark=("uSNChanged", "whenChanged"), identity="objectGUID", by_dn="distinguishedName")

    async def groups_of(self, pool: Pool, entry: Entry) -> tuple[str, ...]:
        """By tokenGroups, which knows nested and primary groups of the domain; with what the entry says itself."""
        told = tuple(entry.texts("memberOf"))
        try:
            found = await pool.search(entry.dn, ldap.SCOPE_BASE, "(objectClass=*)", ("tokenGroups",))
        except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
            return told
        identifiers = Entry(found[0]).raw("tokenGroups") if found else []
        if not identifiers:
            return told
        top = (await pool.root()).text("defaultNamingContext")
        names = list(told)
        # A domain controller answers with 1,000 entries at most, and refuses filters that are too long.
        for start in range(0, len(identifiers), GROUPS_AT_ONCE):
            some = identifiers[start : start + GROUPS_AT_ONCE]
            wanted = "".join(f"(objectSid={octets(identifier)})" for identifier in some)
            names += [dn for dn, _ in await pool.search(top, ldap.SCOPE_SUBTREE, f"(|{wanted})", ("1.1",))]
        return tuple(dict.fromkeys(names))


def _meaning(error: ldap.LDAPError, connection: Any, write: Write, *, held_to_age: bool) -> Exception:
    """What a refused write means, by Active Directory's code and by result code."""
    if error_code(error) == PASSWORD_RESTRICTION:
        return Refused(_broken_rule(connection, write, held_to_age=held_to_age))
    return meaning_of_code(error)


def _broken_rule(connection: Any, write: Write, *, held_to_age: bool) -> RuleCode:
    """All rules have one code in Active Directory; the policy tells which one it was."""
    top = write.root.text("defaultNamingContext")
    try:
        policy, person = read_for_judging(connection, write.dn, top, write.seconds)
    except ldap.LDAPError:
        return RuleCode.QUALITY
    if policy is None:
        return RuleCode.QUALITY
    is_change = write.old is not None
    return policy.broken_by(write.password.reveal(), person, held_to_age=held_to_age, is_change=is_change)


def _number(entry: Entry, attribute: str) -> int:
    text = entry.text(attribute)
    return int(text) if text.lstrip("-").isdecimal() else 0
