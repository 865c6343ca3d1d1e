"""The store on a database, whichever engine it is: units of work on its lanes.

Each writing method is one unit in a transaction that is durable when it returns; reads are units on other connections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from pwreset.reset.model import (
    AuditEvent,
    Challenge,
    Channel,
    Delivery,
    Report,
    RequestFilter,
    ResetRequest,
    Settlement,
)
from pwreset.reset.ports import Clock
from pwreset.store import challenges, requests, trail
from pwreset.store import deliveries as outbox
from pwreset.store.connection import Connection
from pwreset.store.lane import Lane
from pwreset.store.rows import delivery_parameters, event_parameters, micros, request_parameters

ROWS_PER_STEP = 500  # a purge gives way to other writers after so many
T = TypeVar("T")


class SqlStore:
    """What `pwreset.reset.ports.Store` asks for that does not depend on the engine.

    `writer` runs writing units in groups, `carer` those that nobody waits for (chaining, purging), `readers` short
    reads, by turns, and `lister` long ones, so that a listing of a large store holds up no page. `in_order`: whether
    numbers come to light in the order in which they are given, as where one process writes.
    """

    def __init__(
        self, clock: Clock, *, writer: Lane, carer: Lane, readers: Sequence[Lane], lister: Lane, in_order: bool
    ) -> None:
        self._clock = clock
        self._writer = writer
        self._carer = carer
        self._in_order = in_order
        self._readers = readers
        self._lister = lister
        self._turn = 0

    async def close(self) -> None:
        """Commit what is queued and close."""
        for lane in (self._writer, self._carer, *self._readers, self._lister):
            await lane.close()

    async def _read(self, work: Callable[[Connection], T]) -> T:
        self._turn = (self._turn + 1) % len(self._readers)
        return await self._readers[self._turn].run(work)

    # --- requests ------------------------------------------------------------------------------------------------

    async def add(
        self,
        request: ResetRequest,
        deliveries: Sequence[Delivery],
        events: Sequence[AuditEvent],
        *,
        supersede: bool,
        once: str = "",
    ) -> None:
        """A new reset request with its deliveries. See `Store.add`."""
        new = requests.NewRequest(
            request_parameters(request),
            [delivery_parameters(delivery) for delivery in deliveries],
            [event_parameters(event) for event in events],
            supersede,
            once,
        )
        due = any(delivery.due_at <= request.created_at for delivery in deliveries)
        await self._writer.share(requests.add, new, rings=due)

    async def sent_once(self, key: str) -> str | None:
        """The id of the request that was made under this key."""
        return await self._read(lambda c: requests.sent_once(c, key))

    async def find(self, digests: Sequence[bytes]) -> ResetRequest | None:
        """The request with one of these digests."""
        return await self._read(lambda c: requests.find(c, digests))

    async def get(self, request_id: str) -> ResetRequest | None:
        """The request of this id."""
        return await self._read(lambda c: requests.get(c, request_id))

    async def list(self, wanted: RequestFilter, now: datetime) -> tuple[ResetRequest, ...]:
        """Requests, newest first, at most `wanted.limit`."""
        return await self._lister.run(lambda c: requests.listed(c, wanted, now))

    async def supersede(self, request_id: str, now: datetime) -> int:
        """Revoke the same user's older links. Says how many died now; a claimed one dies when it is released."""
        return await self._writer.run(lambda c: requests.supersede(c, request_id, micros(now)), link=request_id)

    async def claim(self, request_id: str, now: datetime, until: datetime, mark: str) -> bool:
        """Pending -> claimed, if no other link of the same user is claimed now; True for exactly one caller."""
        parameters = {"id": request_id, "now": micros(now), "until": micros(until), "mark": mark}
        return await self._writer.run(lambda c: requests.claim(c, parameters), link=request_id)

    async def release(
        self, request_id: str, now: datetime, events: Sequence[AuditEvent], *, lease: datetime | None = None
    ) -> bool:
        """Claimed -> pending; or -> revoked, if it was superseded or revoked meanwhile. False: it was not claimed."""
        parameters = _of_claim(request_id, now, lease)
        lines = [event_parameters(event) for event in events]
        return await self._writer.run(lambda c: requests.release(c, parameters, lines), link=request_id)

    async def settle(
        self,
        request_id: str,
        now: datetime,
        notices: Sequence[Delivery],
        events: Sequence[AuditEvent],
        *,
        lease: datetime | None = None,
    ) -> bool:
        """Claimed -> used, with the notices, and the same user's other links revoked. False when it was not claimed."""
        parameters = _of_claim(request_id, now, lease)
        messages = [delivery_parameters(notice) for notice in notices]
        lines = [event_parameters(event) for event in events]
        return await self._writer.run(
            lambda c: requests.settle(c, parameters, messages, lines), rings=bool(messages), link=request_id
        )

    async def revoke(self, request_id: str, now: datetime, why: str, events: Sequence[AuditEvent]) -> bool:
        """Pending -> revoked, its queued deliveries abandoned; a claimed one when it is released. False: it was dead."""
        parameters = {"id": request_id, "now": micros(now), "why": why}
        lines = [event_parameters(event) for event in events]
        return await self._writer.run(lambda c: requests.revoke(c, parameters, lines), link=request_id)

    async def disown(
        self, request_id: str, now: datetime, reports: Sequence[Delivery], events: Sequence[AuditEvent]
    ) -> bool:
        """Mark a request as disowned and revoke all living links of its user. False when it was so already."""
        messages = [delivery_parameters(report) for report in reports]
        lines = [event_parameters(event) for event in events]
        return await self._writer.run(
            lambda c: requests.disown(c, request_id, micros(now), messages, lines), rings=bool(messages)
        )

    async def expired_claims(self, now: datetime, limit: int) -> tuple[ResetRequest, ...]:
        """Claims whose lease is over: their process died in the middle."""
        return await self._read(lambda c: requests.expired_claims(c, now, limit))

    # --- the second factor ---------------------------------------------------------------------------------------

    async def challenge(self, request_id: str) -> Challenge | None:
        """What is known of the tries at this link's second factor."""
        return await self._read(lambda c: challenges.get(c, request_id))

    async def renew_challenge(
        self,
        challenge: Challenge,
        deliveries: Sequence[Delivery],
        events: Sequence[AuditEvent],
        *,
        before: datetime,
        most: int,
    ) -> bool:
        """A new code in the place of the last one, with its messages. See `Store.renew_challenge`."""
        parameters: dict[str, object] = {
            "request_id": challenge.request_id,
            "mark": challenge.mark,
            "sent_at": micros(challenge.sent_at),
            "expires_at": micros(challenge.expires_at),
            "before": micros(before),
            "most": most,
        }
        messages = [delivery_parameters(delivery) for delivery in deliveries]
        lines = [event_parameters(event) for event in events]
        return await self._writer.run(lambda c: challenges.renew(c, parameters, messages, lines))

    async def take_try(self, request_id: str, now: datetime, most: int, most_in_all: int) -> Challenge | None:
        """Count one try at a second factor; None when there is none left."""
        parameters: dict[str, object] = {
            "request_id": request_id,
            "now": micros(now),
            "most": most,
            "most_in_all": most_in_all,
        }
        return await self._writer.run(lambda c: challenges.take_try(c, parameters))

    async def return_try(self, request_id: str) -> None:
        """Take one back of the link's total. See `Store.return_try`."""
        await self._writer.run(lambda c: challenges.return_try(c, request_id))

    async def spend_code(self, request_id: str, mark: bytes, by: bytes, events: Sequence[AuditEvent]) -> bool:
        """Mark the code of this mark as used by this form. False when another form has, or it is replaced."""
        parameters: dict[str, object] = {"request_id": request_id, "mark": mark, "by": by}
        lines = [event_parameters(event) for event in events]
        return await self._writer.run(lambda c: challenges.spend(c, parameters, lines))

    # --- deliveries ----------------------------------------------------------------------------------------------

    async def deliveries(self, request_id: str) -> tuple[Delivery, ...]:
        """The deliveries of a request, oldest first."""
        return await self._read(lambda c: outbox.of_request(c, request_id))

    async def take_deliveries(
        self, channel: Channel, now: datetime, until: datetime, limit: int
    ) -> tuple[Delivery, ...]:
        """Lease queued deliveries of a channel that are due, oldest due first; nobody else gets them before `until`."""
        return await self._writer.run(lambda c: outbox.take(c, channel, now, until, limit))

    async def reclaim(self, now: datetime) -> int:
        """Make all queued deliveries due now: what a process that died had under way. Says how many were not."""
        return await self._writer.run(lambda c: outbox.reclaim(c, now))

    async def settle_deliveries(self, settlements: Sequence[Settlement], events: Sequence[AuditEvent]) -> None:
        """Outcomes of attempts. SENT and ABANDONED erase the body; a reset link that was sent supersedes older ones."""
        outcomes = outbox.Outcomes(settlements, [event_parameters(event) for event in events])
        await self._writer.share(outbox.settle, outcomes)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """The delivery of this id."""
        return await self._read(lambda c: outbox.get(c, delivery_id))

    async def report(self, delivery: Delivery, report: Report, events: Sequence[AuditEvent]) -> bool:
        """Keep a delivery report, whatever state the delivery is in. False: it says nothing new."""
        parameters: dict[str, object] = {
            "id": delivery.id,
            "report": report.state.value,
            "weight": report.state.weight,
            "at": micros(report.at),
            "detail": report.detail,
        }
        lines = [event_parameters(event) for event in events]
        return await self._writer.run(lambda c: outbox.report(c, parameters, lines), link=delivery.request_id)

    async def seals(self, length: int) -> frozenset[bytes]:
        """The first bytes of the sealed bodies that wait."""
        return await self._lister.run(lambda c: outbox.seals(c, length))

    async def next_due(self) -> datetime | None:
        """When the earliest queued delivery is due."""
        return await self._read(outbox.next_due)

    async def sms_since(self, since: datetime) -> tuple[tuple[datetime, str], ...]:
        """The SMS deliveries created since then, oldest first: when, and to which number."""
        return await self._lister.run(lambda c: outbox.sms_since(c, since))

    # --- the audit trail -----------------------------------------------------------------------------------------

    async def record(self, events: Sequence[AuditEvent]) -> None:
        """Append to the audit trail."""
        lines = [event_parameters(event) for event in events]
        await self._writer.run(lambda c: trail.record(c, lines))

    async def audit(self, after: int, limit: int) -> tuple[AuditEvent, ...]:
        """Audit events in order, beginning behind the sequence `after`."""
        return await self._lister.run(lambda c: trail.events_after(c, after, limit))

    async def chain_audit(self, key: bytes) -> int:
        """Chain what was committed since the last time. Says how many events."""
        chained, count = 0, trail.EVENTS_PER_BLOCK
        # A block that is not full ends it: under load there is always one more event, and a block for each would cost
        # as much as the events.
        while count == trail.EVENTS_PER_BLOCK:
            link = await self._lister.run(lambda c: trail.forge(c, key))
            if link is None or not await self._carer.run(_attaching(link)):
                break
            count = len(link.events)
            chained += count
        return chained

    async def verify_audit(self, keys: Sequence[bytes]) -> str | None:
        """The first place where chained events are not as they were written, in words; None when all are."""
        progress = trail.Progress(in_order=self._in_order)
        while not progress.done:
            progress = await self._lister.run(_verifying(keys, progress))
        return progress.broken

    # --- care ----------------------------------------------------------------------------------------------------

    async def counts(self, now: datetime) -> Mapping[str, int]:
        """Live and claimed links, queued and abandoned deliveries."""
        return await self._lister.run(lambda c: requests.counts(c, now))

    async def purge(self, before: datetime) -> Mapping[str, int]:
        """Delete what is over since before then, in steps between which others write; says how many of each."""
        limit, now = micros(before), self._clock.now()
        gone = {"requests": 0, "deliveries": 0, "events": 0}
        while True:
            old, messages = await self._carer.run(lambda c: requests.delete_old(c, limit, ROWS_PER_STEP))
            gone["requests"] += old
            gone["deliveries"] += messages
            if old < ROWS_PER_STEP:
                break
        while events := await self._carer.run(lambda c: trail.purge_step(c, limit, now)):
            gone["events"] += events
        return gone


def _of_claim(request_id: str, now: datetime, lease: datetime | None) -> dict[str, object]:
    return {"id": request_id, "now": micros(now), "lease": None if lease is None else micros(lease)}


def _attaching(link: trail.Link) -> Callable[[Connection], bool]:
    return lambda c: trail.attach(c, link)


def _verifying(keys: Sequence[bytes], progress: trail.Progress) -> Callable[[Connection], trail.Progress]:
    return lambda c: trail.verify_step(c, keys, progress)
