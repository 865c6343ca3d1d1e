"""It cannot be done now, and may work later."""

from __future__ import annotations

from datetime import timedelta

from pwreset.errors.family import Family, PwresetError


class Unavailable(PwresetError):
    """Cannot be done now and may work later. `retry_after` says when to try again."""

    family = Family.UNAVAILABLE

    def __init__(self, words: str, retry_after: timedelta = timedelta(seconds=10)) -> None:
        self.retry_after = retry_after
        super().__init__(words)


class DirectoryUnavailable(Unavailable):
    reason = "directory-unavailable"
    meaning = "No server of the domain's directory answers in time."

    def __init__(self, domain: str) -> None:
        super().__init__(f"The directory of domain {domain} is unavailable; try again later")


class DirectoryMisconfigured(Unavailable):
    reason = "directory-misconfigured"
    meaning = "The directory answers but refuses our service account, or a configured DN is wrong."

    def __init__(self, domain: str, what: str) -> None:
        super().__init__(f"The directory of domain {domain} cannot be used: {what}")


class StoreUnavailable(Unavailable):
    reason = "store-unavailable"
    meaning = "The database does not take our writes (disk full, locked, gone)."

    def __init__(self) -> None:
        super().__init__("The store is unavailable; try again later")


class Overloaded(Unavailable):
    reason = "overloaded"
    meaning = "Too many calls under way, or a limit per manager or overall is reached."

    def __init__(self, retry_after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__("Too many requests at once; try again later", retry_after)


class SmsBudgetSpent(Unavailable):
    reason = "sms-budget-spent"
    meaning = "The SMS budget of the day, over all (`limits.sms_per_day`) or of a country (`limits.sms_per_day_by_country`), is spent."

    def __init__(self, retry_after: timedelta, prefix: str = "") -> None:
        where = f" for numbers that begin with +{prefix}" if prefix else ""
        super().__init__(f"The SMS budget of the day{where} is spent", retry_after)


class FactorUnavailable(Unavailable):
    reason = "second-factor-unavailable"
    meaning = "No RADIUS server of the domain answers in time, or none gives an answer that proves to be its own."

    def __init__(self, domain: str) -> None:
        super().__init__(f"The second factor of domain {domain} is unavailable; try again later")
