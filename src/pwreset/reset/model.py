"""The values of the domain: frozen, typed, aware UTC. The words are those of docs/glossary.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from pwreset.secret import Secret


class Channel(Enum):
    """A way a message travels."""

    MAIL = "mail"
    SMS = "sms"


class DeliveryMode(Enum):
    """Which channels a link is sent on. The wire calls it `method`."""

    MAIL = "MAIL"
    SMS = "SMS"
    MAILSMS = "MAILSMS"
    NONE = "NONE"

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of the mode, mail first."""
        return {
            DeliveryMode.MAIL: (Channel.MAIL,),
            DeliveryMode.SMS: (Channel.SMS,),
            DeliveryMode.MAILSMS: (Channel.MAIL, Channel.SMS),
            DeliveryMode.NONE: (),
        }[self]


class Origin(Enum):
    """Who asked for a link: a manager over the API, an operator on the shell, or somebody on the public page.

    A person who changes the password that he knows asks for none; the change has a record all the same.
    """

    MANAGER = "manager"
    OPERATOR = "operator"
    PUBLIC = "public"
    PERSON = "person"


class RequestState(Enum):
    """pending -claim-> claimed -settle-> used; claimed -release-> pending; pending -> revoked.

    Expired is no state: it is `expires_at <= now`.
    """

    PENDING = "pending"
    CLAIMED = "claimed"
    USED = "used"
    REVOKED = "revoked"


class DeliveryState(Enum):
    """queued -> sent | abandoned."""

    QUEUED = "queued"
    SENT = "sent"
    ABANDONED = "abandoned"


class ReportState(Enum):
    """What a delivery report says became of an SMS, the one that counts more behind the other.

    A long SMS has a report for each part: one part that failed is a text that nobody can read.
    """

    BUFFERED = "buffered"  # on its way: the phone is off, or the operator has it
    DELIVERED = "delivered"
    FAILED = "failed"

    @property
    def weight(self) -> int:
        """A report takes the place of those with less weight, in whatever order they come."""
        return list(ReportState).index(self)


class MessageName(Enum):
    """The messages pwreset sends; one folder of templates each."""

    RESET_LINK = "reset-link"
    ASKED_LINK = "asked-link"  # asked for on the public page; unlike the one above, it ends no other link
    LINK_ISSUED = "link-issued"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105
    DISOWNED = "disowned"
    RESET_CODE = "reset-code"


class Factor(Enum):
    """What a person must show beside the link before the form is shown."""

    CODE = "code"  # a short code that is sent to another address than the link
    RADIUS = "radius"  # what an existing server of one-time passwords wants


class AccountState(Enum):
    """What the directory says about the account."""

    ACTIVE = "active"
    LOCKED = "locked"  # after failed log-ins
    DISABLED = "disabled"  # by an administrator, or expired


@dataclass(frozen=True, slots=True)
class User:
    """One person's entry, as read from the directory just now.

    `id` is the entryUUID or objectGUID in text form; `login` the first login attribute's value; `mails` and `mobiles`
    are the raw values in the directory's order. `password_mark` changes whenever the password does (pwdChangedTime,
    pwdLastSet; empty where the directory keeps none); `entry_mark` changes whenever the entry does (entryCSN ...).
    """

    id: str
    dn: str
    domain: str
    login: str
    name: str
    mails: tuple[str, ...]
    mobiles: tuple[str, ...]
    language: str | None
    state: AccountState
    protected: bool
    password_mark: str
    entry_mark: str
    must_change: bool = False  # the directory wants a new password at the next log-in
    given_name: str = ""
    context_words: tuple[str, ...] = ()  # the person's own names and addresses, which no password should be made of
    second_factor: bool = False  # a group of `mfa.groups` holds him, or one of them cannot be resolved
    factor_name: str = ""  # what he is called where one-time passwords are tried; empty when the entry does not say


@dataclass(frozen=True, slots=True)
class Manager:
    """Who calls the API, logged in. `scope` names the domains that list him (directly or by group)."""

    dn: str
    login: str
    domain: str
    scope: frozenset[str]


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address on one channel: an addr-spec, or a number in E.164 form."""

    channel: Channel
    address: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks and from where, for limits, audit and log."""

    origin: Origin
    name: str  # the manager's DN, the operator's log-in name on the machine; on the public page the address again
    address: str  # the peer's IP address; "local" for the shell
    correlation: str  # the HTTP request's id, which the log lines carry too


