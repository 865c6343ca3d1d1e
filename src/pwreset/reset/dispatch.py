"""Use case: carry deliveries out of the outbox.

A message is written down first, then handed over, then its outcome is written down; nothing waits inside a transaction.
Two failures only: deferred (tried again later) and refused (never again). A process that dies between a relay's "yes"
and our note of it sends that one message twice: the lease of the delivery ends and the worker takes it up again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import DeliveryDeferred, DeliveryRefused, SealBroken, StoreUnavailable
from pwreset.reset import audit
from pwreset.reset.model import Channel, Content, Delivery, DeliveryState, Envelope, Settlement

if TYPE_CHECKING:
    from pwreset.reset.services import Services

ATTEMPT_SECONDS = 60.0  # one attempt may take no longer, whatever the transport's own deadlines add up to
LEASE = timedelta(seconds=90)  # longer than an attempt
FIRST_ATTEMPTS_PER_SLOT = 4  # calls that may queue for a slot; beyond that the worker takes the message, in its turn

log = logs.get("dispatch")


class Outcome(Enum):
    """What became of an attempt."""

    SENT = "sent"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNDER_WAY = "under-way"


class Outbox:
    """The attempts under way in this process: so many at once per channel, and a bell for the worker."""

    def __init__(self, slots_per_channel: int) -> None:
        self._slots = {channel: asyncio.Semaphore(slots_per_channel) for channel in Channel}
        self._slots_per_channel = slots_per_channel
        self._waiting = dict.fromkeys(Channel, 0)
        self._tasks: set[asyncio.Task[Outcome]] = set()
        self.bell = asyncio.Event()

    def free_slots(self, channel: Channel) -> int:
        """How many deliveries of a channel the worker may take now."""
        return max(0, self._slots_per_channel - self._waiting[channel])

    def has_room(self, channels: Sequence[Channel]) -> bool:
        """Whether a first attempt on these channels would begin soon."""
        return all(self._waiting[channel] < self._slots_per_channel * FIRST_ATTEMPTS_PER_SLOT for channel in channels)

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
    if outcome is Outcome.DEFERRED and attempts >= services.settings.delivery.attempts:
        outcome, detail = Outcome.REFUSED, f"{detail}; given up after {attempts} attempts"
    settlement = Settlement(
        delivery_id=delivery.id,
        state=_STATES[outcome],
        at=now,
        due_at=now + _pause(attempts, services) if outcome is Outcome.DEFERRED else None,
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
    await services.store.settle_deliveries([settlement], events)
    log.info("delivery", delivery=delivery.id, outcome=outcome.value, attempts=attempts, detail=detail)
    return outcome


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
        raise DeliveryRefused("its time is over")
    transport = services.transports.get(delivery.recipient.channel)
    if transport is None:
        raise DeliveryDeferred("no transport is configured")
    if content is None:
        content = services.sealer.open(delivery.body, delivery.id, delivery.recipient)
    envelope = Envelope(delivery.id, delivery.domain, delivery.recipient, content, delivery.created_at)
    async with asyncio.timeout(ATTEMPT_SECONDS):
        await transport.send(envelope)


def _pause(attempts: int, services: Services) -> timedelta:
    """Doubled each time up to the longest one, give or take a fifth so that a queue does not come back at once."""
    settings = services.settings.delivery
    seconds: float = min(settings.backoff_seconds * 2 ** min(attempts - 1, 30), settings.max_backoff_seconds)
    return timedelta(seconds=seconds * (0.8 + 0.4 * secrets.randbelow(1000) / 1000))


def lease_until(now: datetime) -> datetime:
    """Until when a delivery taken now is nobody else's."""
    return now + LEASE
