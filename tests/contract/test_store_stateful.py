"""Whatever is done in whatever order, the stores on SQLite and PostgreSQL and the one in memory show the same.

The rules are tested on the fake, so a difference between the two is a rule that was never tested.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pwreset.reset.model import Channel, DeliveryState, MessageName, RequestFilter, ResetRequest, Settlement
from pwreset.reset.ports import Store
from pwreset.store.postgres import PostgresStore
from pwreset.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.records import MAIL, SMS, a_delivery, a_request, an_event
from tests.fakes.store import FakeStore
from tests.servers.databases import server_of
from tests.servers.postgres import PrivatePostgres

KEY = b"k" * 32
MINUTE = timedelta(minutes=1)
PEOPLE = st.sampled_from(["jane", "jane", "john"])
DOMAINS = st.sampled_from(["EXAMPLE", "EXAMPLE", "LAB"])
RECIPIENTS = st.lists(st.sampled_from([MAIL, SMS]), max_size=2, unique=True)
# Few different times and few records to choose from: it is at the edges and at second meetings that stores differ.
LIFETIMES = st.sampled_from([MINUTE, 2 * MINUTE, 10 * MINUTE])
PICK = st.integers(0, 2)
STATES = st.sampled_from(DeliveryState)
# Among those that are due or claimed to the same moment, no store promises an order.
UNORDERED = {"take_deliveries", "expired_claims"}
MEANWHILE = st.sampled_from(["nothing", "another", "revoked", "superseded", "late"])
KINDS = st.sampled_from([MessageName.RESET_LINK, MessageName.LINK_ISSUED])
LEASES = st.sampled_from(["any", "mine", "another"])


class TwoStores(RuleBasedStateMachine):
    """Does the same to both, and compares every answer and all that can be read afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.requests: list[str] = []
        self.deliveries: list[str] = []
        self.stores: tuple[Store, Store]

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def same(self, method: str, *args: Any, **named: Any) -> Any:
        """Call both; they must answer the same."""
        fake, real = (self.run(getattr(store, method)(*args, **named)) for store in self.stores)
        fake, real = (_plain(answer, method) for answer in (fake, real))
        assert real == fake, method
        return fake

    def one_of(self, ids: list[str], pick: int) -> str:
        """One of the newest three, so that many things happen to the same one."""
        return ids[-1 - pick % len(ids)] if ids else "nobody"

    def lease(self, request_id: str, which: str) -> datetime | None:
        request = self.run(self.stores[0].get(request_id))
        if which == "any" or request is None:
            return None
        return request.claimed_until if which == "mine" else self.clock.now() + timedelta(days=9)

    @initialize()
    def open(self) -> None:
        path = Path(self.folder.name) / "store.db"
        self.stores = (FakeStore(self.clock), self.run(SqliteStore.open(path, self.clock, exclusive=True)))

    def teardown(self) -> None:
        if hasattr(self, "stores"):
            self.run(self.stores[1].close())
        self.loop.close()
        self.folder.cleanup()

    # --- requests ---

    @rule(user=PEOPLE, domain=DOMAINS, sent_to=RECIPIENTS, lifetime=LIFETIMES, kind=KINDS, supersede=st.booleans())
    def add(
        self, user: str, domain: str, sent_to: list[Any], lifetime: timedelta, kind: MessageName, supersede: bool
    ) -> None:
        now = self.clock.now()
        request = a_request(now, user_id=user, login=user.upper(), domain=domain, lifetime=lifetime)
        request = replace(request, sent_to=tuple(sent_to))
        messages = [a_delivery(request, recipient=recipient, message=kind) for recipient in sent_to]
        self.same("add", request, messages, [an_event(now)], supersede=supersede)
        self.requests.append(request.id)
        self.deliveries += [message.id for message in messages]

    @rule(pick=PICK, lease=LIFETIMES)
    def claim(self, pick: int, lease: timedelta) -> None:
        now = self.clock.now()
        self.same("claim", self.one_of(self.requests, pick), now, now + lease, "mark")

    @rule(pick=PICK, which=LEASES)
    def release(self, pick: int, which: str) -> None:
        request_id, now = self.one_of(self.requests, pick), self.clock.now()
        self.same("release", request_id, now, [an_event(now)], lease=self.lease(request_id, which))

    @rule(pick=PICK, which=LEASES, told=RECIPIENTS)
    def settle(self, pick: int, which: str, told: list[Any]) -> None:
        request_id, now = self.one_of(self.requests, pick), self.clock.now()
        request = self.run(self.stores[0].get(request_id))
        notices = [
            a_delivery(request, recipient=recipient, message=MessageName.PASSWORD_CHANGED, due_at=now)
            for recipient in (told if request else ())
        ]
        if self.same("settle", request_id, now, notices, [an_event(now)], lease=self.lease(request_id, which)):
            self.deliveries += [notice.id for notice in notices]

    @rule(lease=LIFETIMES, meanwhile=MEANWHILE, which=LEASES, used=st.booleans(), sent_to=RECIPIENTS, kind=KINDS)
    def submit(
        self, lease: timedelta, meanwhile: str, which: str, used: bool, sent_to: list[Any], kind: MessageName
    ) -> None:
        """A form that is sent, and what comes in between: by chance alone the steps seldom follow each other."""
        for _ in range(2):
            self.add("jane", "EXAMPLE", sent_to, 10 * MINUTE, kind, supersede=False)
        self.claim(1, lease)
        if meanwhile == "another":
            self.claim(0, lease)
        elif meanwhile == "revoked":
            self.revoke(1)
        elif meanwhile == "superseded":
            self.supersede(0)
        elif meanwhile == "late":
            self.clock.advance(lease)
            self.claim(0, lease)
        self.show_the_same()
        if used:
            self.settle(1, which, [MAIL])
        else:
            self.release(1, which)

    @rule(pick=PICK)
    def revoke(self, pick: int) -> None:
        now = self.clock.now()
        self.same("revoke", self.one_of(self.requests, pick), now, "revoked-by-manager", [an_event(now)])

    @rule(pick=PICK)
    def supersede(self, pick: int) -> None:
        self.same("supersede", self.one_of(self.requests, pick), self.clock.now())

    # --- deliveries ---

    @rule(channel=st.sampled_from(Channel), lease=LIFETIMES, limit=st.integers(1, 3))
    def take(self, channel: Channel, lease: timedelta, limit: int) -> None:
        now = self.clock.now()
        # Which of those that are due at the same moment come first, no store promises; so none are left out then.
        due = [message.due_at for message in _queued(self.stores[0]) if message.recipient.channel is channel]
        limit = limit if len(set(due)) == len(due) else len(due)
        self.same("take_deliveries", channel, now, now + lease, limit)

    @precondition(lambda self: self.deliveries)
    @rule(picks=st.lists(PICK, min_size=1, max_size=3), state=STATES, wait=LIFETIMES)
    def settle_deliveries(self, picks: list[int], state: DeliveryState, wait: timedelta) -> None:
        now = self.clock.now()
        due_at = now + wait if state is DeliveryState.QUEUED else None
        ids = [self.one_of(self.deliveries, pick) for pick in picks]
        outcomes = [Settlement(delivery_id, state, now, due_at, "as it went") for delivery_id in ids]
        self.same("settle_deliveries", outcomes, [an_event(now)])

    @rule()
    def reclaim(self) -> None:
        self.same("reclaim", self.clock.now())

    # --- time and care ---

    @rule(minutes=st.sampled_from([1, 1, 2, 10]))
    def wait(self, minutes: int) -> None:
        self.clock.advance(minutes * MINUTE)

    @rule(minutes=st.sampled_from([0, 1, 2, 10]), chained=st.booleans())
    def purge(self, minutes: int, chained: bool) -> None:
        if chained:
            self.same("chain_audit", KEY)
        before = self.clock.now() - minutes * MINUTE
        purged = [self.run(store.purge(before)) for store in self.stores]
        assert _without_events(purged[1]) == _without_events(purged[0])
        left = [request_id for request_id in self.requests if self.run(self.stores[0].get(request_id))]
        gone = set(self.requests) - set(left)
        self.requests = left
        self.deliveries = [
            message.id for request_id in left for message in self.run(self.stores[0].deliveries(request_id))
        ]
        for request_id in gone:
            self.same("get", request_id)

    @invariant()
    def show_the_same(self) -> None:
        if not hasattr(self, "stores"):
            return
        now = self.clock.now()
        for state in (None, "pending", "claimed", "used", "revoked", "expired"):
            self.same("list", RequestFilter(state=state, limit=100), now)
        for user in ("jane", "Jane", "JOHN"):
            self.same("list", RequestFilter(frozenset(["LAB"]), user, limit=2), now)
        for request_id in self.requests:
            self.same("deliveries", request_id)
        self.same("expired_claims", now, 100)
        self.same("next_due")
        self.same("sms_since", now - 10 * MINUTE)
        self.same("counts", now)


