"""Any other LDAP server, such as lldap: RFC 3062 where it is advertised, else replace; nothing assumed beyond that.

Only `entryUUID` (RFC 4530) must be there. Without operational attributes that we know, everybody is active, no policy is
told, and that a password was changed elsewhere shows nowhere. Built to lldap's documents, and tried on OpenLDAP.
"""

from __future__ import annotations

from typing import Any

import ldap
from ldap.controls.ppolicy import PasswordPolicyControl
from ldap.filter import escape_filter_chars

from pwreset.directory.dialects import GroupFacts, LogIn, Names, NoNames, Policies, Write, behera
from pwreset.directory.entries import LOGIN_ATTRIBUTES, Entry
from pwreset.directory.outcomes import Unwilling
from pwreset.directory.pool import Pool
from pwreset.directory.rootdse import RootDse
from pwreset.reset.model import AccountState
from pwreset.reset.policy import Rule
from pwreset.secret import Secret

# lldap's answers to a DN that is not one of its people, and to a log-in without a password.
NOT_RIGHT = (*behera.NOT_RIGHT, ldap.NAMING_VIOLATION)


class Generic:
    """The dialect of servers that we do not know."""

    name = "generic"
    answers = 2
    ends_old_passwords = True
    logins: tuple[str, ...] = LOGIN_ATTRIBUTES
    attributes: tuple[str, ...] = ("entryUUID", "modifyTimestamp")

    def identity(self, entry: Entry) -> str:
        """RFC 4530."""
        return entry.text("entryUUID")

    def identity_filter(self, identity: str) -> str:
        """RFC 4530."""
        return f"(entryUUID={escape_filter_chars(identity)})"

    def state(self, entry: Entry) -> AccountState:  # noqa: ARG002 - nobody tells
        """What a server makes of a locked or disabled account shows at the log-in only."""
        return AccountState.ACTIVE

    def must_change(self, entry: Entry) -> bool:  # noqa: ARG002
        """See `Account.must_change`."""
        return False

    def is_protected(self, entry: Entry) -> bool:  # noqa: ARG002
        """See `Account.is_protected`."""
        return False

    def password_mark(self, entry: Entry) -> str:  # noqa: ARG002
        """No attribute for it is standardized."""
        return ""

    def entry_mark(self, entry: Entry) -> str:
        """RFC 4512, 3.4.3; in whole seconds."""
        return entry.text("modifyTimestamp")

    def write(self, connection: Any, write: Write) -> None:
        """See `Dialect.write`."""
        new = write.password.reveal().encode()
        controls = _policy_control(write.root)
        write.begun = True
        try:
            behera.send(connection, write, new, controls, by_modify=not behera.knows_password_modify(write.root))
        except ldap.PROTOCOL_ERROR:
            raise Unwilling(behera.NO_WAY) from None
        write.done = True

    def change(self, person: Any, connection: Any, write: Write) -> None:  # noqa: ARG002
        """As `write`, with the present password where RFC 3062 has a place for it."""
        by_modify = not behera.knows_password_modify(write.root)
        behera.change(person, write, _policy_control(write.root), by_modify=by_modify)

    def log_in(self, connection: Any, dn: str, password: Secret, seconds: float) -> LogIn:
        """See `Dialect.log_in`. That a password has expired is not told apart."""
        try:
            connection.result3(connection.simple_bind(dn, password.reveal()), timeout=seconds)
        except NOT_RIGHT:
            return LogIn.WRONG
        except (UnicodeError, ValueError):  # lone surrogates, NUL
            return LogIn.WRONG
        return LogIn.LET_IN

    def policies(self, pool: Pool, base_dn: str) -> Policies:  # noqa: ARG002
        """None that we could read."""
        return NoPolicies()

    async def names(self, pool: Pool) -> Names:  # noqa: ARG002
        """See `Dialect.names`."""
        return NoNames()

    def group_facts(self, root: RootDse) -> GroupFacts:  # noqa: ARG002
        """A time in whole seconds is no mark: two modifications may share it."""
        return GroupFacts()

    async def groups_of(self, pool: Pool, entry: Entry) -> tuple[str, ...]:  # noqa: ARG002
        """See `Dialect.groups_of`."""
        return tuple(entry.texts("memberOf"))


class NoPolicies:
    """Tells nothing; see `dialects.Policies`."""

    async def rules(self, dn: str) -> tuple[Rule, ...]:  # noqa: ARG002
        """See `dialects.Policies.rules`."""
        return ()

    async def lock_is_over(self, entry: Entry) -> bool:  # noqa: ARG002
        """See `dialects.Policies.lock_is_over`."""
        return False


def _policy_control(root: RootDse) -> list[Any]:
    """Asked for only where it is known: there are servers that hang up on a control they do not know."""
    control = PasswordPolicyControl()
    return [control] if root.has("supportedControl", control.controlType) else []
