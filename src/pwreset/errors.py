"""Every expected failure, and the one table of how each looks to a JSON-RPC caller, a browser and a shell.

A failure is raised as one of the classes below and mapped once, at the edge. Nothing matches a message's text.
The class attribute `reason` is the word that callers see in `Pwreset-Reason`, and that the log and the audit trail keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from typing import ClassVar


class Family(Enum):
    """What kind of failure it is; decides how it looks from outside (the table `LOOKS`)."""

    ASK = "ask"  # the request for a link fails: `false` to the caller
    PARAMETER = "parameter"  # a parameter is missing, unknown or wrongly typed
    ACCESS = "access"  # who asks is not known or not allowed
    THROTTLED = "throttled"  # too many failures from there
    UNAVAILABLE = "unavailable"  # cannot be done now; may work later
    LINK = "link"  # the link opens nothing
    PASSWORD = "password"  # noqa: S105 - the new password was refused; the link is still good
    DELIVERY = "delivery"  # a transport's answer; never reaches a caller as it is
    OPERATOR = "operator"  # settings, files, versions: told on the shell
    NOT_FOUND = "not-found"  # an id that names nothing


class Look:
    """How a family looks: JSON-RPC code, HTTP status of a page, exit code of a command."""

    __slots__ = ("exit_code", "http_status", "rpc_code")

    def __init__(self, rpc_code: int, http_status: int, exit_code: int) -> None:
        self.rpc_code = rpc_code
        self.http_status = http_status
        self.exit_code = exit_code


# The exit codes follow sysexits.h where it has a fitting one.
LOOKS: dict[Family, Look] = {
    Family.ASK: Look(-32603, 409, 65),
    Family.PARAMETER: Look(-32602, 400, 64),
    Family.ACCESS: Look(-32600, 403, 77),
    Family.THROTTLED: Look(-32000, 429, 75),
    Family.UNAVAILABLE: Look(-32000, 503, 75),
    Family.LINK: Look(-32603, 404, 65),
    Family.PASSWORD: Look(-32603, 422, 65),
    Family.DELIVERY: Look(-32603, 502, 69),
    Family.OPERATOR: Look(-32603, 500, 78),
    Family.NOT_FOUND: Look(-32602, 404, 66),
}


class PwresetError(Exception):
    """An expected failure. `str(error)` is a sentence for people and holds no secret and no peer's words."""

    family: ClassVar[Family]
    reason: ClassVar[str]
    meaning: ClassVar[str]  # one sentence for the generated reference

    @property
    def look(self) -> Look:
        """How this failure looks from outside."""
        return LOOKS[self.family]


def every_error() -> Iterator[type[PwresetError]]:
    """All concrete failures, in the order of this file; for the reference and its test."""
    pending = [PwresetError]
    while pending:
        cls = pending.pop(0)
        pending.extend(cls.__subclasses__())
        if "reason" in vars(cls):
            yield cls


# --- asking for a link -------------------------------------------------------------------------------------------


class AskRefused(PwresetError):
    """The request for a link fails and leaves nothing behind: `{"result": false}` to a manager."""

    family = Family.ASK


class UserUnknown(AskRefused):
    reason = "user-unknown"
    meaning = "No entry of the domain matches the user name, or the entry a link belongs to is gone."

    def __init__(self, username: str, domain: str) -> None:
        super().__init__(f"User not found {domain}\\{username}")


class UserAmbiguous(AskRefused):
    reason = "user-ambiguous"
    meaning = "More than one entry of the domain matches the user name."

    def __init__(self, username: str, domain: str) -> None:
        super().__init__(f"More than one user matches {domain}\\{username}")


class UserDisabled(AskRefused):
    reason = "user-disabled"
    meaning = "The account is disabled, expired or locked by an administrator."

    def __init__(self) -> None:
        super().__init__("The account is disabled")


class UserLocked(AskRefused):
    reason = "user-locked"
    meaning = "The account is locked after failed log-ins and the domain's setting `unlock` is off."

    def __init__(self) -> None:
        super().__init__("The account is locked")


class UserProtected(AskRefused):
    reason = "user-protected"
    meaning = "The user is protected, a manager, or the service account; or a protected group could not be resolved."

    def __init__(self) -> None:
        super().__init__("The user is protected")


class UsernameInvalid(AskRefused):
    reason = "username-invalid"
    meaning = "The user name is empty or longer than 256 characters."

    def __init__(self) -> None:
        super().__init__("The username must have 1 to 256 characters")


class DomainUnknown(AskRefused):
    reason = "domain-unknown"
    meaning = "No domain of this name is configured."

    def __init__(self, domain: str) -> None:
        super().__init__(f"Domain '{domain}' not existing")


class DomainMissing(AskRefused):
    reason = "domain-missing"
    meaning = "No domain was named and no default domain is configured."

    def __init__(self) -> None:
        super().__init__("No domain given and no default domain configured")


class MethodUnknown(AskRefused):
    reason = "method-unknown"
    meaning = "The delivery mode is none of MAIL, SMS, MAILSMS, NONE."

    def __init__(self) -> None:
        super().__init__("The method must be MAIL, SMS, MAILSMS or NONE")


