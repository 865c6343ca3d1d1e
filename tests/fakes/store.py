"""A store in memory with the semantics of the real one: tests/contract/test_store.py runs on both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pwreset.errors import SentAlready, StoreUnavailable
from pwreset.reset import audit
from pwreset.reset.model import (
    AuditEvent,
    Challenge,
    Channel,
    Delivery,
    DeliveryState,
    MessageName,
    Report,
    RequestFilter,
    RequestState,
    ResetRequest,
    ServerHealth,
    Settlement,
)
from pwreset.reset.ports import Clock

ALIVE = (RequestState.PENDING, RequestState.CLAIMED)
OF_THE_LINK = (MessageName.RESET_LINK, MessageName.ASKED_LINK, MessageName.RESET_CODE)


class FakeStore:
    """`Store`. `down` makes every method raise StoreUnavailable."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.down = False
        self.requests: dict[str, ResetRequest] = {}
        self.messages: dict[str, Delivery] = {}
        self.events: list[AuditEvent] = []
        self._doom: dict[str, str] = {}
        self._born = 0
        self._once: dict[str, str] = {}
        self.challenges: dict[str, Challenge] = {}
        self.worked = True
        self._told = 0
        self._blocks: list[tuple[bytes, tuple[AuditEvent, ...]]] = []  # chained events with the key of their block

    def _refuse_if_down(self) -> None:
        if self.down:
            raise StoreUnavailable

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
        self._refuse_if_down()
        if request.id in self.requests or any(request.digest == other.digest for other in self.requests.values()):
            raise StoreUnavailable
        if once in self._once:
            raise SentAlready(self._once[once])
        if once:
            self._once[once] = request.id
        self._born += 1
        born = replace(request, sequence=self._born, state=RequestState.PENDING)
        self.requests[request.id] = born
        self._queue(deliveries)
        self._tell(events)
        if supersede:
            self._end_others(born, born.created_at, "superseded", older_only=True)

    async def sent_once(self, key: str) -> str | None:
        self._refuse_if_down()
        request_id = self._once.get(key)
        return request_id if request_id in self.requests else None

    async def is_worked(self) -> bool:
        self._refuse_if_down()
        return self.worked

    async def find(self, digests: Sequence[bytes]) -> ResetRequest | None:
        self._refuse_if_down()
        return next((request for request in self.requests.values() if request.digest in digests), None)

    async def get(self, request_id: str) -> ResetRequest | None:
        self._refuse_if_down()
        return self.requests.get(request_id)

    async def list(self, wanted: RequestFilter, now: datetime) -> tuple[ResetRequest, ...]:
        self._refuse_if_down()
        newest_first = sorted(self.requests.values(), key=lambda request: -request.sequence)
        return tuple(request for request in newest_first if _fits(request, wanted, now))[: wanted.limit]

    async def supersede(self, request_id: str, now: datetime) -> int:
        self._refuse_if_down()
        request = self.requests.get(request_id)
        return 0 if request is None else self._end_others(request, now, "superseded", older_only=True)

    async def claim(self, request_id: str, now: datetime, until: datetime, mark: str) -> bool:
        self._refuse_if_down()
        request = self.requests.get(request_id)
        if request is None or request.state is not RequestState.PENDING or request.expires_at <= now:
            return False
        if any(other.claimed_until is not None and other.claimed_until > now for other in self._others(request)):
            return False
        self.requests[request_id] = replace(request, state=RequestState.CLAIMED, claimed_until=until, claim_mark=mark)
        return True

    async def release(
        self, request_id: str, now: datetime, events: Sequence[AuditEvent], *, lease: datetime | None = None
    ) -> bool:
        self._refuse_if_down()
        request = self._claimed(request_id, lease)
        if request is None:
            return False
        freed = replace(request, state=RequestState.PENDING, claimed_until=None, claim_mark="")
        self.requests[request_id] = freed
        if request_id in self._doom:
            self._end(freed, now, self._doom[request_id])
        self._tell(events)
        return True

    async def settle(
        self,
        request_id: str,
        now: datetime,
        notices: Sequence[Delivery],
        events: Sequence[AuditEvent],
        *,
        lease: datetime | None = None,
    ) -> bool:
        self._refuse_if_down()
        request = self._claimed(request_id, lease)
        if request is None:
            return False
        self.requests[request_id] = replace(
            request, state=RequestState.USED, claimed_until=None, settled_at=now, settled_why="used"
        )
        self._end_others(request, now, "password-set", older_only=False)
        self._abandon(request_id, now, "the link has been used", OF_THE_LINK)
        self._queue(notices)
        self._tell(events)
        return True

    async def revoke(self, request_id: str, now: datetime, why: str, events: Sequence[AuditEvent]) -> bool:
        self._refuse_if_down()
        request = self.requests.get(request_id)
        if request is None or request.state not in ALIVE:
            return False
        if request.state is RequestState.CLAIMED:
            self._doom.setdefault(request_id, why)
            self._abandon(request_id, now, "the link is dead")
        else:
            self._end(request, now, why)
        self._tell(events)
        return True

    async def disown(
        self, request_id: str, now: datetime, reports: Sequence[Delivery], events: Sequence[AuditEvent]
    ) -> bool:
        self._refuse_if_down()
        request = self.requests.get(request_id)
        if request is None or "disowned" in (request.settled_why, self._doom.get(request_id)):
            return False
        if request.state is RequestState.CLAIMED:
            self._doom[request_id] = "disowned"
        elif request.state is RequestState.PENDING:
            self._end(request, now, "disowned")
        else:
            self.requests[request_id] = replace(request, settled_why="disowned")
        self._abandon(request_id, now, "the link is dead", OF_THE_LINK)
        self._end_others(request, now, "disowned", older_only=False)
        self._queue(reports)
        self._tell(events)
        return True

    async def expired_claims(self, now: datetime, limit: int) -> tuple[ResetRequest, ...]:
        self._refuse_if_down()
        over = [
            (request.claimed_until, request)
            for request in self.requests.values()
            if request.claimed_until is not None and request.claimed_until <= now
        ]
        return tuple(request for _, request in sorted(over, key=lambda pair: pair[0]))[:limit]

    def _claimed(self, request_id: str, lease: datetime | None) -> ResetRequest | None:
        request = self.requests.get(request_id)
        if request is None or request.state is not RequestState.CLAIMED:
            return None
        return request if lease in (None, request.claimed_until) else None

    def _others(self, request: ResetRequest) -> Iterator[ResetRequest]:
        for other in list(self.requests.values()):
            same_user = (other.domain, other.user_id) == (request.domain, request.user_id)
            if same_user and other.id != request.id and other.state in ALIVE:
                yield other

    def _end_others(self, request: ResetRequest, now: datetime, why: str, *, older_only: bool) -> int:
        ended = 0
        for other in self._others(request):
            if older_only and other.sequence > request.sequence:
                continue
            if other.state is RequestState.CLAIMED:
                self._doom.setdefault(other.id, why)
            else:
                self._end(other, now, why)
                ended += 1
        return ended

    def _end(self, request: ResetRequest, now: datetime, why: str) -> None:
        self.requests[request.id] = replace(request, state=RequestState.REVOKED, settled_at=now, settled_why=why)
        self._abandon(request.id, now, "the link is dead")

    # --- the second factor ---------------------------------------------------------------------------------------

    async def challenge(self, request_id: str) -> Challenge | None:
        self._refuse_if_down()
        return self.challenges.get(request_id)

    async def renew_challenge(
        self,
        challenge: Challenge,
        deliveries: Sequence[Delivery],
        events: Sequence[AuditEvent],
        *,
        before: datetime,
        most: int,
    ) -> bool:
        self._refuse_if_down()
        last = self.challenges.get(challenge.request_id)
        if last is not None and (last.sent_at > before or last.codes >= most):
            return False
        codes, total = (0, 0) if last is None else (last.codes, last.total)
        self.challenges[challenge.request_id] = replace(challenge, tries=0, total=total, codes=codes + 1, spent_by=b"")
        self._abandon(challenge.request_id, challenge.sent_at, "replaced by a newer code", (MessageName.RESET_CODE,))
        self._queue(deliveries)
        self._tell(events)
        return True

    async def take_try(self, request_id: str, now: datetime, most: int, most_in_all: int) -> Challenge | None:
        self._refuse_if_down()
        known = self.challenges.get(request_id)
        if known is None or known.expires_at <= now or known.tries >= most or known.total >= most_in_all:
            return None
        counted = replace(known, tries=known.tries + 1, total=known.total + 1)
        self.challenges[request_id] = counted
        return counted

    async def return_try(self, request_id: str) -> None:
        self._refuse_if_down()
        known = self.challenges.get(request_id)
        if known is not None and known.total > 0:
            self.challenges[request_id] = replace(known, total=known.total - 1)

    async def spend_code(self, request_id: str, mark: bytes, by: bytes, events: Sequence[AuditEvent]) -> bool:
        self._refuse_if_down()
        known = self.challenges.get(request_id)
        if known is None or known.mark != mark or known.spent_by not in (b"", by):
            return False
        if not known.spent_by:
            self.challenges[request_id] = replace(known, spent_by=by)
            self._tell(events)
        return True

    # --- deliveries ----------------------------------------------------------------------------------------------

    async def deliveries(self, request_id: str) -> tuple[Delivery, ...]:
        self._refuse_if_down()
        return tuple(message for message in self.messages.values() if message.request_id == request_id)

    async def take_deliveries(
        self, channel: Channel, now: datetime, until: datetime, limit: int
    ) -> tuple[Delivery, ...]:
        self._refuse_if_down()
        due = [message for message in self._queued() if message.recipient.channel is channel and message.due_at <= now]
        taken = tuple(
            replace(message, due_at=until) for message in sorted(due, key=lambda message: message.due_at)[:limit]
        )
        self.messages.update({message.id: message for message in taken})
        return taken

    async def reclaim(self, now: datetime) -> int:
        self._refuse_if_down()
        later = [message for message in self._queued() if message.due_at > now]
        self.messages.update({message.id: replace(message, due_at=now) for message in later})
        return len(later)

    async def settle_deliveries(self, settlements: Sequence[Settlement], events: Sequence[AuditEvent]) -> None:
        self._refuse_if_down()
        sent = [link for link in map(self._settle, settlements) if link is not None]
        for request, at in sent:  # once all that was sent is noted: an older link's message may be among it
            self._end_others(request, at, "superseded", older_only=True)
        self._tell(events)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        self._refuse_if_down()
        return self.messages.get(delivery_id)

    async def report(self, delivery: Delivery, report: Report, events: Sequence[AuditEvent]) -> bool:
        self._refuse_if_down()
        kept = self.messages.get(delivery.id)
        if kept is None or (kept.report is not None and kept.report.state.weight >= report.state.weight):
            return False
        self.messages[delivery.id] = replace(kept, report=report)
        self._tell(events)
        return True

    async def seals(self, length: int) -> frozenset[bytes]:
        self._refuse_if_down()
        return frozenset(message.body[:length] for message in self._queued())

    async def next_due(self) -> datetime | None:
        self._refuse_if_down()
        return min((message.due_at for message in self._queued()), default=None)

    async def sms_since(self, since: datetime) -> tuple[tuple[datetime, str], ...]:
        self._refuse_if_down()
        found = [
            (message.created_at, message.recipient.address)
            for message in self.messages.values()
            if message.recipient.channel is Channel.SMS and message.created_at >= since
        ]
        return tuple(sorted(found, key=lambda one: one[0]))

    def _settle(self, settlement: Settlement) -> tuple[ResetRequest, datetime] | None:
        """Write an outcome down. The link that it was, if it was sent, and when."""
        message = self.messages.get(settlement.delivery_id)
        if message is None or message.state is not DeliveryState.QUEUED:
            return None
        tried = replace(message, attempts=message.attempts + 1, detail=settlement.detail)
        if settlement.state is DeliveryState.QUEUED:
            self.messages[message.id] = replace(tried, due_at=settlement.due_at or settlement.at)
            return None
        self.messages[message.id] = replace(tried, state=settlement.state, settled_at=settlement.at, body=b"")
        if settlement.state is DeliveryState.SENT and message.message is MessageName.RESET_LINK:
            return self.requests[message.request_id], settlement.at
        return None

    def _queued(self) -> Sequence[Delivery]:
        return [message for message in self.messages.values() if message.state is DeliveryState.QUEUED]

    def _queue(self, deliveries: Sequence[Delivery]) -> None:
        self.messages.update({delivery.id: replace(delivery, state=DeliveryState.QUEUED) for delivery in deliveries})

    def _abandon(
        self, request_id: str, now: datetime, why: str, only: tuple[MessageName, ...] = tuple(MessageName)
    ) -> None:
        for message in self._queued():
            if message.request_id == request_id and message.message in only:
                self.messages[message.id] = replace(
                    message, state=DeliveryState.ABANDONED, settled_at=now, detail=why, body=b""
                )

    # --- the audit trail -----------------------------------------------------------------------------------------

    async def record(self, events: Sequence[AuditEvent]) -> None:
        self._refuse_if_down()
        self._tell(events)

    async def audit(self, after: int, limit: int) -> tuple[AuditEvent, ...]:
        self._refuse_if_down()
        return tuple(event for event in self.events if event.sequence > after)[:limit]

    async def chain_audit(self, key: bytes) -> int:
        self._refuse_if_down()
        chained = self._chained()
        rest = tuple(event for event in self.events if event.sequence > chained)
        if rest:
            self._blocks.append((key, rest))
        return len(rest)

    def _chained(self) -> int:
        return self._blocks[-1][1][-1].sequence if self._blocks else 0

    async def verify_audit(self, keys: Sequence[bytes]) -> str | None:
        self._refuse_if_down()
        known = {event.sequence: event for event in self.events}
        for key, block in self._blocks:
            if key not in keys or any(known.get(event.sequence) != event for event in block):
                return f"events {block[0].sequence} to {block[-1].sequence} are not as they were written"
        return None

    def _tell(self, events: Sequence[AuditEvent]) -> None:
        for event in events:
            self._told += 1
            self.events.append(replace(event, sequence=self._told))

    # --- care ----------------------------------------------------------------------------------------------------

    async def counts(self, now: datetime) -> Mapping[str, int]:
        self._refuse_if_down()
        requests, queued = list(self.requests.values()), self._queued()
        return {
            "live_links": sum(request.state in ALIVE and request.expires_at > now for request in requests),
            "claimed_links": sum(request.state is RequestState.CLAIMED for request in requests),
            "queued_mail": sum(message.recipient.channel is Channel.MAIL for message in queued),
            "queued_sms": sum(message.recipient.channel is Channel.SMS for message in queued),
            "abandoned_deliveries": sum(message.state is DeliveryState.ABANDONED for message in self.messages.values()),
            "oldest_mail_seconds": _age([m.created_at for m in queued if m.recipient.channel is Channel.MAIL], now),
            "oldest_sms_seconds": _age([m.created_at for m in queued if m.recipient.channel is Channel.SMS], now),
            "unchained_seconds": _age([event.at for event in self.events if event.sequence > self._chained()][:1], now),
        }

    async def purge(self, before: datetime) -> Mapping[str, int]:
        self._refuse_if_down()
        old = [request.id for request in self.requests.values() if self._is_old(request, before)]
        messages = [message.id for message in self.messages.values() if message.request_id in old]
        for request_id in old:
            del self.requests[request_id]
            self.challenges.pop(request_id, None)
        for message_id in messages:
            del self.messages[message_id]
        return {"requests": len(old), "deliveries": len(messages), "events": self._purge_events(before)}

    def _is_old(self, request: ResetRequest, before: datetime) -> bool:
        over = request.settled_at
        if request.state is RequestState.PENDING:
            over = request.expires_at
        waits = any(message.request_id == request.id and message.not_after >= before for message in self._queued())
        return over is not None and over < before and not waits

    def _purge_events(self, before: datetime) -> int:
        gone: list[AuditEvent] = []
        while len(self._blocks) > 1 and self._blocks[0][1][-1].at < before:
            gone += self._blocks.pop(0)[1]
        if gone:
            last = gone[-1].sequence
            self.events = [event for event in self.events if event.sequence > last]
            self._tell([audit.by_service(audit.Event.AUDIT_PURGED, self._clock.now(), up_to=last, events=len(gone))])
        return len(gone)

    async def health(self) -> ServerHealth:
        return ServerHealth("fake", ok=not self.down)

    async def close(self) -> None:
        """Keeps what it holds, so that a test can look."""


def _fits(request: ResetRequest, wanted: RequestFilter, now: datetime) -> bool:
    expired = request.state is RequestState.PENDING and request.expires_at <= now
    state = "expired" if expired else request.state.value
    return (
        (wanted.domains is None or request.domain in wanted.domains)
        and (wanted.user is None or wanted.user == request.user_id or _same(wanted.user, request.user_login))
        and (wanted.state is None or wanted.state == state)
        and (wanted.before is None or request.sequence < wanted.before)
    )


def _same(one: str, other: str) -> bool:
    """Without regard to the letter case of ASCII, which is what SQLite's NOCASE does."""
    return one.encode().lower() == other.encode().lower()


def _age(times: Sequence[datetime], now: datetime) -> int:
    """Whole seconds since the earliest of these times; 0 when there is none."""
    return max(0, (now - min(times)) // timedelta(seconds=1)) if times else 0
