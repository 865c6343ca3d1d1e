"""Use case: carry deliveries out of the outbox.

A message is written down first, then handed over, then its outcome is written down; nothing waits inside a transaction.
Two failures only: deferred (tried again later, until the message's time is over) and refused (never again). A process
that dies between a relay's "yes" and our note of it sends that one message twice: the lease of the delivery ends and the
worker takes it up again. Why there is no other such moment: docs/explanation/never-lost.md.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from time import monotonic as real_time
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import DeliveryDeferred, DeliveryRefused, SealBroken, StoreUnavailable
from pwreset.reset import audit
from pwreset.reset.model import AuditEvent, Channel, Content, Delivery, DeliveryState, Envelope, Settlement
from pwreset.reset.pace import Pace, Quota
from pwreset.reset.reports import report_address

if TYPE_CHECKING:
    from pwreset.reset.services import Services

ATTEMPT_SECONDS = 60.0  # one attempt may take no longer, whatever the transport's own deadlines add up to
LEASE = timedelta(seconds=90)  # longer than an attempt
WRITE_AGAIN_SECONDS = 1.0
FIRST_ATTEMPTS_PER_SLOT = 4  # calls that may queue for a slot; beyond that the worker takes the message, in its turn

log = logs.get("dispatch")


class Outcome(Enum):
    """What became of an attempt."""

    SENT = "sent"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNDER_WAY = "under-way"


class Outbox:
    """The attempts under way in this process, each channel for itself, and a bell for the worker.

    A relay that is slow holds its own slots only: the gateway's messages go on as fast as ever.
    """

    def __init__(self, quotas: Mapping[Channel, Quota], monotonic: Callable[[], float] = real_time) -> None:
        """`monotonic` counts the seconds of the paces."""
        self._slots = {channel: asyncio.Semaphore(quota.at_once) for channel, quota in quotas.items()}
        self._paces = {channel: Pace(quota.per_second, monotonic) for channel, quota in quotas.items()}
        self._at_once = {channel: quota.at_once for channel, quota in quotas.items()}
        self._waiting = dict.fromkeys(quotas, 0)
        self._tasks: set[asyncio.Task[Outcome]] = set()
        self.bell = asyncio.Event()

    def free_slots(self, channel: Channel) -> int:
        """How many deliveries of a channel the worker may take now."""
        free = max(0, self._at_once[channel] - self._waiting[channel])
        room = self._paces[channel].room()
        return free if room is None else min(free, room)

    def has_room(self, channels: Sequence[Channel]) -> bool:
        """Whether a first attempt on these channels would begin soon."""
        return all(
            self._waiting[channel] < self._at_once[channel] * FIRST_ATTEMPTS_PER_SLOT
            and self._paces[channel].room() != 0
            for channel in channels
        )

    def seconds_to_room(self) -> float:
        """How long until a channel whose pace is used up has a turn again; 0 when none is."""
        return min((wait for pace in self._paces.values() if (wait := pace.wait()) > 0), default=0.0)

    def start(self, delivery: Delivery, services: Services, content: Content | None = None) -> asyncio.Task[Outcome]:
        """Begin an attempt at a delivery that this process has leased; `content`, if it need not be opened first.

        The task never raises.
        """
        self._waiting[delivery.recipient.channel] += 1
        task = asyncio.create_task(self._attempt_in_slot(delivery, content, services))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, seconds: float) -> None:
        """Give the attempts under way time to end, then leave them to the next process."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _attempt_in_slot(self, delivery: Delivery, content: Content | None, services: Services) -> Outcome:
        channel = delivery.recipient.channel
        try:
            async with self._slots[channel]:
                await self._paces[channel].turn()
                if services.clock.now() + timedelta(seconds=ATTEMPT_SECONDS) > delivery.due_at:
                    return Outcome.DEFERRED  # it queued for so long that its lease might end during the attempt
                return await _attempt_and_settle(delivery, content, services)
        except StoreUnavailable:
            log.warning("outcome of a delivery not written down", delivery=delivery.id)
            return Outcome.DEFERRED
        finally:
            self._waiting[channel] -= 1
            self.bell.set()


async def outcomes(tasks: Sequence[asyncio.Task[Outcome]], seconds: float) -> tuple[Outcome, ...]:
    """The outcomes of attempts after at most so many seconds; those not ended go on and are UNDER_WAY."""
    if tasks and seconds > 0:
        await asyncio.wait(tasks, timeout=seconds)
    return tuple(task.result() if task.done() and not task.cancelled() else Outcome.UNDER_WAY for task in tasks)