class NoneNotAllowed(AskRefused):
    reason = "none-not-allowed"
    meaning = "Links without delivery are switched off (`links.allow_none = false`)."

    def __init__(self) -> None:
        super().__init__("The method NONE is not allowed")


class ExpiresOutOfRange(AskRefused):
    reason = "expires-out-of-range"
    meaning = "The lifetime is outside 1 to 720 hours, or above the domain's cap."

    def __init__(self, highest: int) -> None:
        super().__init__(f"expires must be between 1 and {highest} hours")


class CommentsInvalid(AskRefused):
    reason = "comments-invalid"
    meaning = "The comments are longer than 1,000 characters, or hold characters that may not be sent."

    def __init__(self) -> None:
        super().__init__("comments must be plain text of at most 1000 characters")


class NoMailAddress(AskRefused):
    reason = "no-mail-address"
    meaning = "The entry has no usable mail address."

    def __init__(self) -> None:
        super().__init__("The user has no mail address")


class NoMobileNumber(AskRefused):
    reason = "no-mobile-number"
    meaning = "The entry has no usable mobile number."

    def __init__(self) -> None:
        super().__init__("The user has no mobile number")


class ChannelNotConfigured(AskRefused):
    reason = "channel-not-configured"
    meaning = "The channel asked for has no relay or gateway in the settings."

    def __init__(self, channel: str) -> None:
        super().__init__(f"No transport is configured for {channel}")


class MessageRefused(AskRefused):
    reason = "message-refused"
    meaning = "The relay or gateway refused the message for good."

    def __init__(self) -> None:
        super().__init__("The message was refused")


class TooManyRequests(AskRefused):
    reason = "too-many-requests"
    meaning = "Too many links for this user or this destination."

    def __init__(self) -> None:
        super().__init__("Too many requests for this user")


class TooManyFromNetwork(AskRefused):
    reason = "too-many-from-network"
    meaning = "Too many asks on the public page from this network, or too many without the browser's proof of work."

    def __init__(self) -> None:
        super().__init__("Too many requests from this network")


class NoSecondFactor(AskRefused):
    reason = "no-second-factor"
    meaning = "A second factor is demanded, and the person has no other address that a code could be sent to."

    def __init__(self) -> None:
        super().__init__("A second factor is demanded and the user has none")


class MfaNotSupported(PwresetError):
    """Never ignored: who asks believes that the link asks for a second factor."""

    family = Family.PARAMETER
    reason = "mfa-not-supported"
    meaning = (
        "A second factor was asked for (`mfa`), and the domain has none configured (`domains.<NAME>.mfa.factors`)."
    )

    def __init__(self) -> None:
        super().__init__("Parameter mfa not supported")


class SentAlready(PwresetError):
    """The link that was to be sent once has been sent before, as this request."""

    family = Family.ASK
    reason = "sent-already"
    meaning = "A sending (`pwreset send --from`, `--filter`) has sent this person's link before; nothing is sent twice."

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__("The link has been sent before")


# --- who asks ----------------------------------------------------------------------------------------------------


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


# --- not now -----------------------------------------------------------------------------------------------------


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


# --- the link ----------------------------------------------------------------------------------------------------


class LinkDead(PwresetError):
    """The link opens nothing. The page says why, as far as the person may know."""

    family = Family.LINK


class LinkUnknown(LinkDead):
    reason = "link-unknown"
    meaning = "No such link, or it was revoked: the page does not tell the two apart."

    def __init__(self, cause: str = "unknown") -> None:
        self.cause = cause  # for the log and the audit trail, never for the page
        super().__init__("This link is not valid")


class LinkUsed(LinkDead):
    reason = "link-used"
    meaning = "The link has set a password already."

    def __init__(self) -> None:
        super().__init__("This link has been used")


class LinkExpired(LinkDead):
    reason = "link-expired"
    meaning = "The link's time is over."

    def __init__(self) -> None:
        super().__init__("This link has expired")


class LinkBusy(LinkDead):
    """Another POST of this link, or of another link of the same user, is under way. The link itself is still good."""

    reason = "link-busy"
    meaning = "Another submission for the same user is under way."

    def __init__(self) -> None:
        super().__init__("This link is being used right now")


class LinkLocked(LinkDead):
    """Too many wrong tries at the second factor: the link is revoked, and says so."""

    reason = "link-locked"
    meaning = "The link was revoked after too many wrong tries at its second factor."

    def __init__(self) -> None:
        super().__init__("This link is locked after too many wrong tries")


class SecondFactorNeeded(PwresetError):
    """The link is good, and nothing is shown or done with it before its second factor was shown in this browser."""

    family = Family.LINK
    reason = "second-factor-needed"
    meaning = "The link's second factor has not been shown in this browser, or more than a quarter of an hour ago."

    def __init__(self) -> None:
        super().__init__("A second factor is needed")


class CodeWrong(PwresetError):
    family = Family.PASSWORD
    reason = "code-wrong"
    meaning = "The code, or the one-time password, is wrong; `left` tries are left for this one."

    def __init__(self, left: int) -> None:
        self.left = left
        super().__init__("The code is wrong")


