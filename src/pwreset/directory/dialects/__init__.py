"""How each kind of directory wants a password written, and what its refusals mean: by code, never by text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pwreset.directory.entries import Account
from pwreset.reset.policy import RuleCode
from pwreset.secret import Secret


class Refused(Exception):
    """The directory refused the new password under this rule. Never leaves the adapter."""

    def __init__(self, rule: RuleCode) -> None:
        self.rule = rule
        super().__init__(rule.value)


class Denied(Exception):
    """Our service account may not do this. Never leaves the adapter."""


class Raced(Exception):
    """Another change of the same entry got in between; nothing was written. Never leaves the adapter."""


class Unwilling(Exception):
    """The server does not write at all, in our words. Never leaves the adapter."""


class Busy(Exception):
    """The server cannot write now; nothing was written. Never leaves the adapter."""


class Gone(Exception):
    """The entry is gone. Never leaves the adapter."""


class Lost(Exception):
    """The answer to a write was lost. Never leaves the adapter."""


@dataclass(slots=True)
class Write:
    """One write of a password and how far it has come; read by the caller when the thread does not come back."""

    dn: str
    password: Secret
    had_reset: bool
    keep_must_change: bool
    seconds: float
    begun: bool = False
    done: bool = False


class Dialect(Account, Protocol):
    """One kind of directory. The methods with a connection block."""

    def write(self, connection: Any, write: Write) -> None:
        """Write the password, once. Raises Refused, Denied, Raced, Unwilling, Busy, Gone, Lost."""
        ...

    def try_password(self, connection: Any, dn: str, password: Secret, seconds: float) -> bool:
        """Whether a simple bind says that the password is right. Raises ldap.LDAPError when it says neither."""
        ...

    def may_write(self, connection: Any, dn: str, seconds: float) -> bool:
        """Whether our service account may write this entry's password; changes nothing. Raises ldap.LDAPError."""
        ...
