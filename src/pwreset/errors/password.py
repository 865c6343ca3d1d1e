"""The new password was not set, or nobody knows whether it was."""

from __future__ import annotations

from pwreset.errors.family import Family, PwresetError


class PasswordRefused(PwresetError):
    """The password was refused, by us or by the directory; nothing changed and the link is still good.

    `rules` are those that were broken (`pwreset.reset.policy.Rule`).
    """

    family = Family.PASSWORD
    reason = "password-refused"
    meaning = "The new password breaks a rule of ours or of the directory; the page tells which."

    def __init__(self, rules: tuple[object, ...]) -> None:
        self.rules = rules
        super().__init__("The password was refused")


class PasswordsDiffer(PwresetError):
    family = Family.PASSWORD
    reason = "passwords-differ"
    meaning = "The two fields do not hold the same password."

    def __init__(self) -> None:
        super().__init__("The two passwords are not the same")


class ChangeRefused(PwresetError):
    """One and the same answer on the page `/change`, whoever was named there and whatever is not right."""

    family = Family.PASSWORD
    reason = "change-refused"
    meaning = "On the page for a change: unknown user name, wrong password, a protected or disabled account, or too many failures: deliberately one answer."

    def __init__(self) -> None:
        super().__init__("The user name or the password is not right")


class WriteDenied(PwresetError):
    """The directory does not let our service account write this person's password. Trying again will not help."""

    family = Family.PASSWORD
    reason = "write-denied"
    meaning = "The service account may not write this user's password; the operator must mend it (`pwreset check`)."

    def __init__(self) -> None:
        super().__init__("The directory does not allow pwreset to set this password")


class OutcomeUnclear(PwresetError):
    """The connection broke while the password was being written: it may or may not have been set."""

    family = Family.UNAVAILABLE
    reason = "outcome-unclear"
    meaning = "The directory's answer was lost while the password was being written."

    def __init__(self) -> None:
        super().__init__("It is not known whether the password was set")
