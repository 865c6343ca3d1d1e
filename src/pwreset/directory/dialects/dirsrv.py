"""389 Directory Server (and Red Hat's): replace of `userPassword`, its own states, its policies in entries.

Its password modify operation (RFC 3062) hides why it refuses, a modification says it by code. A delegated change is held
to the policy. What a change means for the other attributes (it ends `must change` and a lock after failed log-ins, it has
a time) the server writes only after it has answered.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import ldap
from ldap.controls.ppolicy import PasswordPolicyControl
from ldap.filter import escape_filter_chars

from pwreset import logs
from pwreset.directory.dialects import GroupFacts, LogIn, Names, NoNames, Policies, Write, behera
from pwreset.directory.dialects.dirsrv_policy import FOREVER, DirsrvPolicies, read_for_judging
from pwreset.directory.entries import LOGIN_ATTRIBUTES, Entry, read_time
from pwreset.directory.outcomes import Refused, meaning_of_code
from pwreset.directory.pool import Pool
from pwreset.directory.rootdse import RootDse
from pwreset.reset.model import AccountState
from pwreset.reset.policy import RuleCode
from pwreset.secret import Secret

MUST_CHANGE = "19700101000000Z"  # as passwordExpirationTime
LOCK = ("accountUnlockTime", "passwordRetryCount", "retryCountResetTime")
QUALITY, TOO_YOUNG, HISTORY = 5, 7, 8  # draft-behera-ldap-password-policy-10, 6.2
SETTLE_SECONDS = 2.0
SETTLE_POLL = 0.02
# With several under way on one connection, it leaves the connection alone for up to a quarter of a second now and then.
AT_ONCE = 1

log = logs.get("directory")


class Dirsrv:
    """The dialect of 389 Directory Server."""

    name = "389-ds"
    answers = 6  # the write, then what it broke; or `must change`
    ends_old_passwords = True
    logins: tuple[str, ...] = LOGIN_ATTRIBUTES
    attributes: tuple[str, ...] = (
        "nsUniqueId",
        "entryusn",
        "modifyTimestamp",
        "pwdUpdateTime",
        "accountUnlockTime",
        "passwordRetryCount",
        "passwordExpirationTime",
        "nsAccountLock",
    )

    def identity(self, entry: Entry) -> str:
        """It has no entryUUID by default. This one stays through renaming and moving, and on all replicas."""
        return entry.text("nsUniqueId")

    def identity_filter(self, identity: str) -> str:
        """The same."""
        return f"(nsUniqueId={escape_filter_chars(identity)})"

    def state(self, entry: Entry) -> AccountState:
        """`nsAccountLock` is an administrator's, be it written here or given by a role.

        The time of a lock stays in the entry when the lock is over; then there are no failures any more, or fewer.
        """
        if entry.text("nsAccountLock").lower() == "true":
            return AccountState.DISABLED
        until = entry.text("accountUnlockTime")
        if not until or entry.text("passwordRetryCount") == "0":
            return AccountState.ACTIVE
        ends = read_time(until)
        over = until != FOREVER and ends is not None and ends <= datetime.now(UTC)
        return AccountState.ACTIVE if over else AccountState.LOCKED

    def must_change(self, entry: Entry) -> bool:
        """A password that has expired at the beginning of time."""
        return entry.text("passwordExpirationTime") == MUST_CHANGE

    def is_protected(self, entry: Entry) -> bool:  # noqa: ARG002 - it has no such mark
        """See `Account.is_protected`."""
        return False

    def password_mark(self, entry: Entry) -> str:
        """Kept only where the policy says passwordTrackUpdateTime."""
        return entry.text("pwdUpdateTime")

    def entry_mark(self, entry: Entry) -> str:
        """The USN plug-in counts, where it is on; the time has whole seconds."""
        return entry.text("entryusn", "modifyTimestamp")

    def write(self, connection: Any, write: Write) -> None:
        """One modification, which lifts a lock too; see `Dialect.write`."""
        # What cannot be encoded cannot be typed at a log-in either.
        changes: list[tuple[int, str, list[bytes] | None]] = [
            (ldap.MOD_REPLACE, "userPassword", [write.password.reveal().encode()])
        ]
        if write.was_locked:
            changes += [(ldap.MOD_REPLACE, name, None) for name in LOCK]
        write.begun = True
        try:
            message = connection.modify_ext(write.dn, changes, [PasswordPolicyControl()])
            connection.result3(message, timeout=write.seconds)
        except ldap.LDAPError as error:
            raise _meaning(error, connection, write) from error
        write.done = True
        if write.must_change:
            _settle_must_change(connection, write)

    def change(self, person: Any, connection: Any, write: Write) -> None:
        """One modification, which the server takes under `must change` too, and ends that; see `Dialect.change`."""
        changes = [(ldap.MOD_REPLACE, "userPassword", [write.password.reveal().encode()])]
        write.begun = True
        try:
            message = person.modify_ext(write.dn, changes, [PasswordPolicyControl()])
            person.result3(message, timeout=write.seconds)
        except ldap.UNWILLING_TO_PERFORM as error:
            # Whoever may not change his password gets the answer, policy code and all, of a server that only reads.
            raise _why_unwilling(error, connection, write) from error
        except ldap.LDAPError as error:
            raise _meaning(error, connection, write) from error
        write.done = True

    def log_in(self, connection: Any, dn: str, password: Secret, seconds: float) -> LogIn:
        """See `Dialect.log_in`."""
        return behera.log_in(connection, dn, password, seconds)

    def policies(self, pool: Pool, base_dn: str) -> Policies:  # noqa: ARG002 - they are named by the person's entry
        """Local and global ones."""
        return DirsrvPolicies(pool)

    async def names(self, pool: Pool) -> Names:  # noqa: ARG002
        """See `Dialect.names`."""
        return NoNames()

    def group_facts(self, root: RootDse) -> GroupFacts:
        """See `usn_facts`."""
        return usn_facts(root)

    async def groups_of(self, pool: Pool, entry: Entry) -> tuple[str, ...]:  # noqa: ARG002 - the MemberOf plug-in says all
        """See `Dialect.groups_of`."""
        return tuple(entry.texts("memberOf"))


def usn_facts(root: RootDse) -> GroupFacts:
    """The USN plug-in's number moves with every write, the server's own ones too.

    Where it is switched off, old numbers stay in the entries and move no more; then the rootDSE does not tell the last.
    """
    if not root.tells("lastusn"):
        return GroupFacts(by_dn="entrydn", at_once=AT_ONCE)
    return GroupFacts(mark=("entryusn", "modifyTimestamp"), identity="nsUniqueId", by_dn="entrydn", at_once=AT_ONCE)


def _meaning(error: ldap.LDAPError, connection: Any, write: Write) -> Exception:
    """What a refused write means, by result code first: a missing right and a read-only server have a policy code too."""
    if not isinstance(error, ldap.CONSTRAINT_VIOLATION):
        return meaning_of_code(error)
    broken = behera.policy_error(error)
    if broken == TOO_YOUNG:
        return Refused(RuleCode.TOO_YOUNG)
    # The present password is refused as one of the history, but without a code.
    if broken in (HISTORY, None):
        return Refused(RuleCode.HISTORY)
    return Refused(_broken_rule(connection, write))


def _why_unwilling(error: ldap.LDAPError, connection: Any, write: Write) -> Exception:
    try:
        policy, _ = read_for_judging(connection, write.dn, write.seconds)
    except ldap.LDAPError:
        policy = None
    if policy is None or policy.allows_own_change:
        return meaning_of_code(error)
    return Refused(RuleCode.NOT_ALLOWED)


def _broken_rule(connection: Any, write: Write) -> RuleCode:
    """All rules of the syntax check have one code; the policy tells which one it was."""
    try:
        policy, person = read_for_judging(connection, write.dn, write.seconds)
    except ldap.LDAPError:
        return RuleCode.QUALITY
    return RuleCode.QUALITY if policy is None else policy.broken_by(write.password.reveal(), person)


def _settle_must_change(connection: Any, write: Write) -> None:
    """See that `must change` ends, or is kept, as the domain wants it. The password is set: failures are logged only.

    The server ends it by itself, soon after its answer: what we write before that would be overwritten.
    """
    try:
        if _has_ended(connection, write) == write.keep_must_change:
            value = [MUST_CHANGE.encode()] if write.keep_must_change else None
            message = connection.modify_ext(write.dn, [(ldap.MOD_REPLACE, "passwordExpirationTime", value)])
            connection.result3(message, timeout=write.seconds)
    except ldap.LDAPError as error:
        log.warning("password set, but `must change` could not be settled", error=type(error).__name__)


def _has_ended(connection: Any, write: Write) -> bool:
    """Wait a little until `must change` is over, and say whether it is."""
    until = time.monotonic() + min(SETTLE_SECONDS, write.seconds)
    while _must_change(connection, write):
        if time.monotonic() >= until:
            return False
        time.sleep(SETTLE_POLL)
    return True


def _must_change(connection: Any, write: Write) -> bool:
    message = connection.search_ext(write.dn, ldap.SCOPE_BASE, "(objectClass=*)", ["passwordExpirationTime"])
    _, found, _, _ = connection.result3(message, timeout=write.seconds)
    return any(
        value == MUST_CHANGE.encode() for _, values in found for value in values.get("passwordExpirationTime", ())
    )
