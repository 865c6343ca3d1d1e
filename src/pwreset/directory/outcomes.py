"""What a write of a password can end in. None of these exceptions ever leaves the adapter."""

from __future__ import annotations

from pwreset.reset.policy import RuleCode


class Refused(Exception):
    """The directory refused the new password, under these rules as far as it says."""

    def __init__(self, *rules: RuleCode) -> None:
        self.rules = rules
        super().__init__(", ".join(rule.value for rule in rules))


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