class CodeOver(PwresetError):
    family = Family.PASSWORD
    reason = "code-over"
    meaning = "The code's ten minutes or its five tries are over, or none was sent: a new one is needed."

    def __init__(self) -> None:
        super().__init__("The code is no longer valid")


class CodeTooSoon(PwresetError):
    family = Family.THROTTLED
    reason = "code-too-soon"
    meaning = "A new code was asked for within a minute of the last one, or more than `mfa.codes_per_link` of one link."

    def __init__(self, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__("Too soon for another code")


class NoticeTooOld(LinkDead):
    """The "it was not me" of a notice, seven days later."""

    reason = "notice-too-old"
    meaning = "The button of a notice was pressed when its seven days were over."

    def __init__(self) -> None:
        super().__init__("This message is too old")


class FormStale(LinkDead):
    """The form token or the origin does not fit: the form belongs to another link or came from elsewhere."""

    reason = "form-stale"
    meaning = "The form does not belong to the link in this browser, or was sent from another site."

    def __init__(self) -> None:
        super().__init__("This form is out of date; open the link again")


class CookieMissing(LinkDead):
    """The page was asked for without the link's cookie, by a browser that has kept no other one of ours either."""

    reason = "cookie-missing"
    meaning = "The browser sent no cookie for this page: cookies are off, or it has never opened the link."

    def __init__(self) -> None:
        super().__init__("Open the link in your message again")


class SessionOver(LinkDead):
    """The page was asked for without the link's cookie, by a browser that keeps cookies: the quarter of an hour is over."""

    reason = "session-over"
    meaning = "The page was open for more than a quarter of an hour."

    def __init__(self) -> None:
        super().__init__("This page was open for too long; open the link in your message again")


class FormTooLarge(PwresetError):
    family = Family.PARAMETER
    reason = "form-too-large"
    meaning = "The form that a browser sent is larger than a form of ours can be."

    def __init__(self) -> None:
        super().__init__("The form is too large")


class CaptchaFailed(PwresetError):
    """The browser's answer to the public page's challenge is wrong, too old, or was used before."""

    family = Family.PARAMETER
    reason = "captcha-failed"
    meaning = "The answer to the public page's challenge is wrong, too old or used up; the form is shown again."

    def __init__(self, why: str) -> None:
        self.why = why  # for the log
        super().__init__("The check of the form has failed; send it again")


# --- the new password --------------------------------------------------------------------------------------------


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


# --- delivery ----------------------------------------------------------------------------------------------------


class DeliveryFailed(PwresetError):
    """A transport did not take the message. `detail` is for the operator: a code and our words, never the peer's."""

    family = Family.DELIVERY

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class DeliveryDeferred(DeliveryFailed):
    reason = "delivery-deferred"
    meaning = "The relay or gateway did not take the message now; it is tried again."


class DeliveryRefused(DeliveryFailed):
    reason = "delivery-refused"
    meaning = "The relay or gateway will never take this message."


class SealBroken(PwresetError):
    """A sealed message does not open: other key, edited row, or edited recipient."""

    family = Family.DELIVERY
    reason = "seal-broken"
    meaning = "A waiting message does not open with our key: the row was edited, or the key file is another one."

    def __init__(self) -> None:
        super().__init__("The sealed message does not open")


# --- operators ---------------------------------------------------------------------------------------------------


class SettingsError(PwresetError):
    family = Family.OPERATOR
    reason = "settings"
    meaning = "The settings file is wrong, unreadable, or readable by others."


class StoreVersionError(PwresetError):
    family = Family.OPERATOR
    reason = "store-version"
    meaning = "The store was written by a newer pwreset, or is no store of pwreset."


class StartError(PwresetError):
    family = Family.OPERATOR
    reason = "start"
    meaning = "The service cannot start: a port is taken, a certificate or key does not load."


class PeopleInvalid(PwresetError):
    """The list of people cannot be sent as it stands: all that is wrong with it is in the words."""

    family = Family.PARAMETER
    reason = "people-invalid"
    meaning = "The list of people for `pwreset send --from` has wrong lines, or its report is that of another list."


class CommandLineWrong(PwresetError):
    family = Family.PARAMETER
    reason = "command-line"
    meaning = "The options of a command do not fit together."


class FilterInvalid(PwresetError):
    family = Family.PARAMETER
    reason = "filter-invalid"
    meaning = "The filter of `pwreset send --filter` is none, as RFC 4515 has them."

    def __init__(self) -> None:
        super().__init__("The filter is not an LDAP filter (RFC 4515)")


class KeyNeeded(PwresetError):
    family = Family.OPERATOR
    reason = "key-needed"
    meaning = "A key cannot be retired: it is the newest, unknown, or something that lives needs it."

    def __init__(self, key_id: str, why: str) -> None:
        super().__init__(f"Key {key_id} cannot go: {why}")


class RequestNotFound(PwresetError):
    family = Family.NOT_FOUND
    reason = "request-not-found"
    meaning = "No reset request of this id exists in the domains the manager may see."

    def __init__(self, request_id: str) -> None:
        super().__init__(f"No reset request {request_id}")
