"""What the rules need from outside: narrow protocols, implemented by the adapters and by the fakes in tests/fakes.

Every method may raise the port's `Unavailable` failure; what else it raises is said at the method.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from pwreset.reset.findings import Finding
from pwreset.reset.model import (
    AuditEvent,
    Challenge,
    Channel,
    Content,
    Delivery,
    Envelope,
    MessageName,
    Recipient,
    Report,
    RequestFilter,
    ResetRequest,
    ServerHealth,
    Settlement,
    User,
)
from pwreset.reset.policy import Rule
from pwreset.secret import Secret


class Clock(Protocol):
    """The store's clock, so that several nodes agree."""

    def now(self) -> datetime:
        """The time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for waits."""
        ...


class BindOutcome(Enum):
    """What a simple bind said about a password."""

    RIGHT = "right"
    EXPIRED = "expired"  # right, but it has expired or must be changed before anything else, and the directory says so
    WRONG = "wrong"  # wrong, or the account is locked and the directory does not tell


class Directory(Protocol):
    """One domain's directory. All methods raise DirectoryUnavailable, DirectoryMisconfigured."""

    @property
    def domain(self) -> str:
        """The domain's configured name."""
        ...

    async def find(self, username: str, *, or_mail: bool = False) -> User:
        """Exactly one entry whose login attributes match, as the directory compares; with `or_mail` its mail attributes too.

        `protected` and `second_factor` may rest on group memberships read up to 30 s ago; `context_words` may be empty. Raises UserUnknown, UserAmbiguous.
        """
        ...

    async def find_by_id(self, user_id: str) -> User:
        """The entry with this entryUUID or objectGUID, everything read afresh. Raises UserUnknown."""
        ...

    def people(self, wanted: str) -> AsyncIterator[str]:
        """The log-in names of all users that an LDAP filter (RFC 4515) finds, read page by page.

        Raises FilterInvalid; DirectoryMisconfigured when the directory would tell only some of them.
        """
        ...

    def contains(self, dn: str) -> bool:
        """Whether this text is a DN below the domain's base."""
        ...

    async def manager_dn(self, login: str) -> str:
        """The DN of the one entry matched by a login (or by a DN below the base). Raises UserUnknown, UserAmbiguous."""
        ...

    async def goes_by(self, name: str) -> bool:
        r"""Whether the directory itself calls the domain so in log-ins: `NAME\user`, `user@name` (Active Directory)."""
        ...

    async def is_manager(self, dn: str) -> bool:
        """Whether the domain's `managers` list this DN, directly or by a group, nested ones included. Read afresh."""
        ...

    async def bind(self, dn: str, password: Secret) -> BindOutcome:
        """Try a password on a connection of its own. An empty password is WRONG and never sent."""
        ...

    async def rules(self, user: User) -> tuple[Rule, ...]:
        """The directory's own password rules for this person, as far as they can be read; empty when they cannot."""
        ...

    async def set_password(self, user: User, password: Secret) -> None:
        """Write the password, once, under the directory's policy; unlock and clear must-change as the domain says.

        Raises PasswordRefused (with the rules broken), WriteDenied, OutcomeUnclear (the answer was lost after bytes may
        have left), UserUnknown (the entry is gone).
        """
        ...

    async def change_own_password(self, user: User, old: Secret, new: Secret) -> None:
        """Change the password, once, as the person, who knows the old one: the directory's whole policy holds.

        Must change and expiry are over then; an expired password that is right, and logs nobody in, is replaced by the
        service account. Raises ChangeRefused (the old password is not right, and nothing else was tried), UserDisabled,
        UserLocked, and what `set_password` raises.
        """
        ...

    async def took(self, user: User, password: Secret) -> bool:
        """Whether a write of this password whose answer was lost has happened; `user` is as he was before it.

        Tried by a bind; a directory that lets replaced passwords bind on for a while is asked for the time of the last
        change too. Raises UserUnknown.
        """
        ...

    async def group_sizes(self) -> Mapping[str, int | None]:
        """How many people each DN of `managers`, `protected` and `mfa.groups` stands for; None: it cannot be resolved."""
        ...

    async def sample(self) -> User | None:
        """Somebody of the domain to try rights on, as likely as can be an ordinary person; None where nobody is found."""
        ...

    async def examine(self, people: Sequence[User]) -> tuple[Finding, ...]:
        """How the directory is set up for us, found out without changing anything; rights are tried on these people.

        Never raises: what cannot be looked at is a finding, too.
        """
        ...

    async def health(self) -> tuple[ServerHealth, ...]:
        """One per configured URI, each tried within the domain's deadline. Never raises."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Store(Protocol):
    """Reset requests, deliveries and audit events. All methods raise StoreUnavailable.

    Each writing method is one durable transaction: when it returns, a power cut loses nothing of it.
    """

    async def add(
        self,
        request: ResetRequest,
        deliveries: Sequence[Delivery],
        events: Sequence[AuditEvent],
        *,
        supersede: bool,
        once: str = "",
    ) -> None:
        """A new reset request with its deliveries. With `supersede` the user's older links are revoked with it.

        `once` is a key that is written with it: raises SentAlready, with nothing written, when it was used before.
        """
        ...

    async def sent_once(self, key: str) -> str | None:
        """The id of the request that was made under this key, as long as the request is kept."""
        ...

    async def find(self, digests: Sequence[bytes]) -> ResetRequest | None:
        """The request with one of these digests."""
        ...

    async def get(self, request_id: str) -> ResetRequest | None:
        """The request of this id."""
        ...

    async def deliveries(self, request_id: str) -> tuple[Delivery, ...]:
        """The deliveries of a request, oldest first."""
        ...

    async def list(self, wanted: RequestFilter, now: datetime) -> tuple[ResetRequest, ...]:
        """Requests, newest first, at most `wanted.limit`."""
        ...

    async def supersede(self, request_id: str, now: datetime) -> int:
        """Revoke the same user's older links of managers and operators. Says how many. Idempotent."""
        ...

    async def claim(self, request_id: str, now: datetime, until: datetime, mark: str) -> bool:
        """Pending -> claimed, if it is pending, unexpired, and no other link of the same user is claimed now.

        One conditional UPDATE; True for exactly one caller.
        """
        ...

    async def release(
        self, request_id: str, now: datetime, events: Sequence[AuditEvent], *, lease: datetime | None = None
    ) -> bool:
        """Claimed -> pending; or -> revoked, if it was superseded or revoked meanwhile.

        With `lease` only the claim whose lease ends then: not one that somebody else has made since. False, and no
        event, when it was not claimed.
        """
        ...

    async def settle(
        self,
        request_id: str,
        now: datetime,
        notices: Sequence[Delivery],
        events: Sequence[AuditEvent],
        *,
        lease: datetime | None = None,
    ) -> bool:
        """Claimed -> used, with the notices, and the same user's other links revoked; `lease` as for `release`.

        Its own links that still wait to be sent are abandoned. False, and nothing written, when it was not claimed.
        """
        ...

    async def revoke(self, request_id: str, now: datetime, why: str, events: Sequence[AuditEvent]) -> bool:
        """Pending -> revoked; its queued deliveries are abandoned. A claimed one is revoked when it is released.

        False when it is used or revoked already.
        """
        ...

    async def disown(
        self, request_id: str, now: datetime, reports: Sequence[Delivery], events: Sequence[AuditEvent]
    ) -> bool:
        """Mark a request as disowned, whatever its state, and revoke all living links of its user.

        A used one stays used, a claimed one is revoked when it is released. False, and nothing written, when it was
        disowned already.
        """
        ...

    async def expired_claims(self, now: datetime, limit: int) -> tuple[ResetRequest, ...]:
        """Claims whose lease is over: their process died in the middle."""
        ...

    async def challenge(self, request_id: str) -> Challenge | None:
        """What is known of the tries at this link's second factor; None when there was none yet."""
        ...

    async def renew_challenge(
        self,
        challenge: Challenge,
        deliveries: Sequence[Delivery],
        events: Sequence[AuditEvent],
        *,
        before: datetime,
        most: int,
    ) -> bool:
        """A new code in the place of the last one, with its messages; tries begin anew, their total goes on.

        Only if the last one was sent before then and there have been fewer than `most`: one conditional statement, True
        for exactly one caller. Codes of the link that still wait to be sent are abandoned.
        """
        ...

    async def take_try(self, request_id: str, now: datetime, most: int, most_in_all: int) -> Challenge | None:
        """Count one try, before anybody looks whether it is right: one conditional UPDATE, shared by all nodes.

        The challenge as it is now; None, with nothing counted, when it is over, tried `most` times, its link
        `most_in_all` times, or when there is none.
        """
        ...

    async def return_try(self, request_id: str) -> None:
        """Take one back of the link's total: a try that nobody has judged. Those of the code stay counted."""
        ...

    async def spend_code(self, request_id: str, mark: bytes, by: bytes, events: Sequence[AuditEvent]) -> bool:
        """Mark the code of this mark as used, by this form. False when another form has used it, or it is replaced.

        The same form may come twice, as a button is pressed twice; the events are written for the first one only.
        """
        ...

    async def take_deliveries(
        self, channel: Channel, now: datetime, until: datetime, limit: int
    ) -> tuple[Delivery, ...]:
        """Lease queued deliveries of a channel that are due, oldest due first; nobody else gets them before `until`."""
        ...

    async def reclaim(self, now: datetime) -> int:
        """Make all queued deliveries due now: what a process that died had under way. Says how many.

        For the start of the one process that serves this store; where several share it, what is leased may be under way
        in another, and nothing is done. Claims keep their leases: the directory may still be busy with a write of the
        dead process.
        """
        ...

    async def settle_deliveries(self, settlements: Sequence[Settlement], events: Sequence[AuditEvent]) -> None:
        """Outcomes of attempts. SENT and ABANDONED erase the body; a reset link that was sent supersedes older ones."""
        ...

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """The delivery of this id."""
        ...

    async def report(self, delivery: Delivery, report: Report, events: Sequence[AuditEvent]) -> bool:
        """Keep a delivery report, whatever state the delivery is in. False, and no event, when it says nothing new."""
        ...

    async def seals(self, length: int) -> frozenset[bytes]:
        """The first so many bytes of the sealed bodies that wait, each once: they name the key."""
        ...

    async def next_due(self) -> datetime | None:
        """When the earliest queued delivery is due."""
        ...

    async def sms_since(self, since: datetime) -> tuple[tuple[datetime, str], ...]:
        """The SMS deliveries created since then, oldest first: when, and to which number."""
        ...

    async def record(self, events: Sequence[AuditEvent]) -> None:
        """Append to the audit trail."""
        ...

    async def audit(self, after: int, limit: int) -> tuple[AuditEvent, ...]:
        """Audit events in order, beginning behind the sequence `after`."""
        ...

    async def chain_audit(self, key: bytes) -> int:
        """Chain the audit events committed since the last time, under this key. Says how many."""
        ...

    async def verify_audit(self, keys: Sequence[bytes]) -> str | None:
        """The first place where chained events are not as they were written, in words; None when all are."""
        ...

    async def counts(self, now: datetime) -> Mapping[str, int]:
        """How many links live, messages wait ..., and the age in seconds of the oldest that waits: see `metrics`."""
        ...

    async def purge(self, before: datetime) -> Mapping[str, int]:
        """Delete settled or expired requests, their deliveries, and audit events older than `before`; says how many."""
        ...

    async def is_worked(self) -> bool:
        """Whether a process runs that carries this store's messages out."""
        ...

    async def health(self) -> ServerHealth:
        """Whether a durable write works. Never raises."""
        ...

    async def close(self) -> None:
        """Commit what is queued and close."""
        ...


