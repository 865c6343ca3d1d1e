"""What a write of a password can end in, and what a result code means. None of these exceptions leaves the adapter."""

from __future__ import annotations

import functools
from collections.abc import Callable

import ldap

from pwreset.reset.policy import RuleCode


class Refused(Exception):
    """The directory refused the new password, under these rules as far as it says."""

    def __init__(self, *rules: RuleCode) -> None:
        self.rules = rules
        super().__init__(", ".join(rule.value for rule in rules))


class NotRight(Exception):
    """The present password that a person gave is not right."""


class Denied(Exception):
    """Our service account may not do this."""


class Raced(Exception):
    """Another change of the same entry got in between; nothing was written."""


class Unwilling(Exception):
    """The server does not write this, in our words; another server would not either."""


class ReadOnly(Unwilling):
    """This server does not write at all, in our words; nothing was written, and another server may do it."""


class Busy(Exception):
    """The server cannot write now; nothing was written."""


class Gone(Exception):
    """The entry is gone."""


class Lost(Exception):
    """The answer to a write was lost."""


LOSSES = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT)
DENIALS = (ldap.INSUFFICIENT_ACCESS, ldap.STRONG_AUTH_REQUIRED, ldap.CONFIDENTIALITY_REQUIRED)
READ_ONLY = "it refuses to write (is it read-only?)"
REPLICA = "it is a read-only replica; put the writable server first in `uris`"

# What a result code (RFC 4511, appendix A.2) means for a write, where nothing nearer is said.
_MEANINGS: tuple[tuple[tuple[type[ldap.LDAPError], ...], Callable[[], Exception]], ...] = (
    (LOSSES, Lost),
    (DENIALS, Denied),
    ((ldap.CONSTRAINT_VIOLATION, ldap.INVALID_SYNTAX), functools.partial(Refused, RuleCode.QUALITY)),
    # It is the server that is unwilling, not the policy: no other password would be taken either.
    ((ldap.UNWILLING_TO_PERFORM,), functools.partial(ReadOnly, READ_ONLY)),
    ((ldap.REFERRAL,), functools.partial(ReadOnly, REPLICA)),
    # Two changes of one entry at once: the loser's are refused so, its values being no longer there.
    ((ldap.NO_SUCH_ATTRIBUTE, ldap.TYPE_OR_VALUE_EXISTS), Raced),
    ((ldap.BUSY, ldap.UNAVAILABLE, ldap.TIMELIMIT_EXCEEDED, ldap.ADMINLIMIT_EXCEEDED, ldap.OTHER), Busy),
    ((ldap.NO_SUCH_OBJECT,), Gone),
)


def meaning_of_code(error: ldap.LDAPError) -> Exception:
    """What a refused write means by its result code alone."""
    for kinds, outcome in _MEANINGS:
        if isinstance(error, kinds):
            return outcome()
    return Unwilling(f"it refuses to write: {type(error).__name__}")