async def _attempt_and_settle(delivery: Delivery, content: Content | None, services: Services) -> Outcome:
    outcome, detail = await _attempt(delivery, content, services)
    now = services.clock.now()
    attempts = delivery.attempts + 1
    most = services.settings.delivery.attempts
    given_up = outcome is Outcome.DEFERRED and most > 0 and attempts >= most
    if given_up:
        outcome, detail = Outcome.REFUSED, f"{detail}; given up after {attempts} attempts"
    settlement = Settlement(
        delivery_id=delivery.id,
        state=_STATES[outcome],
        at=now,
        due_at=_next_try(delivery, attempts, now, services) if outcome is Outcome.DEFERRED else None,
        detail=detail,
    )
    event = _EVENTS.get(outcome)
    events = (
        [
            audit.by_service(
                event,
                now,
                domain=delivery.domain,
                request_id=delivery.request_id,
                channel=delivery.recipient.channel.value,
                message=delivery.message.value,
                attempts=attempts,
                detail=detail,
            )
        ]
        if event
        else []
    )
    await _write_down(settlement, events, delivery.due_at, services)
    given_up = given_up or (outcome is Outcome.REFUSED and delivery.not_after <= now)
    services.metrics.delivered(delivery.recipient.channel.value, "abandoned" if given_up else outcome.value)
    tell = log.warning if outcome is Outcome.REFUSED else log.info
    tell("delivery", delivery=delivery.id, outcome=outcome.value, attempts=attempts, detail=detail)
    return outcome


async def _write_down(
    settlement: Settlement, events: Sequence[AuditEvent], lease: datetime, services: Services
) -> None:
    """Write an outcome down, again and again while the lease lasts: a message sent and not noted is sent twice.

    Raises StoreUnavailable when the lease ends before the store is back.
    """
    while True:
        try:
            await services.store.settle_deliveries([settlement], events)
        except StoreUnavailable:
            if services.clock.now() + timedelta(seconds=WRITE_AGAIN_SECONDS) >= lease:
                raise
            log.warning("outcome of a delivery not written down yet", delivery=settlement.delivery_id)
            await asyncio.sleep(WRITE_AGAIN_SECONDS)
        else:
            return


_STATES = {
    Outcome.SENT: DeliveryState.SENT,
    Outcome.REFUSED: DeliveryState.ABANDONED,
    Outcome.DEFERRED: DeliveryState.QUEUED,
}
_EVENTS = {Outcome.SENT: audit.Event.DELIVERY_SENT, Outcome.REFUSED: audit.Event.DELIVERY_ABANDONED}


async def _attempt(delivery: Delivery, content: Content | None, services: Services) -> tuple[Outcome, str]:
    """One attempt: what became of it, and why when it failed."""
    try:
        await _hand_over(delivery, content, services)
    except DeliveryDeferred as error:
        return Outcome.DEFERRED, error.detail
    except (DeliveryRefused, SealBroken) as error:
        return Outcome.REFUSED, str(error)
    except TimeoutError:
        return Outcome.DEFERRED, "no answer in time"
    except Exception:
        # A bug in one transport must not lose the message nor stop the others.
        log.exception("delivery failed unexpectedly", delivery=delivery.id)
        return Outcome.DEFERRED, "unexpected failure"
    return Outcome.SENT, ""


async def _hand_over(delivery: Delivery, content: Content | None, services: Services) -> None:
    if delivery.not_after <= services.clock.now():
        raise DeliveryRefused(f"not sent in time: {delivery.detail or 'nobody tried'}")
    transport = services.transports.get(delivery.recipient.channel)
    if transport is None:
        raise DeliveryDeferred("no transport is configured")
    if content is None:
        content = services.sealer.open(delivery.body, delivery.id, delivery.recipient)
    envelope = Envelope(
        delivery.id,
        delivery.domain,
        delivery.recipient,
        content,
        delivery.created_at,
        report_address(delivery, services),
    )
    began = real_time()
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            await transport.send(envelope)
    finally:
        services.metrics.transport_took(envelope.recipient.channel.value, real_time() - began)


def _next_try(delivery: Delivery, attempts: int, now: datetime, services: Services) -> datetime:
    """After a pause; at the message's deadline at the latest, to abandon it then and not some pause later."""
    return min(now + _pause(attempts, services), max(now, delivery.not_after))


def _pause(attempts: int, services: Services) -> timedelta:
    """Doubled each time up to the longest one, give or take a fifth so that a queue does not come back at once."""
    settings = services.settings.delivery
    seconds: float = min(settings.backoff_seconds * 2 ** min(attempts - 1, 30), settings.max_backoff_seconds)
    return timedelta(seconds=seconds * (0.8 + 0.4 * secrets.randbelow(1000) / 1000))


def lease_until(now: datetime) -> datetime:
    """Until when a delivery taken now is nobody else's."""
    return now + LEASE
