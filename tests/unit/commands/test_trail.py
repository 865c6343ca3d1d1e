"""What `pwreset audit show` prints of a trail that is longer than what is read at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pwreset.commands.trail import PAGE, events_of
from pwreset.reset.model import AuditEvent
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore

NOW = datetime(2026, 11, 27, tzinfo=UTC)
EVENTS = 2 * PAGE + 500


@pytest.fixture
async def store() -> FakeStore:
    """Every second event is of an ask with one name, the others of another."""
    store = FakeStore(FakeClock(NOW))
    marks = ({"typed": f"mark-{number % 2}"} for number in range(EVENTS))
    await store.record([AuditEvent("request.refused", NOW, "public:192.0.2.1", facts=dict(facts)) for facts in marks])
    return store


@pytest.mark.parametrize(
    ("after", "limit", "first", "count"),
    [(0, 10, 1, 10), (0, PAGE + 1, 1, PAGE + 1), (0, 100_000, 1, EVENTS), (PAGE, 100_000, PAGE + 1, EVENTS - PAGE)],
)
async def test_as_many_events_as_wanted_are_shown_in_order(
    store: FakeStore, after: int, limit: int, first: int, count: int
) -> None:
    shown = [event.sequence async for event in events_of(store, after, limit)]
    assert shown == list(range(first, first + count))


async def test_asks_with_a_name_are_found_beyond_the_first_page(store: FakeStore) -> None:
    shown = [event async for event in events_of(store, 0, PAGE + 1, frozenset(["mark-1"]))]
    assert len(shown) == PAGE + 1
    assert {event.facts["typed"] for event in shown} == {"mark-1"}
