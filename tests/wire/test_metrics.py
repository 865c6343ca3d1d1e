"""The figures at /metrics: what they tell, whom, and what they never tell. From outside, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pwreset.metrics import Metric
from pwreset.reset.worker import chain
from pwreset.web.server import metrics_served
from tests.fakes.api import ApiWorld, basic, post
from tests.servers.wire import GENEROUS, Received, Wire, connected
from tests.wire.test_manager_api import call, send
from tests.wire.test_server import serving, world_with

GET = b"GET /metrics HTTP/1.1\r\nHost: pwreset\r\n\r\n"
Sample = tuple[str, frozenset[tuple[str, str]]]


async def scraped(wire: Wire) -> Received:
    return await wire.exchange(GET)


def samples(answer: Received) -> dict[Sample, float]:
    """Each sample by its name and labels."""
    assert answer.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def of(name: str, **labels: str) -> Sample:
    return name, frozenset(labels.items())


async def test_a_scrape_is_prometheus_text(wire: Wire) -> None:
    answer = await scraped(wire)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert samples(answer)[of("pwreset_store_up")] == 1


@pytest.mark.parametrize("metric", Metric)
async def test_every_metric_is_in_a_scrape(wire: Wire, metric: Metric) -> None:
    assert f"# HELP {metric.value.scraped} " in (await scraped(wire)).body.decode()


async def test_no_metric_is_in_a_scrape_that_is_not_declared(wire: Wire) -> None:
    names = set(re.findall(r"^# HELP (\w+) ", (await scraped(wire)).body.decode(), re.MULTILINE))
    assert {name for name in names if not name.startswith("process_")} == {metric.value.scraped for metric in Metric}


async def test_asks_are_counted_by_domain_and_by_what_became_of_them(wire: Wire) -> None:
    await send(wire, username="jdoe", method="NONE")
    await send(wire, username="nobody")
    await send(wire, username="jdoe", domain="Elsewhere")
    found = samples(await scraped(wire))
    assert found[of("pwreset_asks_total", origin="manager", domain="EXAMPLE", outcome="sent", reason="")] == 1
    assert (
        found[of("pwreset_asks_total", origin="manager", domain="EXAMPLE", outcome="refused", reason="user-unknown")]
        == 1
    )
    assert found[of("pwreset_asks_total", origin="manager", domain="", outcome="refused", reason="domain-unknown")] == 1


@pytest.mark.parametrize(("says", "outcome"), [("accepted", "sent"), ("refused", "refused"), ("deferred", "deferred")])
async def test_deliveries_are_counted_by_channel_and_outcome(
    world: ApiWorld, wire: Wire, says: str, outcome: str
) -> None:
    world.mail.says = says
    await send(wire, username="jdoe", method="MAIL")
    found = samples(await scraped(wire))
    assert found[of("pwreset_deliveries_total", channel="mail", outcome=outcome)] == 1
    assert found[of("pwreset_transport_seconds_count", channel="mail")] == 1


async def test_log_ins_are_counted_and_not_by_name(wire: Wire) -> None:
    await wire.exchange(post(call("Server_Status"), basic(password="wrong")))
    await wire.exchange(post(call("Server_Status"), basic("EXAMPLE\\jdoe")))
    await wire.exchange(post(call("Server_Status"), basic()))
    answer = await scraped(wire)
    outcomes = {"wrong-password": 1, "not-a-manager": 1, "succeeded": 1, "password-expired": 0}
    assert {name: samples(answer)[of("pwreset_logins_total", outcome=name)] for name in outcomes} == outcomes


async def test_what_a_limit_stops_is_counted_by_its_kind(wire: Wire) -> None:
    for _ in range(4):
        await wire.exchange(post(call("Server_Status"), basic(password="wrong")))
    found = samples(await scraped(wire))
    assert found[of("pwreset_limits_hit_total", limit="login-account")] >= 1


async def test_calls_are_counted_by_their_documented_name(wire: Wire) -> None:
    await wire.exchange(post(call("server_status"), basic()))
    await wire.exchange(post(call("Made_Up_" + "x" * 50), basic()))
    await wire.exchange(post(call("PwReset.Get_Request", id=7), basic()))
    found = samples(await scraped(wire))
    assert found[of("pwreset_calls_total", method="Server_Status", outcome="ok")] == 1
    assert found[of("pwreset_calls_total", method="unknown", outcome="-32601")] == 1
    assert found[of("pwreset_calls_total", method="PwReset.Get_Request", outcome="-32602")] == 1


async def test_answers_are_timed_by_route_and_not_by_what_was_asked(wire: Wire) -> None:
    for path in (b"/r/" + b"A" * 43, b"/r/" + b"B" * 43, b"/made-up", b"/healthz"):
        await wire.exchange(b"GET " + path + b" HTTP/1.1\r\nHost: reset.example.org\r\n\r\n")
    found = samples(await scraped(wire))
    assert found[of("pwreset_http_request_seconds_count", route="/r/***", status="3xx")] == 2
    assert found[of("pwreset_http_request_seconds_count", route="unknown", status="4xx")] == 1
    assert found[of("pwreset_http_request_seconds_count", route="/healthz", status="2xx")] == 1


async def test_what_waits_is_told_with_the_age_of_the_oldest(world: ApiWorld, wire: Wire) -> None:
    world.mail.says = "deferred"
    await send(wire, username="jdoe", method="MAIL")
    world.clock.advance(timedelta(minutes=3))
    found = samples(await scraped(wire))
    assert found[of("pwreset_live_links")] == 1
    assert found[of("pwreset_waiting_messages", channel="mail")] == 1
    assert found[of("pwreset_oldest_waiting_seconds", channel="mail")] == 180
    assert found[of("pwreset_audit_unchained_seconds")] == 180
    await chain(world.services)
    world.clock.advance(timedelta(minutes=1))
    assert samples(await scraped(wire))[of("pwreset_audit_unchained_seconds")] == 0


async def test_a_reading_is_shared_for_a_while(world: ApiWorld, wire: Wire) -> None:
    assert samples(await scraped(wire))[of("pwreset_transport_up", channel="mail")] == 1
    world.mail.says = "deferred"
    assert samples(await scraped(wire))[of("pwreset_transport_up", channel="mail")] == 1
    world.clock.advance(timedelta(seconds=5))
    assert samples(await scraped(wire))[of("pwreset_transport_up", channel="mail")] == 0


async def test_a_store_that_is_down_is_told_and_its_figures_are_missing(world: ApiWorld, wire: Wire) -> None:
    await scraped(wire)
    world.store.down = True
    world.clock.advance(timedelta(minutes=1))
    found = samples(await scraped(wire))
    assert found[of("pwreset_store_up")] == 0
    assert of("pwreset_live_links") not in found


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"POST", 405), (b"DELETE", 405)])
async def test_figures_are_only_read(wire: Wire, method: bytes, status: int) -> None:
    await wire.send(method + GET[3:])
    assert (await wire.receive(to_head=method == b"HEAD")).status == status


@contextlib.asynccontextmanager
async def worked(world: ApiWorld) -> AsyncIterator[Wire]:
    async with metrics_served(world.services) as address:
        assert address is not None
        async with connected(address[1]) as wire:
            yield wire


async def test_with_an_address_of_their_own_they_are_served_there_only() -> None:
    async with serving(world_with(metrics={"bind": "127.0.0.1:0"})) as listening:
        assert len({listening.main, listening.metrics}) == 2
        async with connected(listening.main[1]) as main, connected(listening.metrics[1]) as own:
            assert ((await scraped(main)).status, (await scraped(own)).status) == (404, 200)
            assert (await own.exchange(GET.replace(b"/metrics", b"/manag/"))).status == 404
            assert (await own.exchange(GET.replace(b"/metrics", b"/r/x"))).status == 404


async def test_a_worker_serves_them_where_it_is_told_to() -> None:
    async with asyncio.timeout(GENEROUS), worked(ApiWorld(changes={"metrics": {"worker_bind": "127.0.0.1:0"}})) as wire:
        assert samples(await scraped(wire))[of("pwreset_store_up")] == 1


async def test_a_worker_serves_none_unless_it_is_told_to() -> None:
    async with metrics_served(ApiWorld().services) as address:
        assert address is None
