"""FreeIPA: a password set by another arrives expired and unchecked, so the person sets it, in two steps.

First our service account sets a random password that nobody is told; then, on a connection of its own, the person logs in
with that one and changes it to the wanted one (RFC 3062 with the old password). So the policy holds, and what comes out is
not expired. What certainly breaks the policy is refused before the first step. A refusal in the second step leaves the
person with the random password, which nobody knows: the old one is over, and the link goes on, since `krbLastPwdChange`,
which it is bound to, is set back. After a crash between the two steps the link is over too, and another must be asked for.

Built to FreeIPA's documents and tried on a server of the tests that behaves as they say, never on a real one.
"""

from __future__ import annotations

import secrets
import string
from datetime import UTC, datetime
from typing import Any

import ldap
from ldap.controls.ppolicy import PasswordPolicyControl
from ldap.filter import escape_filter_chars

from pwreset import logs
from pwreset.directory.connection import Trouble, close
from pwreset.directory.dialects import GroupFacts, LogIn, Names, NoNames, Policies, Write, behera
from pwreset.directory.dialects.dirsrv import usn_facts
from pwreset.directory.dialects.freeipa_policy import (
    ATTRIBUTES,
    GLOBAL_POLICY,
    POLICY_OF_PERSON,
    IpaPolicy,
    has_ended,
    kerberos_container,
    may_be_locked,
)
from pwreset.directory.entries import LOGIN_ATTRIBUTES, Entry
from pwreset.directory.outcomes import Busy, Denied, Lost, Raced, ReadOnly, Refused, Unwilling
from pwreset.directory.pool import Pool
from pwreset.directory.reading import first_below, first_below_now, read, read_now
from pwreset.directory.rootdse import RootDse
from pwreset.reset.model import AccountState
from pwreset.reset.policy import Rule
from pwreset.secret import Secret

RANDOM_LENGTH = 40
# Whatever the policy asks of random passwords, these four kinds are in it.
KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.+")
CHANGED = "krbLastPwdChange"
NOT_AS_PERSON = "it does not let people log in with a password just set; their accounts want more than a password"

log = logs.get("directory")


class FreeIpa:
    """The dialect of FreeIPA and Red Hat Identity Management."""

    name = "freeipa"
    answers = 8
    ends_old_passwords = True
    logins: tuple[str, ...] = LOGIN_ATTRIBUTES
    attributes: tuple[str, ...] = (
        "ipaUniqueID",
        "entryusn",
        "modifyTimestamp",
        "nsAccountLock",
        "krbPrincipalExpiration",
        "krbPasswordExpiration",
        CHANGED,
        "krbLoginFailedCount",
        "krbLastFailedAuth",
        "krbLastAdminUnlock",
    )

    def identity(self, entry: Entry) -> str:
        """Given once, and the same on all replicas."""
        return entry.text("ipaUniqueID")

    def identity_filter(self, identity: str) -> str:
        """The same."""
        return f"(ipaUniqueID={escape_filter_chars(identity)})"

    def state(self, entry: Entry) -> AccountState:
        """Disabled or over; or perhaps locked, which the policy tells. Failures are counted on each server by itself."""
        if entry.text("nsAccountLock").upper() == "TRUE" or has_ended(entry.text("krbPrincipalExpiration")):
            return AccountState.DISABLED
        return AccountState.LOCKED if may_be_locked(entry) else AccountState.ACTIVE

    def must_change(self, entry: Entry) -> bool:
        """A password set by another expires at the moment it is set; one that was the person's own, later."""
        expires, changed = entry.text("krbPasswordExpiration"), entry.text(CHANGED)
        return bool(expires) and expires <= changed

    def is_protected(self, entry: Entry) -> bool:  # noqa: ARG002 - the group `admins` is listed in `protected`
        """See `Account.is_protected`."""
        return False

    def password_mark(self, entry: Entry) -> str:
        """Changes with the first of the two steps already."""
        return entry.text(CHANGED)

    def entry_mark(self, entry: Entry) -> str:
        """The USN plug-in is always on."""
        return entry.text("entryusn", "modifyTimestamp")

    def write(self, connection: Any, write: Write) -> None:
        """The two steps; see `Dialect.write`."""
        new = write.password.reveal()
        new.encode()  # what cannot be encoded cannot be typed at a log-in either
        before = _look_before(connection, write, new)
        person = _open(write)
        try:
            stopgap = _random_password()
            write.begun = True
            behera.send(connection, write, stopgap.encode(), [PasswordPolicyControl()], by_modify=False)
            try:
                _change_as_person(person, write, stopgap, new)
            except (Refused, Denied, Unwilling):
                _set_back(connection, write, before)
                raise
            write.done = True
        except ldap.PROTOCOL_ERROR:
            raise Unwilling("it does not understand RFC 3062") from None
        finally:
            close(person)
        if write.must_change and write.keep_must_change:
            _set_time(connection, write, "krbPasswordExpiration", f"{datetime.now(UTC):%Y%m%d%H%M%SZ}")

    def change(self, person: Any, connection: Any, write: Write) -> None:  # noqa: ARG002 - the answer tells the rule
        """One step: what the person changes himself is held to the policy and not expired; see `Dialect.change`."""
        behera.change(person, write, [PasswordPolicyControl()], by_modify=False)

    def log_in(self, connection: Any, dn: str, password: Secret, seconds: float) -> LogIn:
        """See `Dialect.log_in`. Whether an expired password still logs in is the policy's grace."""
        found = behera.log_in(connection, dn, password, seconds)
        if found is not LogIn.LET_IN:
            return found
        entry = read_now(connection, dn, ("krbPasswordExpiration",), seconds)
        overdue = entry is not None and has_ended(entry.text("krbPasswordExpiration"))
        return LogIn.MUST_CHANGE if overdue else LogIn.LET_IN

    def policies(self, pool: Pool, base_dn: str) -> Policies:
        """By group, or the global one."""
        return IpaPolicies(pool, base_dn)

    async def names(self, pool: Pool) -> Names:  # noqa: ARG002
        """See `Dialect.names`."""
        return NoNames()

    def group_facts(self, root: RootDse) -> GroupFacts:
        """See `usn_facts`."""
        return usn_facts(root)

    async def groups_of(self, pool: Pool, entry: Entry) -> tuple[str, ...]:  # noqa: ARG002 - indirect ones are there too
        """See `Dialect.groups_of`."""
        return tuple(entry.texts("memberOf"))


