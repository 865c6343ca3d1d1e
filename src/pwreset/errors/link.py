"""The link, or the form behind it, opens nothing."""

from __future__ import annotations

from datetime import timedelta

from pwreset.errors.family import Family, PwresetError


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
    meaning = "The page was open for more than a quarter of an hour without a sign of life."

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