@dataclass(frozen=True, slots=True)
class Demand:
    """What must be shown beside the link: from its birth, or, of a two-stage link, from `since` on.

    `code_to` is where a code goes: fixed when the link is made, so that an address that somebody puts into the entry
    afterwards gets none.
    """

    factor: Factor
    code_to: tuple[Recipient, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SendRequest:
    """What Send_Request asks for, read and typed. None means: as the settings say.

    `wait_until` is the monotonic time up to which a first attempt at delivery may be waited for.
    """

    username: str
    domain: str | None
    mode: str | None  # as the caller spelled it; `send` reads it, since a wrong one is a plain `false`
    lifetime_hours: int | None
    comments: str | None
    asker: Asker
    scope: frozenset[str] | None  # the manager's domains; None: an operator, who may use all
    wait_until: float
    once: str = ""  # a key under which only one link is ever sent
    hand_over: bool = True  # False leaves the first attempt at delivery to the worker
    mfa: bool = False  # a second factor is demanded when the link is opened


@dataclass(frozen=True, slots=True)
class SentLink:
    """The answer to Send_Request: the link, the reset request's id, and the failures that did not stop it."""

    link: Secret
    request_id: str
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """The record of one link. All but `state` and what follows it is fixed at birth and covered by `binding`.

    `digest` is the HMAC of the token; the token itself is nowhere. `binding` is an HMAC over the fixed fields, so that a
    row edited or written by somebody without our key is no link.
    """

    id: str
    digest: bytes
    domain: str
    user_id: str
    user_login: str
    user_name: str
    mode: DeliveryMode
    origin: Origin
    asked_by: str
    asked_from: str
    correlation: str
    created_at: datetime
    expires_at: datetime
    password_mark: str
    sent_to: tuple[Recipient, ...]
    demand: Demand | None = None
    binding: bytes = b""
    state: RequestState = RequestState.PENDING
    claimed_until: datetime | None = None
    claim_mark: str = ""  # the entry_mark seen when it was claimed
    settled_at: datetime | None = None  # when it was used or revoked
    settled_why: str = ""  # "used", "superseded", "revoked-by-manager", "changed-elsewhere" ...
    sequence: int = 0  # order of birth, given by the store


@dataclass(frozen=True, slots=True)
class Challenge:
    """What is known of the tries at a link's second factor: one row for each link.

    `mark` is the HMAC of the newest code; empty where the factor is none of ours. `spent_by` is empty until the code
    was told right, and then says by which form.
    """

    request_id: str
    mark: bytes
    sent_at: datetime
    expires_at: datetime
    tries: int = 0  # with this code, right or wrong
    total: int = 0  # with all codes of the link
    codes: int = 1  # how many there have been
    spent_by: bytes = b""


@dataclass(frozen=True, slots=True)
class Content:
    """A rendered message: `html` and `subject` are empty for an SMS."""

    subject: str
    text: str
    html: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the gateway told of an SMS after it had taken it. `detail` is one of the words in the settings."""

    state: ReportState
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one recipient on one channel. `body` is the sealed Content, empty once settled."""

    id: str
    request_id: str
    domain: str
    message: MessageName
    recipient: Recipient
    body: bytes
    created_at: datetime
    not_after: datetime  # after this it is abandoned, e.g. when the link has expired
    due_at: datetime  # when it may be tried next; while an attempt is under way, when its lease ends
    state: DeliveryState = DeliveryState.QUEUED
    attempts: int = 0
    settled_at: datetime | None = None
    detail: str = ""  # the last failure, in our words
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a transport gets: the opened message. `id` is stable over attempts (Message-ID, idempotency key)."""

    id: str
    domain: str
    recipient: Recipient
    content: Content
    created_at: datetime
    report_url: str = ""  # where the gateway may tell what became of it


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the audit trail. `name` is `noun.verb`; `facts` hold no secret."""

    name: str
    at: datetime
    actor: str
    domain: str = ""
    user: str = ""
    address: str = ""
    request_id: str = ""
    correlation: str = ""
    facts: dict[str, str | int | bool] = field(default_factory=dict)
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of one attempt at a delivery: settled for good, or to be tried again at `due_at`."""

    delivery_id: str
    state: DeliveryState
    at: datetime
    due_at: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """What `List_Requests` and `pwreset requests` ask for. `state` may also be "expired"."""

    domains: frozenset[str] | None = None
    user: str | None = None  # login or user id
    state: str | None = None
    limit: int = 50
    before: int | None = None  # cursor: sequences below this one


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """One outside server: its address, whether it answers, and if not, why and what to do."""

    name: str
    ok: bool
    detail: str = ""
    advice: str = ""
    took: timedelta = timedelta()
    by_certificate: bool = False  # whether it is the server's certificate that is wrong
