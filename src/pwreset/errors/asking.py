"""An ask for a link fails: `false` to the caller, with the reason in a header."""

from __future__ import annotations

from pwreset.errors.family import Family, PwresetError


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
