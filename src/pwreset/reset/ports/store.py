"""Reset requests, deliveries and audit events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pwreset.reset.model import (
    AuditEvent,
    Challenge,
    Channel,
    Delivery,
    Report,
    RequestFilter,
    ResetRequest,
    ServerHealth,
    Settlement,
)


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