class Transport(Protocol):
    """An SMTP relay or an SMS gateway."""

    @property
    def channel(self) -> Channel:
        """What it carries."""
        ...

    async def send(self, envelope: Envelope) -> None:
        """Hand one message over, within the transport's deadline. Raises DeliveryDeferred, DeliveryRefused."""
        ...

    async def health(self) -> ServerHealth:
        """Whether the relay or gateway can be reached and lets us in; sends nothing. Never raises."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class Messages(Protocol):
    """Message templates by name, channel and language."""

    def render(self, name: MessageName, channel: Channel, language: str | None, facts: MessageFacts) -> Content:
        """A message in the best fitting language; facts are data, never template text."""
        ...


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What a template may show. `link` is absent in notices, `not_me` elsewhere."""

    domain: str
    user: User
    at: datetime  # when it happened
    expires_at: datetime | None = None
    link: Secret | None = None
    comments: str = ""
    sender: str = ""  # who asked, as people may see it
    not_me: Secret | None = None  # the address of the page that says "it was not me"
    handed_over: bool = False  # the link was returned to whoever asked, and not sent
    code: Secret | None = None  # the code of a second factor, in its own message only


class Sealer(Protocol):
    """Seals messages that wait in the outbox: AES-GCM with recipient and delivery id authenticated."""

    def seal(self, content: Content, delivery_id: str, recipient: Recipient) -> bytes:
        """The sealed content."""
        ...

    def open(self, body: bytes, delivery_id: str, recipient: Recipient) -> Content:
        """The content. Raises SealBroken."""
        ...


