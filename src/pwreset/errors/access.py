"""Who asks is not known, not allowed, or has tried too often."""

from __future__ import annotations

from datetime import timedelta

from pwreset.errors.family import Family, PwresetError


class BadCredentials(PwresetError):
    """One and the same answer for an unknown login, a wrong password and somebody who is no manager."""

    family = Family.ACCESS
    reason = "bad-credentials"
    meaning = "Unknown login, wrong password or not a manager: deliberately one answer."

    def __init__(self) -> None:
        super().__init__("Invalid username or password")


class NotManagerOfDomain(PwresetError):
    family = Family.ACCESS
    reason = "not-manager-of-domain"
    meaning = "The manager is logged in, but the domain does not list him."

    def __init__(self, domain: str) -> None:
        super().__init__(f"Not a manager of domain {domain}")


class NetworkNotAllowed(PwresetError):
    family = Family.ACCESS
    reason = "network-not-allowed"
    meaning = "The caller's address is outside `manager_api.allowed_networks`."

    def __init__(self) -> None:
        super().__init__("The Manager API is not open to this network")


class CertificateMissing(PwresetError):
    family = Family.ACCESS
    reason = "certificate-missing"
    meaning = "The caller has shown no certificate of the authorities in `manager_api.client_ca`."

    def __init__(self) -> None:
        super().__init__("A client certificate is required")


class TooManyFailures(PwresetError):
    family = Family.THROTTLED
    reason = "too-many-failures"
    meaning = "Too many failed log-ins from this address or for this account; the directory is not asked."

    def __init__(self, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__("Too many failed log-ins; try again later")


class TooManyTries(PwresetError):
    """More passwords than `limits.password_tries_per_link_per_hour` with one link. The link stays good."""

    family = Family.THROTTLED
    reason = "too-many-tries"
    meaning = "Too many passwords were tried with one link within an hour; the link stays good."

    def __init__(self, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__("Too many passwords tried with this link; try again later")
