"""What is counted of passwords and messages, on fakes."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pwreset.errors import CodeWrong, FactorUnavailable, LinkLocked, PwresetError
from pwreset.metrics import Metrics, Reading
from pwreset.reset.limits import MemoryCounters, SharedCounters
from pwreset.reset.ports import Limit
from pwreset.reset.recover import recover_claims
from pwreset.reset.redeem import set_password
from pwreset.reset.second_factor import (
    CODE_LIFETIME,
    TRIES_PER_CODE,
    TRIES_PER_LINK,
    send_code,
    try_code,
    try_one_time_password,
)
from pwreset.reset.worker import start_due_deliveries
from pwreset.secret import Secret
from tests.fakes.clock import FakeClock
from tests.fakes.directory import Weather
from tests.fakes.second_factor import FactorWorld
from tests.fakes.world import PASSWORD, World
from tests.unit.reset.test_asked import an_ask

NOTHING_LOOKED_UP = Reading(store_up=True, counts=None, directories={}, transports={})


def counted(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The counters of this name that are not 0, by the values of their labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.scrape(NOTHING_LOOKED_UP).decode())
        for sample in family.samples
        if sample.name == name and sample.value
    }


async def tried(world: World, password: str = PASSWORD) -> None:
    token = await world.token()
    try:
        await set_password(token, Secret(password), "192.0.2.1", world.services)
    except PwresetError:
        world.clock.advance(timedelta(hours=1))
        world.directory.tree.weather = Weather.FINE
        await recover_claims(world.services)


@pytest.mark.parametrize(
    ("weather", "password", "expected"),
    [
        (Weather.FINE, PASSWORD, {("EXAMPLE", "set", ""): 1}),
        (Weather.FINE, "short", {("EXAMPLE", "refused", "password-refused"): 1}),
        (Weather.CUT_BEFORE_WRITING, PASSWORD, {("EXAMPLE", "unclear", "outcome-unclear"): 1}),
    ],
)
async def test_new_passwords_are_counted_by_what_became_of_them(
    weather: Weather, password: str, expected: dict[tuple[str, ...], float]
) -> None:
    world = World()
    world.directory.tree.weather = weather
    await tried(world, password)
    assert counted(world.services.metrics, "pwreset_passwords_total") == expected


async def test_a_password_that_a_limit_stopped_has_failed() -> None:
    world = World(changes={"limits": {"password_tries_per_link_per_hour": 1}})
    token = await world.token()
    for _ in range(2):
        with pytest.raises(PwresetError):
            await set_password(token, Secret("short"), "192.0.2.1", world.services)
    assert counted(world.services.metrics, "pwreset_passwords_total") == {
        ("EXAMPLE", "refused", "password-refused"): 1,
        ("EXAMPLE", "failed", "too-many-tries"): 1,
    }


async def test_codes_are_counted_by_what_became_of_them() -> None:
    world = FactorWorld()
    token = await world.sent_link()
    await send_code(token, "192.0.2.1", world.services)
    code = await world.code()
    with pytest.raises(CodeWrong):
        await try_code(token, "x", "form", "192.0.2.1", world.services)
    await try_code(token, code, "form", "192.0.2.1", world.services)
    assert counted(world.services.metrics, "pwreset_second_factors_total") == {
        ("EXAMPLE", "code", "wrong"): 1,
        ("EXAMPLE", "code", "proved"): 1,
    }


async def one_time_password_tried(world: FactorWorld, token: Secret) -> None:
    with suppress(CodeWrong, LinkLocked, FactorUnavailable):
        await try_one_time_password(token, Secret("000000"), b"", "192.0.2.1", world.services)


async def test_the_try_that_ends_a_link_is_counted_as_such() -> None:
    world = FactorWorld(mfa={"factors": ("radius",)})
    token = await world.sent_link()
    for _ in range(TRIES_PER_LINK // TRIES_PER_CODE):
        for _ in range(TRIES_PER_CODE):
            await one_time_password_tried(world, token)
        world.clock.advance(CODE_LIFETIME)
    assert counted(world.services.metrics, "pwreset_second_factors_total") == {
        ("EXAMPLE", "radius", "wrong"): TRIES_PER_LINK - 1,
        ("EXAMPLE", "radius", "locked"): 1,
    }


async def test_a_try_that_no_server_judged_is_counted_as_such() -> None:
    world = FactorWorld(mfa={"factors": ("radius",)})
    world.otp.down = True
    await one_time_password_tried(world, await world.sent_link())
    assert counted(world.services.metrics, "pwreset_second_factors_total") == {("EXAMPLE", "radius", "unavailable"): 1}


async def test_a_message_whose_time_is_over_is_abandoned_and_not_refused() -> None:
    world = World()
    world.mail.defer("jane@example.org")
    await world.send(lifetime_hours=1)
    world.clock.advance(timedelta(hours=2))
    await start_due_deliveries(world.services)
    await world.services.outbox.drain(10)
    assert counted(world.services.metrics, "pwreset_deliveries_total") == {
        ("mail", "deferred"): 1,
        ("mail", "abandoned"): 1,
    }


async def test_a_message_that_was_tried_often_enough_is_abandoned() -> None:
    world = World(changes={"delivery": {"attempts": 1}})
    world.mail.defer("jane@example.org")
    with pytest.raises(PwresetError):
        await world.send()
    assert counted(world.services.metrics, "pwreset_deliveries_total") == {("mail", "abandoned"): 1}


@pytest.mark.parametrize("shared", [False, True])
async def test_a_limit_is_told_by_its_kind_alone(shared: bool) -> None:
    metrics, now = Metrics(), FakeClock().now()
    near = MemoryCounters(tell=metrics.limit_hit)
    counters = SharedCounters(MemoryCounters(), metrics.limit_hit) if shared else near
    for _ in range(3):
        await counters.take("login-account:uid=jane,dc=example", Limit(1, timedelta(minutes=1)), now)
    await counters.peek("page:192.0.2.0/24", Limit(1, timedelta(minutes=1)), now)
    assert counted(metrics, "pwreset_limits_hit_total") == {("login-account",): 2}


@pytest.mark.parametrize(("seconds", "bucket"), [(0.005, "0.005"), (0.006, "0.025"), (0.0, "0.005"), (60.0, "+Inf")])
def test_a_time_falls_into_the_first_bucket_that_it_does_not_exceed(seconds: float, bucket: str) -> None:
    metrics = Metrics()
    metrics.transport_took("mail", seconds)
    buckets = counted(metrics, "pwreset_transport_seconds_bucket")
    assert next(bound for _, bound in buckets) == bucket
    assert set(buckets.values()) == {1}
    assert counted(metrics, "pwreset_transport_seconds_count") == {("mail",): 1}
    assert counted(metrics, "pwreset_transport_seconds_sum") == ({("mail",): seconds} if seconds else {})


def test_a_client_that_hung_up_is_none_whose_request_was_wrong() -> None:
    metrics = Metrics()
    for status in (499, 404, 200):
        metrics.answered("/manag/", status, 0.1)
    assert set(counted(metrics, "pwreset_http_request_seconds_count")) == {
        ("/manag/", "499"),
        ("/manag/", "4xx"),
        ("/manag/", "2xx"),
    }


async def test_asks_on_the_public_page_are_counted_as_such_and_so_are_those_that_find_no_place() -> None:
    world = World({"public": {"queue": 1}}, {"public": True})
    asks = world.services.asks
    for name in ("jane", "too much"):
        asks.put(an_ask(name), world.services)
    await asks.drain(10, world.services)
    asks.put(an_ask("nobody"), world.services)
    asks.put(an_ask("jane", domain="somebody's own words"), world.services)
    await asks.drain(10, world.services)
    found = counted(world.services.metrics, "pwreset_asks_total")
    assert found[("EXAMPLE", "public", "sent", "")] == 1
    assert found[("EXAMPLE", "public", "refused", "overloaded")] >= 1
    assert {domain for domain, *_ in found} <= {"EXAMPLE", ""}
