"""One domain's directory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import Enum
from typing import Protocol

from pwreset.reset.findings import Finding
from pwreset.reset.model import ServerHealth, User
from pwreset.reset.policy import Rule
from pwreset.secret import Secret


class BindOutcome(Enum):
    """What a simple bind said about a password."""

    RIGHT = "right"
    EXPIRED = "expired"  # right, but it has expired or must be changed before anything else, and the directory says so
    WRONG = "wrong"  # wrong, or the account is locked and the directory does not tell


class Directory(Protocol):
    """One domain's directory. All methods raise DirectoryUnavailable, DirectoryMisconfigured."""

    @property
    def domain(self) -> str:
        """The domain's configured name."""
        ...

    async def find(self, username: str, *, or_mail: bool = False) -> User:
        """Exactly one entry whose login attributes match, as the directory compares; with `or_mail` its mail attributes too.

        `protected` and `second_factor` may rest on group memberships read up to 30 s ago; `context_words` may be empty. Raises UserUnknown, UserAmbiguous.
        """
        ...

    async def find_by_id(self, user_id: str) -> User:
        """The entry with this entryUUID or objectGUID, everything read afresh. Raises UserUnknown."""
        ...

    def people(self, wanted: str) -> AsyncIterator[str]:
        """The log-in names of all users that an LDAP filter (RFC 4515) finds, read page by page.

        Raises FilterInvalid; DirectoryMisconfigured when the directory would tell only some of them.
        """
        ...

    def contains(self, dn: str) -> bool:
        """Whether this text is a DN below the domain's base."""
        ...

    async def manager_dn(self, login: str) -> str:
        """The DN of the one entry matched by a login (or by a DN below the base). Raises UserUnknown, UserAmbiguous."""
        ...

    async def goes_by(self, name: str) -> bool:
        r"""Whether the directory itself calls the domain so in log-ins: `NAME\user`, `user@name` (Active Directory)."""
        ...

    async def is_manager(self, dn: str) -> bool:
        """Whether the domain's `managers` list this DN, directly or by a group, nested ones included. Read afresh."""
        ...

    async def bind(self, dn: str, password: Secret) -> BindOutcome:
        """Try a password on a connection of its own. An empty password is WRONG and never sent."""
        ...

    async def rules(self, user: User) -> tuple[Rule, ...]:
        """The directory's own password rules for this person, as far as they can be read; empty when they cannot."""
        ...

    async def set_password(self, user: User, password: Secret) -> None:
        """Write the password, once, under the directory's policy; unlock and clear must-change as the domain says.

        Raises PasswordRefused (with the rules broken), WriteDenied, OutcomeUnclear (the answer was lost after bytes may
        have left), UserUnknown (the entry is gone).
        """
        ...

    async def change_own_password(self, user: User, old: Secret, new: Secret) -> None:
        """Change the password, once, as the person, who knows the old one: the directory's whole policy holds.

        Must change and expiry are over then; an expired password that is right, and logs nobody in, is replaced by the
        service account. Raises ChangeRefused (the old password is not right, and nothing else was tried), UserDisabled,
        UserLocked, and what `set_password` raises.
        """
        ...

    async def took(self, user: User, password: Secret) -> bool:
        """Whether a write of this password whose answer was lost has happened; `user` is as he was before it.

        Tried by a bind; a directory that lets replaced passwords bind on for a while is asked for the time of the last
        change too. Raises UserUnknown.
        """
        ...

    async def group_sizes(self) -> Mapping[str, int | None]:
        """How many people each DN of `managers`, `protected` and `mfa.groups` stands for; None: it cannot be resolved."""
        ...

    async def sample(self) -> User | None:
        """Somebody of the domain to try rights on, as likely as can be an ordinary person; None where nobody is found."""
        ...

    async def examine(self, people: Sequence[User]) -> tuple[Finding, ...]:
        """How the directory is set up for us, found out without changing anything; rights are tried on these people.

        Never raises: what cannot be looked at is a finding, too.
        """
        ...

    async def health(self) -> tuple[ServerHealth, ...]:
        """One per configured URI, each tried within the domain's deadline. Never raises."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