class Verdict(Enum):
    """What a server of one-time passwords says."""

    RIGHT = "right"
    WRONG = "wrong"
    MORE = "more"  # it asks one more question


@dataclass(frozen=True, slots=True)
class OtpAnswer:
    """The verdict; of a further question its words, as the server sent them, and what to send back with the answer."""

    verdict: Verdict
    prompt: str = ""
    state: bytes = b""


class OneTimePasswords(Protocol):
    """One domain's existing server of one-time passwords. It is asked, and never told to change anything."""

    async def try_password(self, name: str, password: Secret, state: bytes = b"") -> OtpAnswer:
        """Try what a person typed. Raises FactorUnavailable when no server answers, or not as itself."""
        ...

    async def health(self) -> tuple[ServerHealth, ...]:
        """One per configured server; nobody is logged in. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` in `per`."""

    count: int
    per: timedelta


class Counters(Protocol):
    """Counts what happened under a key, for limits. In memory for one process, shared where there are several."""

    async def take(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Count one. None: within the limit. Else: how long until one fits; then nothing is counted."""
        ...

    async def peek(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Like `take`, without counting."""
        ...

    async def forget(self, key: str) -> None:
        """Start this key anew."""
        ...

    def alone(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold this key, which no other process then holds: for what is looked at, done, and counted after it."""
        ...