def _queued(store: Store) -> list[Any]:
    assert isinstance(store, FakeStore)
    return [message for message in store.messages.values() if message.state is DeliveryState.QUEUED]


def _without_events(purged: Any) -> dict[str, int]:
    """Blocks of events are the stores' own affair."""
    return {what: count for what, count in purged.items() if what != "events"}


def _plain(answer: Any, method: str) -> Any:
    """Sequences are numbers of the stores' own, once a purge has taken the newest request; their order is compared."""
    if not isinstance(answer, tuple):
        return answer
    rows = [replace(row, sequence=0) if isinstance(row, ResetRequest) else row for row in answer]
    return sorted(rows, key=lambda row: row.id) if method in UNORDERED else rows


TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


class WithPostgres(TwoStores):
    """The same with PostgreSQL."""

    def __init__(self, server: PrivatePostgres) -> None:
        super().__init__()
        self.server = server
        self.database = server.database()

    @initialize()
    def open(self) -> None:
        self.stores = (FakeStore(self.clock), self.run(PostgresStore.open(server_of(self.database), self.clock)))

    def teardown(self) -> None:
        super().teardown()
        self.server.drop(self.database)

    def reclaim(self) -> None:
        """Not here: what is leased may be another process's."""


def test_two_stores_on_postgresql(postgres: PrivatePostgres) -> None:
    machine: Any = lambda: WithPostgres(postgres)  # noqa: E731 - a class to Hypothesis
    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=30, deadline=None))
