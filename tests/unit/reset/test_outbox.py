"""The outbox on fakes: what is tried when, what is given up, and that no channel waits for another."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.reset.dispatch import Outbox
from pwreset.reset.model import Channel, Delivery, DeliveryState
from pwreset.reset.pace import Pace, Quota
from pwreset.reset.worker import start_due_deliveries
from tests.fakes.clock import FakeClock
from tests.fakes.world import World, a_user

JANE = "jane@example.org"


async def work_once(world: World) -> None:
    """Let the worker take what is due, and see it through."""
    await start_due_deliveries(world.services)
    await world.services.outbox.drain(10)


async def the_delivery(world: World, request_id: str) -> Delivery:
    [delivery] = await world.store.deliveries(request_id)
    return delivery


async def test_a_message_is_tried_until_its_link_expires_and_then_abandoned_with_the_last_reason() -> None:
    world = World()
    world.mail.defer(JANE)
    sent = await world.send(lifetime_hours=1)
    request = world.store.requests[sent.request_id]
    tried_at = []
    while (delivery := await the_delivery(world, sent.request_id)).state is DeliveryState.QUEUED:
        tried_at.append(delivery.due_at)
        world.clock.set(delivery.due_at)
        await work_once(world)
    assert tried_at[-1] == request.expires_at == delivery.settled_at
    assert delivery.state is DeliveryState.ABANDONED
    assert delivery.detail == "not sent in time: the fake defers this address (451)"
    assert (await world.audit())[-1] == "delivery.abandoned"


async def test_the_pauses_grow_to_the_longest_one_and_differ() -> None:
    world = World({"delivery": {"backoff_seconds": 10, "max_backoff_seconds": 100}})
    world.mail.defer(JANE)
    sent = await world.send(lifetime_hours=24)
    pauses = []
    for _ in range(12):
        delivery = await the_delivery(world, sent.request_id)
        pauses.append((delivery.due_at - world.clock.now()).total_seconds())
        world.clock.set(delivery.due_at)
        await work_once(world)
    for pause, middle in zip(pauses, [10, 20, 40, 80, *[100] * 8], strict=True):
        assert 0.8 * middle <= pause <= 1.2 * middle
    assert len(set(pauses[4:])) > 1


async def test_a_message_is_abandoned_after_so_many_attempts_if_the_settings_say_so() -> None:
    world = World({"delivery": {"attempts": 2}})
    world.mail.defer(JANE)
    sent = await world.send()
    world.clock.advance(timedelta(minutes=1))
    await work_once(world)
    delivery = await the_delivery(world, sent.request_id)
    assert (delivery.state, delivery.attempts) == (DeliveryState.ABANDONED, 2)
    assert delivery.detail == "the fake defers this address (451); given up after 2 attempts"


async def test_a_relay_that_never_answers_does_not_slow_the_gateway() -> None:
    world = World({"limits": {"messages_per_destination_per_hour": 0}})
    for number in range(60):
        person = world.add(a_user(f"person{number}"))
        world.mail.hang(person.mails[0])
        # The first 20 mails are more than there are slots.
        await world.send(person.login, mode="MAIL" if number < 20 else "SMS", wait=0)
    while len(world.sms.sent) < 40:
        await start_due_deliveries(world.services)
        await asyncio.sleep(0)
    assert world.mail.sent == []
    await world.services.outbox.drain(0)


async def test_an_outcome_that_cannot_be_written_is_written_once_the_store_is_back() -> None:
    world = World()
    world.mail.hang(JANE)
    sent = await world.send(wait=0)
    await asyncio.sleep(0)
    world.store.down = True
    world.mail.accept(JANE)
    world.mail.answer_the_hanging()
    while not world.mail.sent:
        await asyncio.sleep(0)
    world.store.down = False
    await world.services.outbox.drain(10)
    assert (await the_delivery(world, sent.request_id)).state is DeliveryState.SENT
    assert len(world.mail.sent) == 1


async def test_a_call_beyond_the_pace_does_not_wait_and_its_message_goes_in_its_turn() -> None:
    world = World()
    slow = Outbox({channel: Quota(4, per_second=1 / 60) for channel in Channel}, world.clock.monotonic)
    world.services = world.services_with(slow)
    await world.send("jane")
    await world.send("john")
    assert len(world.mail.sent) == 1
    await start_due_deliveries(world.services)
    assert len(world.mail.sent) == 1
    assert 0 < slow.seconds_to_room() <= 60
    world.clock.advance(timedelta(minutes=1))
    await start_due_deliveries(world.services)
    await slow.drain(10)
    assert len(world.mail.sent) == 2


@given(
    rate=st.floats(0.01, 200),
    steps=st.lists(st.floats(0, 3), max_size=40),
)
def test_a_pace_is_never_exceeded_however_often_it_is_asked(rate: float, steps: list[float]) -> None:
    clock = FakeClock()
    pace = Pace(rate, clock.monotonic)
    turns: list[float] = []
    for step in steps:
        clock.advance(timedelta(seconds=step))
        room = pace.room()
        assert room is not None
        turns += [pace.book() for _ in range(room)]
    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in pairwise(turns))


@given(rate=st.floats(0.01, 200))
def test_after_the_wait_there_is_room(rate: float) -> None:
    clock = FakeClock()
    pace = Pace(rate, clock.monotonic)
    for _ in range(pace.room() or 0):
        pace.book()
    clock.advance(timedelta(seconds=pace.wait() + 0.001))
    assert pace.room() != 0


@pytest.mark.parametrize("channel", Channel)
def test_without_a_pace_only_the_slots_count(channel: Channel) -> None:
    outbox = Outbox(dict.fromkeys(Channel, Quota(7)))
    assert outbox.free_slots(channel) == 7
    assert outbox.seconds_to_room() == 0
