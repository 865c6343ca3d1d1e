"""What every store keeps to: one suite, run on the fake, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from pwreset.errors import SentAlready, StoreUnavailable
from pwreset.reset.model import (
    Challenge,
    Channel,
    Delivery,
    DeliveryMode,
    DeliveryState,
    Demand,
    Factor,
    MessageName,
    Report,
    ReportState,
    RequestFilter,
    RequestState,
    ResetRequest,
    Settlement,
)
from pwreset.reset.ports import Store
from pwreset.store.postgres import PostgresStore
from pwreset.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.records import (
    DAY,
    JANE,
    JOHN,
    MAIL,
    SMS,
    a_delivery,
    a_request,
    an_event,
    was_abandoned,
    was_deferred,
    was_sent,
)
from tests.fakes.store import FakeStore
from tests.servers.databases import server_of
from tests.servers.postgres import Database

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
KEY = b"k" * 32


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["fake", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    if request.param == "postgres":
        database: Database = request.getfixturevalue("database")
        opened = await PostgresStore.open(server_of(database), clock)
        yield opened
        await opened.close()
        return
    kept: Store = FakeStore(clock)
    if request.param == "sqlite":
        kept = await SqliteStore.open(tmp_path / "store.db", clock, exclusive=True)
    yield kept
    await kept.close()


async def state(store: Store, request_id: str) -> RequestState:
    request = await store.get(request_id)
    assert request is not None
    return request.state


async def why(store: Store, request_id: str) -> str:
    request = await store.get(request_id)
    assert request is not None
    return request.settled_why


# --- adding and finding ------------------------------------------------------------------------------------------


async def test_a_request_is_found_by_its_digest_as_it_was_written(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now(), sent_to=(MAIL, SMS), mode=DeliveryMode.MAILSMS)
    await store.add(request, [], [], supersede=False)
    found = await store.find([request.digest])
    assert found is not None
    assert replace(found, sequence=0) == request


async def test_a_request_with_a_key_is_written_once(store: Store, clock: FakeClock) -> None:
    first, second = a_request(clock.now()), a_request(clock.now())
    await store.add(first, [], [], supersede=False, once="key")
    with pytest.raises(SentAlready) as refused:
        await store.add(second, [a_delivery(second)], [an_event(clock.now())], supersede=True, once="key")
    assert refused.value.request_id == first.id
    assert await store.get(second.id) is None
    assert await store.deliveries(second.id) == ()
    assert await state(store, first.id) is RequestState.PENDING
    assert await store.sent_once("key") == first.id
    assert await store.sent_once("another") is None


async def test_of_requests_that_come_together_with_one_key_one_is_written(store: Store, clock: FakeClock) -> None:
    asked = [a_request(clock.now(), user_id=f"user-{number}") for number in range(20)]
    keys = ["same" if number % 2 else f"key-{number}" for number in range(20)]
    ends = await asyncio.gather(
        *(store.add(one, [], [], supersede=True, once=key) for one, key in zip(asked, keys, strict=True)),
        return_exceptions=True,
    )
    assert sum(isinstance(end, SentAlready) for end in ends) == 9
    assert sum(end is None for end in ends) == 11


async def test_a_purged_request_gives_its_key_back(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False, once="key")
    await store.purge(clock.now() + 10 * DAY)
    assert await store.sent_once("key") is None


async def test_a_request_is_found_by_the_digest_of_an_older_key_too(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    found = await store.find([b"n" * 32, request.digest])
    assert found is not None
    assert found.id == request.id


async def test_an_unknown_digest_finds_nothing(store: Store, clock: FakeClock) -> None:
    await store.add(a_request(clock.now()), [], [], supersede=False)
    assert await store.find([b"x" * 32]) is None


async def test_an_unknown_id_gets_nothing(store: Store) -> None:
    assert await store.get("nobody") is None


async def test_names_in_any_script_are_kept(store: Store, clock: FakeClock) -> None:
    request = replace(a_request(clock.now()), user_name="Zoë \U0001f511 \x00'; DROP TABLE requests --", user_login="ż")
    await store.add(request, [], [], supersede=False)
    found = await store.get(request.id)
    assert found is not None
    assert (found.user_name, found.user_login) == (request.user_name, request.user_login)


async def test_times_are_kept_to_the_microsecond(store: Store, clock: FakeClock) -> None:
    born = clock.now() + timedelta(microseconds=123_457)
    request = a_request(born, lifetime=timedelta(hours=720))
    await store.add(request, [], [], supersede=False)
    found = await store.get(request.id)
    assert found is not None
    assert found.expires_at - found.created_at == timedelta(hours=720)
    assert found.created_at == born


async def test_requests_are_numbered_in_the_order_of_their_birth(store: Store, clock: FakeClock) -> None:
    first, second = a_request(clock.now()), a_request(clock.now(), user_id=JOHN)
    await store.add(first, [], [], supersede=False)
    await store.add(second, [], [], supersede=False)
    one, two = await store.get(first.id), await store.get(second.id)
    assert one is not None
    assert two is not None
    assert one.sequence < two.sequence


async def test_a_request_that_cannot_be_added_leaves_nothing_behind(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    twin = replace(a_request(clock.now()), digest=request.digest)
    with pytest.raises(StoreUnavailable):
        await store.add(twin, [a_delivery(twin)], [an_event(clock.now())], supersede=True)
    assert await store.get(twin.id) is None
    assert await store.audit(0, 10) == ()
    assert await state(store, request.id) is RequestState.PENDING


async def test_a_failure_does_not_harm_those_who_write_at_the_same_time(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    twin = replace(a_request(clock.now()), digest=request.digest)
    others = [a_request(clock.now(), user_id=str(number)) for number in range(20)]
    adds = [store.add(each, [], [], supersede=True) for each in (*others[:10], twin, *others[10:])]
    outcomes = await asyncio.gather(*adds, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [StoreUnavailable]
    assert [await state(store, other.id) for other in others] == [RequestState.PENDING] * 20


async def test_many_at_once_are_all_kept_in_the_order_they_came_in(store: Store, clock: FakeClock) -> None:
    many = [a_request(clock.now(), user_id=str(number)) for number in range(150)]
    await asyncio.gather(
        *(store.add(one, [a_delivery(one)], [an_event(clock.now(), id=one.id)], supersede=True) for one in many)
    )
    kept = sorted(await store.list(RequestFilter(limit=200), clock.now()), key=lambda one: one.sequence)
    assert [one.id for one in kept] == [one.id for one in many]
    assert [event.facts["id"] for event in await store.audit(0, 200)] == [one.id for one in many]
    assert [len(await store.deliveries(one.id)) for one in many] == [1] * 150


# --- superseding -------------------------------------------------------------------------------------------------


async def test_a_new_link_revokes_the_older_ones_of_its_user(store: Store, clock: FakeClock) -> None:
    old, new = a_request(clock.now()), a_request(clock.now())
    await store.add(old, [], [], supersede=True)
    await store.add(new, [], [], supersede=True)
    assert (await state(store, old.id), await why(store, old.id)) == (RequestState.REVOKED, "superseded")
    assert await state(store, new.id) is RequestState.PENDING


async def test_a_new_link_leaves_older_ones_alone_when_told_so(store: Store, clock: FakeClock) -> None:
    old, new = a_request(clock.now()), a_request(clock.now())
    await store.add(old, [], [], supersede=False)
    await store.add(new, [], [], supersede=False)
    assert await state(store, old.id) is RequestState.PENDING


async def test_a_new_link_leaves_other_users_links_alone(store: Store, clock: FakeClock) -> None:
    other, new = a_request(clock.now(), user_id=JOHN), a_request(clock.now())
    await store.add(other, [], [], supersede=True)
    await store.add(new, [], [], supersede=True)
    assert await state(store, other.id) is RequestState.PENDING


async def test_a_new_link_leaves_the_same_id_in_another_domain_alone(store: Store, clock: FakeClock) -> None:
    other, new = a_request(clock.now(), domain="OTHER"), a_request(clock.now())
    await store.add(other, [], [], supersede=True)
    await store.add(new, [], [], supersede=True)
    assert await state(store, other.id) is RequestState.PENDING


async def test_superseding_later_ends_older_links_and_not_newer_ones(store: Store, clock: FakeClock) -> None:
    old, middle, new = (a_request(clock.now()) for _ in range(3))
    for request in (old, middle, new):
        await store.add(request, [], [], supersede=False)
    assert await store.supersede(middle.id, clock.now()) == 1
    assert [await state(store, request.id) for request in (old, middle, new)] == [
        RequestState.REVOKED,
        RequestState.PENDING,
        RequestState.PENDING,
    ]


async def test_superseding_twice_does_nothing_more(store: Store, clock: FakeClock) -> None:
    old, new = a_request(clock.now()), a_request(clock.now())
    await store.add(old, [], [], supersede=False)
    await store.add(new, [], [], supersede=False)
    await store.supersede(new.id, clock.now())
    assert await store.supersede(new.id, clock.now()) == 0


async def test_a_superseded_links_waiting_messages_are_abandoned(store: Store, clock: FakeClock) -> None:
    old, new = a_request(clock.now()), a_request(clock.now())
    await store.add(old, [a_delivery(old)], [], supersede=False)
    await store.add(new, [], [], supersede=True)
    (message,) = await store.deliveries(old.id)
    assert (message.state, message.body) == (DeliveryState.ABANDONED, b"")


async def test_a_claimed_link_that_is_superseded_is_revoked_once_released(store: Store, clock: FakeClock) -> None:
    old, new = a_request(clock.now()), a_request(clock.now())
    await store.add(old, [], [], supersede=False)
    await store.claim(old.id, clock.now(), clock.now() + MINUTE, "")
    await store.add(new, [], [], supersede=True)
    assert await state(store, old.id) is RequestState.CLAIMED
    await store.release(old.id, clock.now(), [])
    assert (await state(store, old.id), await why(store, old.id)) == (RequestState.REVOKED, "superseded")


async def test_a_claimed_link_that_is_superseded_can_still_be_used(store: Store, clock: FakeClock) -> None:
    old, new = a_request(clock.now()), a_request(clock.now())
    await store.add(old, [], [], supersede=False)
    await store.claim(old.id, clock.now(), clock.now() + MINUTE, "")
    await store.add(new, [], [], supersede=True)
    assert await store.settle(old.id, clock.now(), [], [])
    assert (await state(store, old.id), await state(store, new.id)) == (RequestState.USED, RequestState.REVOKED)


async def test_of_links_made_at_once_each_users_newest_lives(store: Store, clock: FakeClock) -> None:
    made = [a_request(clock.now(), user_id=user) for user in (JANE, JOHN) * 3]
    await asyncio.gather(*(store.add(one, [], [], supersede=True) for one in made))
    assert [await state(store, one.id) for one in made] == [RequestState.REVOKED] * 4 + [RequestState.PENDING] * 2


async def test_of_links_made_at_once_only_those_that_supersede_end_older_ones(store: Store, clock: FakeClock) -> None:
    older, newer = a_request(clock.now()), a_request(clock.now())
    await asyncio.gather(
        store.add(older, [], [], supersede=False),
        store.add(a_request(clock.now(), user_id=JOHN), [], [], supersede=True),
        store.add(newer, [], [], supersede=False),
    )
    assert [await state(store, one.id) for one in (older, newer)] == [RequestState.PENDING] * 2


async def test_messages_sent_at_once_end_each_users_older_links(store: Store, clock: FakeClock) -> None:
    made = [a_request(clock.now(), user_id=user, sent_to=(MAIL,)) for user in (JANE, JOHN) * 2]
    mails = [a_delivery(one) for one in made]
    for one, mail in zip(made, mails, strict=True):
        await store.add(one, [mail], [], supersede=False)
    await asyncio.gather(*(store.settle_deliveries([was_sent(mail, clock.now())], []) for mail in mails))
    assert [await state(store, one.id) for one in made] == [RequestState.REVOKED] * 2 + [RequestState.PENDING] * 2
    assert [(await store.deliveries(one.id))[0].state for one in made] == [DeliveryState.SENT] * 4


async def test_new_links_and_outcomes_that_come_by_turns_are_all_written(store: Store, clock: FakeClock) -> None:
    made = [a_request(clock.now(), user_id=f"user-{number}", sent_to=(MAIL,)) for number in range(8)]
    mails = [a_delivery(one) for one in made]
    for one, mail in zip(made[:4], mails[:4], strict=True):
        await store.add(one, [mail], [], supersede=False)
    by_turns = [
        step
        for before, now, mail in zip(mails[:4], made[4:], mails[4:], strict=True)
        for step in (
            store.settle_deliveries([was_sent(before, clock.now())], []),
            store.add(now, [mail], [], supersede=True),
        )
    ]
    await asyncio.gather(*by_turns)
    assert [(await store.deliveries(one.id))[0].state for one in made] == [DeliveryState.SENT] * 4 + [
        DeliveryState.QUEUED
    ] * 4


async def test_messages_settled_together_are_all_noted_as_sent(store: Store, clock: FakeClock) -> None:
    older, newer = (a_request(clock.now(), user_id=JANE, sent_to=(MAIL,)) for _ in range(2))
    mails = [a_delivery(newer), a_delivery(older)]
    for one, mail in ((older, mails[1]), (newer, mails[0])):
        await store.add(one, [mail], [], supersede=False)
    await store.settle_deliveries([was_sent(mail, clock.now()) for mail in mails], [])
    assert [(await store.deliveries(one.id))[0].state for one in (older, newer)] == [DeliveryState.SENT] * 2
    assert await state(store, older.id) is RequestState.REVOKED


async def test_an_outcome_that_comes_too_late_ends_no_older_links(store: Store, clock: FakeClock) -> None:
    older, newer = (a_request(clock.now(), user_id=JANE, sent_to=(MAIL,)) for _ in range(2))
    mail = a_delivery(newer)
    await store.add(older, [], [], supersede=False)
    await store.add(newer, [mail], [], supersede=False)
    await store.revoke(newer.id, clock.now(), "revoked", [])
    await store.settle_deliveries([was_sent(mail, clock.now())], [])
    assert await state(store, older.id) is RequestState.PENDING


async def test_of_messages_settled_at_once_only_those_sent_end_older_links(store: Store, clock: FakeClock) -> None:
    older, newer, other = a_request(clock.now()), a_request(clock.now()), a_request(clock.now(), user_id=JOHN)
    mails = [a_delivery(one) for one in (newer, other)]
    for one, sent in ((older, []), (newer, mails[:1]), (other, mails[1:])):
        await store.add(one, sent, [], supersede=False)
    await asyncio.gather(
        store.settle_deliveries([was_abandoned(mails[0], clock.now())], []),
        store.settle_deliveries([was_sent(mails[1], clock.now())], []),
    )
    assert await state(store, older.id) is RequestState.PENDING


# --- claiming, releasing, settling, revoking ---------------------------------------------------------------------


async def test_of_fifty_claims_at_once_exactly_one_wins(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    until = clock.now() + MINUTE
    won = await asyncio.gather(*(store.claim(request.id, clock.now(), until, "") for _ in range(50)))
    assert sorted(won) == [False] * 49 + [True]


async def test_a_claim_keeps_its_lease_and_its_mark(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "csn-7")
    claimed = await store.get(request.id)
    assert claimed is not None
    assert (claimed.claimed_until, claimed.claim_mark) == (clock.now() + MINUTE, "csn-7")


@pytest.mark.parametrize(("before_expiry", "won"), [(timedelta(microseconds=1), True), (timedelta(0), False)])
async def test_a_link_is_claimed_up_to_its_time_and_not_at_it(
    store: Store, clock: FakeClock, before_expiry: timedelta, won: bool
) -> None:
    request = a_request(clock.now(), lifetime=HOUR)
    await store.add(request, [], [], supersede=False)
    now = request.expires_at - before_expiry
    assert await store.claim(request.id, now, now + MINUTE, "") is won


async def test_a_second_link_of_a_user_is_not_claimed_beside_the_first(store: Store, clock: FakeClock) -> None:
    first, second = a_request(clock.now()), a_request(clock.now())
    for request in (first, second):
        await store.add(request, [], [], supersede=False)
    assert await store.claim(first.id, clock.now(), clock.now() + MINUTE, "")
    assert not await store.claim(second.id, clock.now(), clock.now() + MINUTE, "")


async def test_another_users_link_is_claimed_beside_it(store: Store, clock: FakeClock) -> None:
    first, second = a_request(clock.now()), a_request(clock.now(), user_id=JOHN)
    for request in (first, second):
        await store.add(request, [], [], supersede=False)
    assert await store.claim(first.id, clock.now(), clock.now() + MINUTE, "")
    assert await store.claim(second.id, clock.now(), clock.now() + MINUTE, "")


async def test_a_claim_whose_lease_is_over_does_not_bar_the_users_other_link(store: Store, clock: FakeClock) -> None:
    first, second = a_request(clock.now()), a_request(clock.now())
    for request in (first, second):
        await store.add(request, [], [], supersede=False)
    await store.claim(first.id, clock.now(), clock.now() + MINUTE, "")
    clock.advance(MINUTE)
    assert await store.claim(second.id, clock.now(), clock.now() + MINUTE, "")


async def test_an_unknown_link_is_not_claimed(store: Store, clock: FakeClock) -> None:
    assert not await store.claim("nobody", clock.now(), clock.now() + MINUTE, "")


async def test_a_released_link_is_good_again(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "csn-7")
    assert await store.release(request.id, clock.now(), [])
    released = await store.get(request.id)
    assert released is not None
    assert replace(released, sequence=0) == request
    assert await store.claim(request.id, clock.now(), clock.now() + MINUTE, "")


async def test_a_link_that_is_not_claimed_is_not_released(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    assert not await store.release(request.id, clock.now(), [an_event(clock.now())])
    assert await store.audit(0, 10) == ()


async def test_a_claim_of_another_lease_is_neither_released_nor_settled(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    lease, other = clock.now() + MINUTE, clock.now() + HOUR
    await store.claim(request.id, clock.now(), lease, "")
    assert not await store.release(request.id, clock.now(), [], lease=other)
    assert not await store.settle(request.id, clock.now(), [], [], lease=other)
    assert await store.release(request.id, clock.now(), [], lease=lease)


async def test_a_settled_link_is_used_and_says_when(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "")
    clock.advance(timedelta(seconds=2))
    assert await store.settle(request.id, clock.now(), [], [an_event(clock.now(), "password.set")])
    used = await store.get(request.id)
    assert used is not None
    assert (used.state, used.settled_at, used.settled_why) == (RequestState.USED, clock.now(), "used")
    assert [event.name for event in await store.audit(0, 10)] == ["password.set"]


async def test_a_used_link_is_never_claimed_again(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "")
    await store.settle(request.id, clock.now(), [], [])
    assert not await store.claim(request.id, clock.now(), clock.now() + MINUTE, "")
    assert not await store.release(request.id, clock.now(), [])


async def test_a_link_that_is_not_claimed_is_not_settled(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    notice = a_delivery(request, message=MessageName.PASSWORD_CHANGED)
    assert not await store.settle(request.id, clock.now(), [notice], [an_event(clock.now())])
    assert await store.deliveries(request.id) == ()
    assert await store.audit(0, 10) == ()


async def test_settling_revokes_all_other_links_of_the_user(store: Store, clock: FakeClock) -> None:
    older, used, newer = (a_request(clock.now()) for _ in range(3))
    for request in (older, used, newer):
        await store.add(request, [], [], supersede=False)
    await store.claim(used.id, clock.now(), clock.now() + MINUTE, "")
    await store.settle(used.id, clock.now(), [], [])
    assert [await why(store, request.id) for request in (older, used, newer)] == [
        "password-set",
        "used",
        "password-set",
    ]


async def test_settling_queues_the_notices(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "")
    notice = a_delivery(request, message=MessageName.PASSWORD_CHANGED)
    await store.settle(request.id, clock.now(), [notice], [])
    assert await store.deliveries(request.id) == (notice,)


async def test_a_used_links_message_is_not_sent_any_more_but_its_notices_are(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    link, told = a_delivery(request), a_delivery(request, message=MessageName.LINK_ISSUED)
    await store.add(request, [link, told], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "")
    await store.settle(request.id, clock.now(), [], [])
    states = {message.id: message.state for message in await store.deliveries(request.id)}
    assert states == {link.id: DeliveryState.ABANDONED, told.id: DeliveryState.QUEUED}


async def test_a_revoked_link_says_why_and_abandons_its_messages(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [a_delivery(request)], [], supersede=False)
    assert await store.revoke(request.id, clock.now(), "revoked-by-hand", [an_event(clock.now(), "request.revoked")])
    (message,) = await store.deliveries(request.id)
    assert (await state(store, request.id), await why(store, request.id)) == (RequestState.REVOKED, "revoked-by-hand")
    assert message.state is DeliveryState.ABANDONED
    assert [event.name for event in await store.audit(0, 10)] == ["request.revoked"]


async def test_a_dead_link_is_not_revoked_again(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await store.revoke(request.id, clock.now(), "revoked-by-hand", [])
    assert not await store.revoke(request.id, clock.now(), "changed-elsewhere", [an_event(clock.now())])
    assert await why(store, request.id) == "revoked-by-hand"
    assert await store.audit(0, 10) == ()


async def test_a_claimed_link_is_revoked_when_it_is_released(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "")
    assert await store.revoke(request.id, clock.now(), "user-disabled", [])
    assert await state(store, request.id) is RequestState.CLAIMED
    await store.release(request.id, clock.now(), [])
    assert (await state(store, request.id), await why(store, request.id)) == (RequestState.REVOKED, "user-disabled")


async def test_a_disowned_link_and_all_living_ones_of_its_user_are_revoked_once(store: Store, clock: FakeClock) -> None:
    noticed, other, of_john = a_request(clock.now()), a_request(clock.now()), a_request(clock.now(), user_id=JOHN)
    for request in (noticed, other, of_john):
        await store.add(request, [a_delivery(request)], [], supersede=False)
    report = a_delivery(noticed, message=MessageName.DISOWNED)
    assert await store.disown(noticed.id, clock.now(), [report], [an_event(clock.now(), "notice.disowned")])
    assert not await store.disown(noticed.id, clock.now(), [a_delivery(noticed)], [an_event(clock.now(), "again")])
    assert [await why(store, request.id) for request in (noticed, other, of_john)] == ["disowned", "disowned", ""]
    waiting = [message.id for message in await store.deliveries(noticed.id) if message.state is DeliveryState.QUEUED]
    assert waiting == [report.id]
    assert [event.name for event in await store.audit(0, 10)] == ["notice.disowned"]


async def test_a_used_link_is_disowned_and_stays_used(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "mark")
    await store.settle(request.id, clock.now(), [], [])
    assert await store.disown(request.id, clock.now(), [], [])
    assert (await state(store, request.id), await why(store, request.id)) == (RequestState.USED, "disowned")


async def test_a_claimed_link_that_is_disowned_is_revoked_when_it_is_released(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "mark")
    assert await store.disown(request.id, clock.now(), [], [])
    assert not await store.disown(request.id, clock.now(), [], [])
    await store.release(request.id, clock.now(), [])
    assert (await state(store, request.id), await why(store, request.id)) == (RequestState.REVOKED, "disowned")


async def test_claims_are_told_once_their_lease_is_over(store: Store, clock: FakeClock) -> None:
    early, late = a_request(clock.now()), a_request(clock.now(), user_id=JOHN)
    for request, lease in ((late, 2 * MINUTE), (early, MINUTE)):
        await store.add(request, [], [], supersede=False)
        await store.claim(request.id, clock.now(), clock.now() + lease, "")
    assert await store.expired_claims(clock.now(), 10) == ()
    assert [request.id for request in await store.expired_claims(clock.now() + MINUTE, 10)] == [early.id]
    assert [request.id for request in await store.expired_claims(clock.now() + HOUR, 10)] == [early.id, late.id]
    assert [request.id for request in await store.expired_claims(clock.now() + HOUR, 1)] == [early.id]


# --- the second factor ----------------------------------------------------------------------------------------------


def a_challenge(request: ResetRequest, now: datetime, mark: bytes = b"mark") -> Challenge:
    return Challenge(request.id, mark, now, now + timedelta(minutes=10))


async def renew(store: Store, challenge: Challenge, most: int = 5) -> bool:
    before = challenge.sent_at - timedelta(minutes=1)
    return await store.renew_challenge(challenge, [], [], before=before, most=most)


async def test_what_a_link_demands_is_kept_as_it_was_written(store: Store, clock: FakeClock) -> None:
    since = clock.now() + timedelta(hours=2)
    demands = (
        None,
        Demand(Factor.RADIUS),
        Demand(Factor.CODE, (SMS,)),
        Demand(Factor.CODE, (MAIL, SMS), since),
    )
    for number, demand in enumerate(demands):
        request = replace(a_request(clock.now(), user_id=f"user-{number}"), demand=demand)
        await store.add(request, [], [], supersede=False)
        kept = await store.get(request.id)
        assert kept is not None
        assert kept.demand == demand


async def test_a_new_code_begins_its_tries_anew_and_the_links_total_goes_on(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    assert await store.challenge(request.id) is None
    assert await renew(store, a_challenge(request, clock.now()))
    await store.take_try(request.id, clock.now(), 5, 15)
    clock.advance(timedelta(minutes=1))
    assert await renew(store, a_challenge(request, clock.now(), b"newer"))
    now = await store.challenge(request.id)
    assert now == replace(a_challenge(request, clock.now(), b"newer"), tries=0, total=1, codes=2)


async def test_a_new_code_is_refused_within_a_minute_and_beyond_the_links_number(
    store: Store, clock: FakeClock
) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    assert await renew(store, a_challenge(request, clock.now()))
    clock.advance(timedelta(seconds=59))
    assert not await renew(store, a_challenge(request, clock.now()))
    clock.advance(timedelta(seconds=1))
    assert await renew(store, a_challenge(request, clock.now()), most=2)
    clock.advance(timedelta(hours=1))
    assert not await renew(store, a_challenge(request, clock.now()), most=2)


async def test_of_many_codes_asked_for_at_once_one_is_written_with_its_message(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now(), sent_to=(MAIL,))
    await store.add(request, [], [], supersede=False)
    deliveries = [a_delivery(request, message=MessageName.RESET_CODE) for _ in range(20)]
    won = await asyncio.gather(
        *(
            store.renew_challenge(
                a_challenge(request, clock.now()), [one], [], before=clock.now() - timedelta(minutes=1), most=5
            )
            for one in deliveries
        )
    )
    assert sum(won) == 1
    assert len(await store.deliveries(request.id)) == 1


async def test_an_older_code_that_waits_is_not_sent_any_more(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now(), sent_to=(MAIL,))
    await store.add(request, [a_delivery(request)], [], supersede=False)
    for _ in range(2):
        code = a_delivery(request, message=MessageName.RESET_CODE)
        before = clock.now() - timedelta(minutes=1)
        await store.renew_challenge(a_challenge(request, clock.now()), [code], [], before=before, most=5)
        clock.advance(timedelta(minutes=1))
    states = [(delivery.message, delivery.state) for delivery in await store.deliveries(request.id)]
    assert states == [
        (MessageName.RESET_LINK, DeliveryState.QUEUED),
        (MessageName.RESET_CODE, DeliveryState.ABANDONED),
        (MessageName.RESET_CODE, DeliveryState.QUEUED),
    ]


async def test_of_fifty_tries_at_once_five_are_counted(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await renew(store, a_challenge(request, clock.now()))
    tried = await asyncio.gather(*(store.take_try(request.id, clock.now(), 5, 15) for _ in range(50)))
    assert sorted(one.tries for one in tried if one is not None) == [1, 2, 3, 4, 5]


async def test_tries_end_with_the_code_and_with_the_links_total(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    assert await store.take_try(request.id, clock.now(), 5, 15) is None
    await renew(store, a_challenge(request, clock.now()))
    assert await store.take_try(request.id, clock.now(), 5, 1) is not None
    assert await store.take_try(request.id, clock.now(), 5, 1) is None
    await store.return_try(request.id)
    assert await store.take_try(request.id, clock.now(), 5, 1) is not None
    await store.return_try(request.id)
    clock.advance(timedelta(minutes=10))
    assert await store.take_try(request.id, clock.now(), 5, 15) is None


async def test_a_code_is_spent_by_one_form_however_often_it_comes(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await renew(store, a_challenge(request, clock.now()))
    event = an_event(clock.now())
    assert not await store.spend_code(request.id, b"another", b"form", [event])
    assert await store.spend_code(request.id, b"mark", b"form", [event])
    assert await store.spend_code(request.id, b"mark", b"form", [event])
    assert not await store.spend_code(request.id, b"mark", b"another form", [event])
    assert len(await store.audit(0, 10)) == 1


async def test_a_purged_request_takes_its_tries_with_it(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [], [], supersede=False)
    await renew(store, a_challenge(request, clock.now()))
    await store.purge(clock.now() + timedelta(days=30))
    assert await store.challenge(request.id) is None


# --- deliveries --------------------------------------------------------------------------------------------------


async def test_deliveries_come_back_as_they_were_written(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    written = (a_delivery(request), a_delivery(request, recipient=SMS))
    await store.add(request, written, [], supersede=False)
    assert await store.deliveries(request.id) == written


async def test_due_deliveries_are_leased_to_one_taker(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [a_delivery(request)], [], supersede=False)
    until = clock.now() + MINUTE
    takes = await asyncio.gather(*(store.take_deliveries(Channel.MAIL, clock.now(), until, 5) for _ in range(20)))
    assert sorted(len(taken) for taken in takes) == [0] * 19 + [1]
    assert [message.due_at for taken in takes for message in taken] == [until]


async def test_a_lease_ends(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [a_delivery(request)], [], supersede=False)
    await store.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5)
    clock.advance(MINUTE)
    assert len(await store.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5)) == 1


async def test_the_oldest_due_deliveries_are_taken_first_and_no_more_than_asked(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    ages = [3, 1, 4, 2]
    written = [a_delivery(request, due_at=clock.now() - age * MINUTE) for age in ages]
    await store.add(request, written, [], supersede=False)
    taken = await store.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 3)
    assert [message.id for message in taken] == [written[2].id, written[0].id, written[3].id]


async def test_only_deliveries_of_the_channel_that_are_due_are_taken(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    later = a_delivery(request, due_at=clock.now() + timedelta(microseconds=1))
    await store.add(request, [later, a_delivery(request, recipient=SMS)], [], supersede=False)
    assert await store.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5) == ()


@pytest.mark.parametrize("store", ["fake", "sqlite"], indirect=True)  # those that one process has for itself
async def test_after_a_restart_all_queued_deliveries_are_due(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    written = [
        a_delivery(request, due_at=clock.now() + HOUR),
        a_delivery(request, recipient=SMS, due_at=clock.now() + MINUTE),
        a_delivery(request),
    ]
    await store.add(request, written, [], supersede=False)
    assert await store.reclaim(clock.now()) == 2
    assert len(await store.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5)) == 2
    assert len(await store.take_deliveries(Channel.SMS, clock.now(), clock.now() + MINUTE, 5)) == 1


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_a_start_takes_nothing_from_other_processes(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    await store.add(request, [a_delivery(request)], [], supersede=False)
    await store.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5)
    assert await store.reclaim(clock.now()) == 0
    assert await store.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5) == ()


async def test_a_sent_message_is_erased_and_counted(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    message = a_delivery(request)
    await store.add(request, [message], [], supersede=False)
    await store.settle_deliveries([was_sent(message, clock.now())], [an_event(clock.now(), "delivery.sent")])
    (sent,) = await store.deliveries(request.id)
    assert sent == replace(message, state=DeliveryState.SENT, body=b"", attempts=1, settled_at=clock.now())
    assert [event.name for event in await store.audit(0, 10)] == ["delivery.sent"]


async def test_an_abandoned_message_is_erased_and_says_why(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    message = a_delivery(request)
    await store.add(request, [message], [], supersede=False)
    detail = 'Zoë said "\x00\\u0000\\"'  # whatever the relay's words are, the message is not sent again
    await store.settle_deliveries([was_abandoned(message, clock.now(), detail)], [])
    (gone,) = await store.deliveries(request.id)
    assert (gone.state, gone.body) == (DeliveryState.ABANDONED, b"")
    assert gone.detail.startswith('Zoë said "')


async def test_a_deferred_message_is_kept_and_tried_later(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    message = a_delivery(request)
    await store.add(request, [message], [], supersede=False)
    await store.settle_deliveries([was_deferred(message, clock.now(), clock.now() + MINUTE)], [])
    (kept,) = await store.deliveries(request.id)
    assert kept == replace(message, attempts=1, due_at=clock.now() + MINUTE, detail="try later")


async def test_a_settled_message_stays_as_it_is(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    message = a_delivery(request)
    await store.add(request, [message], [], supersede=False)
    await store.settle_deliveries([was_sent(message, clock.now())], [])
    before = await store.deliveries(request.id)
    await store.settle_deliveries([was_abandoned(message, clock.now() + MINUTE)], [])
    await store.settle_deliveries([was_deferred(message, clock.now(), clock.now() + MINUTE)], [])
    assert await store.deliveries(request.id) == before


async def test_a_reset_link_that_was_sent_supersedes_older_links(store: Store, clock: FakeClock) -> None:
    old, new = a_request(clock.now()), a_request(clock.now())
    message = a_delivery(new)
    await store.add(old, [], [], supersede=False)
    await store.add(new, [message], [], supersede=False)
    await store.settle_deliveries([was_sent(message, clock.now())], [])
    assert await why(store, old.id) == "superseded"
    assert await state(store, new.id) is RequestState.PENDING


@pytest.mark.parametrize("outcome", ["abandoned", "deferred", "notice"])
async def test_nothing_else_supersedes_older_links(store: Store, clock: FakeClock, outcome: str) -> None:
    old, new = a_request(clock.now()), a_request(clock.now())
    message = a_delivery(new, message=MessageName.LINK_ISSUED if outcome == "notice" else MessageName.RESET_LINK)
    await store.add(old, [], [], supersede=False)
    await store.add(new, [message], [], supersede=False)
    settlement = {
        "abandoned": was_abandoned(message, clock.now()),
        "deferred": was_deferred(message, clock.now(), clock.now() + MINUTE),
        "notice": was_sent(message, clock.now()),
    }[outcome]
    await store.settle_deliveries([settlement], [])
    assert await state(store, old.id) is RequestState.PENDING


async def test_the_next_due_time_is_the_earliest_of_all_channels(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now())
    mail = a_delivery(request, due_at=clock.now() + HOUR)
    sms = a_delivery(request, recipient=SMS, due_at=clock.now() + MINUTE)
    assert await store.next_due() is None
    await store.add(request, [mail, sms], [], supersede=False)
    assert await store.next_due() == clock.now() + MINUTE
    await store.settle_deliveries([was_sent(sms, clock.now())], [])
    assert await store.next_due() == clock.now() + HOUR


async def test_sms_are_told_since_a_time_with_their_numbers(store: Store, clock: FakeClock) -> None:
    old = a_request(clock.now() - HOUR)
    new = a_request(clock.now())
    await store.add(old, [a_delivery(old, recipient=SMS)], [], supersede=False)
    await store.add(new, [a_delivery(new, recipient=SMS), a_delivery(new)], [], supersede=False)
    assert await store.sms_since(clock.now()) == ((new.created_at, SMS.address),)
    assert await store.sms_since(clock.now() - HOUR) == ((old.created_at, SMS.address), (new.created_at, SMS.address))


# --- listing -----------------------------------------------------------------------------------------------------


async def test_requests_are_listed_newest_first_page_by_page(store: Store, clock: FakeClock) -> None:
    requests = [a_request(clock.now(), user_id=str(number)) for number in range(5)]
    for request in requests:
        await store.add(request, [], [], supersede=False)
    first = await store.list(RequestFilter(limit=3), clock.now())
    rest = await store.list(RequestFilter(limit=3, before=first[-1].sequence), clock.now())
    assert [request.id for request in (*first, *rest)] == [request.id for request in reversed(requests)]


async def test_requests_are_listed_by_domain(store: Store, clock: FakeClock) -> None:
    for domain in ("ONE", "TWO", "THREE"):
        await store.add(a_request(clock.now(), domain=domain), [], [], supersede=False)
    listed = await store.list(RequestFilter(domains=frozenset(["ONE", "THREE"])), clock.now())
    assert [request.domain for request in listed] == ["THREE", "ONE"]


async def test_a_scope_of_no_domains_lists_nothing(store: Store, clock: FakeClock) -> None:
    await store.add(a_request(clock.now()), [], [], supersede=False)
    assert await store.list(RequestFilter(domains=frozenset()), clock.now()) == ()


@pytest.mark.parametrize("user", ["jdoe", "JDoe", "id-of-jane"])
async def test_requests_are_listed_by_login_or_id(store: Store, clock: FakeClock, user: str) -> None:
    jane = a_request(clock.now(), user_id="id-of-jane", login="jdoe")
    await store.add(jane, [], [], supersede=False)
    await store.add(a_request(clock.now(), user_id=JOHN, login="john"), [], [], supersede=False)
    assert [request.id for request in await store.list(RequestFilter(user=user), clock.now())] == [jane.id]


async def test_requests_are_listed_by_state_and_expired_counts_as_one(store: Store, clock: FakeClock) -> None:
    made = {
        name: a_request(clock.now(), user_id=name, lifetime=HOUR if name == "expired" else 2 * HOUR)
        for name in ("pending", "claimed", "used", "revoked", "expired")
    }
    for request in made.values():
        await store.add(request, [], [], supersede=False)
    for name in ("claimed", "used"):
        await store.claim(made[name].id, clock.now(), clock.now() + MINUTE, "")
    await store.settle(made["used"].id, clock.now(), [], [])
    await store.revoke(made["revoked"].id, clock.now(), "by-hand", [])
    clock.advance(HOUR)
    for name, request in made.items():
        listed = await store.list(RequestFilter(state=name), clock.now())
        assert [each.id for each in listed] == [request.id], name
        of_user = await store.list(RequestFilter(state=name, user=name), clock.now())
        assert [each.id for each in of_user] == [request.id], name


# --- the audit trail ---------------------------------------------------------------------------------------------


async def test_audit_events_come_back_in_order_behind_a_sequence(store: Store, clock: FakeClock) -> None:
    await store.record([an_event(clock.now(), "login.refused", reason="x", count=3, flag=True)])
    await store.record([an_event(clock.now(), "login.succeeded"), an_event(clock.now(), "request.sent")])
    events = await store.audit(0, 10)
    assert [event.name for event in events] == ["login.refused", "login.succeeded", "request.sent"]
    assert replace(events[0], sequence=0) == an_event(clock.now(), "login.refused", reason="x", count=3, flag=True)
    assert await store.audit(events[0].sequence, 1) == events[1:2]


async def test_a_trail_that_nobody_touched_is_whole(store: Store, clock: FakeClock) -> None:
    await store.record([an_event(clock.now()) for _ in range(3)])
    assert await store.chain_audit(KEY) == 3
    await store.record([an_event(clock.now()) for _ in range(2)])
    assert await store.chain_audit(KEY) == 2
    assert await store.chain_audit(KEY) == 0
    assert await store.verify_audit([KEY]) is None


async def test_an_empty_trail_is_whole(store: Store) -> None:
    assert await store.chain_audit(KEY) == 0
    assert await store.verify_audit([KEY]) is None


async def test_a_trail_chained_under_another_key_is_not_whole(store: Store, clock: FakeClock) -> None:
    await store.record([an_event(clock.now())])
    await store.chain_audit(KEY)
    assert await store.verify_audit([b"o" * 32]) is not None


async def test_a_trail_chained_under_an_old_key_and_a_new_one_is_whole(store: Store, clock: FakeClock) -> None:
    for key in (b"o" * 32, KEY):
        await store.record([an_event(clock.now())])
        await store.chain_audit(key)
    assert await store.verify_audit([KEY, b"o" * 32]) is None


async def test_a_purged_trail_begins_at_a_checkpoint_and_is_whole(store: Store, clock: FakeClock) -> None:
    for _ in range(3):
        await store.record([an_event(clock.now())])
        await store.chain_audit(KEY)
        clock.advance(HOUR)
    gone = await store.purge(clock.now() - HOUR)
    events = await store.audit(0, 10)
    assert gone["events"] == 2
    assert [event.sequence for event in events] == [3, 4]
    assert (events[1].name, events[1].facts["up_to"]) == ("audit.purged", 2)
    assert await store.verify_audit([KEY]) is None
    await store.chain_audit(KEY)
    assert await store.verify_audit([KEY]) is None


async def test_events_that_are_not_chained_yet_are_not_purged(store: Store, clock: FakeClock) -> None:
    await store.record([an_event(clock.now())])
    gone = await store.purge(clock.now() + HOUR)
    assert gone["events"] == 0
    assert len(await store.audit(0, 10)) == 1


# --- delivery reports --------------------------------------------------------------------------------------------

REPORTS = [ReportState.BUFFERED, ReportState.DELIVERED, ReportState.FAILED]


async def an_sms(store: Store, clock: FakeClock) -> Delivery:
    request = a_request(clock.now())
    delivery = a_delivery(request, recipient=SMS)
    await store.add(request, [delivery], [], supersede=False)
    return delivery


async def report_of(store: Store, delivery: Delivery) -> Report | None:
    kept = await store.delivery(delivery.id)
    assert kept is not None
    assert (kept,) == await store.deliveries(delivery.request_id)
    return kept.report


async def test_a_report_is_kept_with_its_delivery(store: Store, clock: FakeClock) -> None:
    delivery = await an_sms(store, clock)
    assert await report_of(store, delivery) is None
    report = Report(ReportState.DELIVERED, clock.now(), "delivrd")
    assert await store.report(delivery, report, [an_event(clock.now())])
    assert await report_of(store, delivery) == report
    assert len(await store.audit(0, 10)) == 1


async def test_the_report_of_an_unknown_delivery_is_not_kept(store: Store, clock: FakeClock) -> None:
    stranger = a_delivery(a_request(clock.now()), recipient=SMS)
    assert await store.delivery(stranger.id) is None
    assert not await store.report(stranger, Report(ReportState.FAILED, clock.now()), [an_event(clock.now())])
    assert await store.audit(0, 10) == ()


async def test_a_report_said_again_changes_nothing(store: Store, clock: FakeClock) -> None:
    delivery = await an_sms(store, clock)
    first = Report(ReportState.DELIVERED, clock.now(), "1")
    assert await store.report(delivery, first, [an_event(clock.now())])
    clock.advance(MINUTE)
    assert not await store.report(delivery, Report(ReportState.DELIVERED, clock.now(), "x"), [an_event(clock.now())])
    assert await report_of(store, delivery) == first
    assert len(await store.audit(0, 10)) == 1


@pytest.mark.parametrize("order", list(permutations(REPORTS)), ids=str)
async def test_in_whatever_order_reports_come_the_worst_final_one_stays(
    store: Store, clock: FakeClock, order: tuple[ReportState, ...]
) -> None:
    delivery = await an_sms(store, clock)
    told = [await store.report(delivery, Report(state, clock.now()), []) for state in order]
    kept = await report_of(store, delivery)
    assert kept is not None
    assert kept.state is ReportState.FAILED
    assert told == [all(earlier.weight < state.weight for earlier in order[:at]) for at, state in enumerate(order)]


@pytest.mark.parametrize("settle", [was_sent, was_abandoned, lambda one, at: was_deferred(one, at, at + MINUTE)])
async def test_a_report_is_kept_in_any_state_and_changes_none(
    store: Store, clock: FakeClock, settle: Callable[[Delivery, datetime], Settlement]
) -> None:
    delivery = await an_sms(store, clock)
    await store.settle_deliveries([settle(delivery, clock.now())], [])
    before = await store.delivery(delivery.id)
    report = Report(ReportState.FAILED, clock.now(), "rejected")
    assert before is not None
    assert await store.report(delivery, report, [])
    assert await store.delivery(delivery.id) == replace(before, report=report)
    assert await state(store, delivery.request_id) is RequestState.PENDING


async def test_a_report_before_the_outcome_survives_it(store: Store, clock: FakeClock) -> None:
    delivery = await an_sms(store, clock)
    report = Report(ReportState.DELIVERED, clock.now())
    await store.report(delivery, report, [])
    await store.settle_deliveries([was_sent(delivery, clock.now())], [])
    assert await report_of(store, delivery) == report


# --- care --------------------------------------------------------------------------------------------------------


async def test_what_is_alive_is_counted(store: Store, clock: FakeClock) -> None:
    live, claimed, short, dead = (a_request(clock.now(), user_id=name) for name in "abcd")
    short = replace(short, expires_at=clock.now() + MINUTE)
    mails = [a_delivery(live), a_delivery(live)]
    await store.add(live, [*mails, a_delivery(live, recipient=SMS)], [], supersede=False)
    for request in (claimed, short, dead):
        await store.add(request, [], [], supersede=False)
    await store.claim(claimed.id, clock.now(), clock.now() + HOUR, "")
    await store.revoke(dead.id, clock.now(), "by-hand", [])
    await store.settle_deliveries([was_abandoned(mails[0], clock.now())], [])
    clock.advance(MINUTE)
    assert dict(await store.counts(clock.now())) == {
        "live_links": 2,
        "claimed_links": 1,
        "queued_mail": 1,
        "queued_sms": 1,
        "abandoned_deliveries": 1,
        "oldest_mail_seconds": 60,
        "oldest_sms_seconds": 60,
        "unchained_seconds": 0,
    }


async def test_the_oldest_of_what_waits_is_told_by_its_age(store: Store, clock: FakeClock) -> None:
    older, newer = a_request(clock.now(), user_id="a"), a_request(clock.now() + MINUTE, user_id="b")
    first = a_delivery(older)
    await store.add(older, [first], [an_event(clock.now())], supersede=False)
    clock.advance(MINUTE)
    await store.add(newer, [a_delivery(newer)], [an_event(clock.now())], supersede=False)
    clock.advance(MINUTE)

    async def ages() -> tuple[int, int, int]:
        counts = await store.counts(clock.now())
        return counts["oldest_mail_seconds"], counts["oldest_sms_seconds"], counts["unchained_seconds"]

    assert await ages() == (120, 0, 120)
    await store.settle_deliveries([was_sent(first, clock.now())], [])
    await store.chain_audit(KEY)
    assert await ages() == (60, 0, 0)


async def test_what_is_over_long_enough_is_purged_with_its_deliveries(store: Store, clock: FakeClock) -> None:
    used, revoked, expired, live = (a_request(clock.now(), user_id=name, lifetime=HOUR) for name in "abcd")
    live = replace(live, expires_at=clock.now() + timedelta(days=30))
    for request in (used, revoked, expired, live):
        message = a_delivery(request)
        await store.add(request, [message], [], supersede=False)
        await store.settle_deliveries([was_sent(message, clock.now())], [])
    await store.claim(used.id, clock.now(), clock.now() + MINUTE, "")
    await store.settle(used.id, clock.now(), [], [])
    await store.revoke(revoked.id, clock.now(), "by-hand", [])
    assert dict(await store.purge(clock.now())) == {"requests": 0, "deliveries": 0, "events": 0}
    clock.advance(2 * HOUR)
    assert dict(await store.purge(clock.now())) == {"requests": 3, "deliveries": 3, "events": 0}
    assert [request.id for request in await store.list(RequestFilter(), clock.now())] == [live.id]
    assert await store.find([used.digest]) is None


async def test_a_request_whose_message_still_waits_is_not_purged(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now(), lifetime=HOUR)
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "")
    notice = replace(
        a_delivery(request, message=MessageName.PASSWORD_CHANGED), not_after=clock.now() + timedelta(days=7)
    )
    await store.settle(request.id, clock.now(), [notice], [])
    clock.advance(HOUR)
    assert (await store.purge(clock.now()))["requests"] == 0
    clock.advance(timedelta(days=7))
    assert (await store.purge(clock.now()))["requests"] == 1


async def test_a_claim_that_nobody_has_cleared_up_is_not_purged(store: Store, clock: FakeClock) -> None:
    request = a_request(clock.now(), lifetime=HOUR)
    await store.add(request, [], [], supersede=False)
    await store.claim(request.id, clock.now(), clock.now() + MINUTE, "")
    clock.advance(timedelta(days=2))
    assert (await store.purge(clock.now()))["requests"] == 0


async def test_a_store_that_writes_is_healthy(store: Store) -> None:
    assert (await store.health()).ok
