"""How each kind of directory says who somebody is, and wants a password written: by code, never by text.

choose          which one a server speaks, by its rootDSE
openldap        OpenLDAP with the ppolicy overlay
active_directory  Active Directory and Samba
  ad_names, ad_policy, ad_values  its names of a domain, its password rules, its spellings
dirsrv          389 Directory Server, Red Hat Directory Server
freeipa         FreeIPA: the two steps that keep its policy
generic         any other server
behera          what answers mean where a server speaks draft-behera-ldap-password-policy
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from pwreset.directory.connection import Kind, Trouble
from pwreset.directory.entries import Account, Entry
from pwreset.directory.rootdse import RootDse
from pwreset.reset.policy import Rule
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.directory.pool import Pool


def _no_other() -> Any:
    raise Trouble(Kind.STUCK)


class LogIn(Enum):
    """What a log-in with a password comes to."""

    WRONG = "wrong"  # or locked, and the directory does not tell
    LET_IN = "let-in"
    MUST_CHANGE = "must-change"  # let in, for a change of the password and nothing else
    SHUT_OUT = "shut-out"  # right, but expired: the directory says so and lets nobody in

    @property
    def outcome(self) -> BindOutcome:
        """What that says of the password."""
        if self is LogIn.WRONG:
            return BindOutcome.WRONG
        return BindOutcome.RIGHT if self is LogIn.LET_IN else BindOutcome.EXPIRED


@dataclass(slots=True)
class Write:
    """One write of a password and how far it has come; read by the caller when the thread does not come back.

    `old` is the present password, where the person gave it: then it is a change, and no reset. `was_locked` and `must_change` are what the entry said just before; `root` is of the server that is written to;
    `another` opens a further connection to it, not logged in, which the caller closes. Raises connection.Trouble.
    """

    dn: str
    password: Secret
    was_locked: bool
    must_change: bool
    keep_must_change: bool
    seconds: float
    old: Secret | None = None
    another: Callable[[], Any] = _no_other
    root: RootDse = field(default_factory=RootDse)
    begun: bool = False
    done: bool = False


class Policies(Protocol):
    """The directory's own password rules, as far as our service account can read them. All may raise Unavailable."""

    async def rules(self, dn: str) -> tuple[Rule, ...]:
        """The rules that hold for the person of this DN; none where the policy cannot be read or is not certain."""
        ...

    async def lock_is_over(self, entry: Entry) -> bool:
        """Whether a lock after failed log-ins that the entry still shows has ended by itself."""
        ...


class Names(Protocol):
    """What the directory itself calls the domain in log-ins, beside the login attributes."""

    def hold(self, name: str) -> bool:
        """Whether the domain goes by this name, before a backslash or behind an at sign."""
        ...

    def filter_of(self, login: str, plain: str) -> str:
        """The filter for a login with such a name in it; for any other `plain`, which asks the login attributes."""
        ...


class NoNames:
    """Of a directory that knows its people by the login attributes alone."""

    def hold(self, name: str) -> bool:  # noqa: ARG002
        """See `Names.hold`."""
        return False

    def filter_of(self, login: str, plain: str) -> str:  # noqa: ARG002
        """See `Names.filter_of`."""
        return plain


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """How this server's groups tell that they are as they were, without telling their members.

    `mark` are attributes that change together with any modification by a client, the first of them always; none: nothing
    tells it. `identity` differs between an entry and a later one of the same name. `asks_for_member` says that what the
    server itself writes into a group leaves the mark as it was, and that finding a value of thousands is cheap. `by_dn`
    is an attribute by which the server finds entries by their DN without an index; empty: none is known. So many
    searches `at_once` on one connection are worked on without a pause.
    """

    mark: tuple[str, ...] = ()
    identity: str = ""
    asks_for_member: bool = False
    by_dn: str = ""
    at_once: int = 64

    @property
    def attributes(self) -> tuple[str, ...]:
        """What a group is asked for."""
        return (*self.mark, self.identity) if self.mark else ()


class Dialect(Account, Protocol):
    """One kind of directory. The methods with a connection block."""

    name: str
    answers: int  # of the server that a write waits for, at most
    ends_old_passwords: bool  # else a replaced password binds on for a while

    def write(self, connection: Any, write: Write) -> None:
        """Write the password, once. Raises what stands in `outcomes`."""
        ...

    def change(self, person: Any, connection: Any, write: Write) -> None:
        """Change the password, once, on the connection `person`, which is logged in with `write.old`.

        `connection` is our service account's, for what the person may not read. Raises what stands in `outcomes`.
        """
        ...

    def log_in(self, connection: Any, dn: str, password: Secret, seconds: float) -> LogIn:
        """Log in by a simple bind. Raises ldap.LDAPError when it does not tell of the password."""
        ...

    def policies(self, pool: Pool, base_dn: str) -> Policies:
        """The reader of this directory's password policies."""
        ...

    async def names(self, pool: Pool) -> Names:
        """What the directory itself calls the domain. Raises Unavailable."""
        ...

    async def groups_of(self, pool: Pool, entry: Entry) -> tuple[str, ...]:
        """DNs of the groups the entry says it is in. Raises Unavailable."""
        ...

    def group_facts(self, root: RootDse) -> GroupFacts:
        """How a server with this rootDSE tells that a group is as it was."""
        ...