class IpaPolicies:
    """Reads the policy that holds for a person; see `dialects.Policies`."""

    def __init__(self, pool: Pool, base_dn: str) -> None:
        self._pool = pool
        self._base_dn = base_dn

    async def rules(self, dn: str) -> tuple[Rule, ...]:
        """See `dialects.Policies.rules`."""
        policy = await self._policy_of(dn)
        return () if policy is None else policy.rules()

    async def lock_is_over(self, entry: Entry) -> bool:
        """See `dialects.Policies.lock_is_over`. Where the policy cannot be read, the preset one is taken."""
        policy = await self._policy_of(entry.dn) or IpaPolicy(Entry(("", {})))
        return policy.lock_is_over(entry, datetime.now(UTC))

    async def _policy_of(self, dn: str) -> IpaPolicy | None:
        person = await read(self._pool, dn, (POLICY_OF_PERSON,))
        named = person.text(POLICY_OF_PERSON) if person is not None else ""
        if named:
            return _policy_in(await read(self._pool, named, ATTRIBUTES))
        container = kerberos_container(await self._pool.root(), self._base_dn)
        return _policy_in(await first_below(self._pool, container, GLOBAL_POLICY, ATTRIBUTES))


def _policy_in(entry: Entry | None) -> IpaPolicy | None:
    """The policy in an entry; None where it may not be read."""
    return None if entry is None or not entry.text("krbPwdMinLength", "krbPwdMaxFailure") else IpaPolicy(entry)


def _look_before(connection: Any, write: Write, new: str) -> str:
    """When the password was changed last. Raises Refused for what is surely broken, Busy; nothing is written."""
    try:
        person = read_now(connection, write.dn, (POLICY_OF_PERSON, CHANGED), write.seconds) or Entry((write.dn, {}))
        policy = _policy_now(connection, person, write)
    except ldap.LDAPError as error:
        raise Busy from error
    broken = None if policy is None else policy.surely_broken(new)
    if broken is not None:
        raise Refused(broken)
    return person.text(CHANGED)


def _policy_now(connection: Any, person: Entry, write: Write) -> IpaPolicy | None:
    if named := person.text(POLICY_OF_PERSON):
        return _policy_in(read_now(connection, named, ATTRIBUTES, write.seconds))
    container = kerberos_container(write.root, write.dn)
    return _policy_in(first_below_now(connection, container, GLOBAL_POLICY, ATTRIBUTES, write.seconds))


def _open(write: Write) -> Any:
    """The person's connection, opened before anything is written. Raises Busy."""
    try:
        return write.another()
    except Trouble as trouble:
        raise Busy from trouble


def _change_as_person(person: Any, write: Write, old: str, new: str) -> None:
    """The second step. The policy refuses by code (draft-behera-ldap-password-policy-10, 6.2)."""
    try:
        person.result3(person.simple_bind(write.dn, old), timeout=write.seconds)
    except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT) as error:
        raise Lost from error
    except ldap.LDAPError as error:
        raise Unwilling(NOT_AS_PERSON) from error
    try:
        message = person.passwd(write.dn, old, new.encode(), [PasswordPolicyControl()])
        person.result3(message, timeout=write.seconds)
    except ldap.LDAPError as error:
        raise _after_the_first_step(behera.meaning(error)) from error


def _after_the_first_step(outcome: Exception) -> Exception:
    """The random password has been written: nothing may be repeated, tried elsewhere, or taken for untouched."""
    if isinstance(outcome, ReadOnly):
        return Unwilling(str(outcome))
    return Lost() if isinstance(outcome, (Raced, Busy)) else outcome


def _set_back(connection: Any, write: Write, before: str) -> None:
    """The link is bound to this time: with that of the random password it would be over."""
    if before:
        _set_time(connection, write, CHANGED, before)


def _set_time(connection: Any, write: Write, attribute: str, when: str) -> None:
    """Write a time beside the password. What fails here is logged only: what matters has been written."""
    try:
        message = connection.modify_ext(write.dn, [(ldap.MOD_REPLACE, attribute, [when.encode()])])
        connection.result3(message, timeout=write.seconds)
    except ldap.LDAPError as error:
        log.warning("password set, but a time beside it could not be", attribute=attribute, error=type(error).__name__)


def _random_password() -> str:
    """One that every policy takes and nobody can guess."""
    letters = [secrets.choice(kind) for kind in KINDS]
    letters += [secrets.choice("".join(KINDS)) for _ in range(RANDOM_LENGTH - len(letters))]
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)
