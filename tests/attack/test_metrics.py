"""Attacks on the figures at /metrics: read them from where one may not, get a name into them, hang them, flood them.

Which defence switched off turns which test red, each tried by hand:

- web/app.py, `_answer`: `self._scrape.allows(address)` left out -> test_others_find_no_such_page,
  test_behind_a_proxy_the_client_counts, test_a_proxy_that_nobody_listed_lends_its_address_to_nobody,
  test_who_may_not_read_them_is_limited_like_anybody
- web/app.py, `_answer`: a 403 of its own for addresses not allowed -> test_others_find_no_such_page
- reset/send.py, `_known_domain`: the caller's own word -> test_no_figure_holds_a_name_an_address_a_dn_or_a_token
- web/app.py, `_tell`: the path instead of the route -> the same, and test_callers_make_no_new_series
- web/rpc.py, `_single`: `call.method` told instead of `_known(call)` -> test_callers_make_no_new_series
- reset/limits.py, `peek`: the whole key told -> test_no_figure_holds_a_name_an_address_a_dn_or_a_token; `take`:
  test_a_limit_is_told_by_its_kind_alone in tests/unit/test_metrics.py
- reset/gauges.py, `answer`: no time limit -> test_a_store_and_a_directory_that_hang_do_not_hang_the_scrape
- reset/gauges.py, `answer`: asked anew although the last answer has not come -> the same
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from pwreset.errors import StoreUnavailable
from pwreset.reset.model import ServerHealth
from tests.fakes.api import ApiWorld, basic, post
from tests.fakes.directory import FakeDirectory
from tests.fakes.store import FakeStore
from tests.servers.wire import Wire, connected
from tests.wire.test_manager_api import call, send
from tests.wire.test_metrics import GET, of, samples, scraped


@pytest.fixture
def world() -> ApiWorld:
    return ApiWorld()


@pytest.fixture
async def wire(world: ApiWorld) -> AsyncIterator[Wire]:
    async with world.served() as listener, connected(listener.address[1]) as connection:
        yield connection


async def test_no_figure_holds_a_name_an_address_a_dn_or_a_token(world: ApiWorld, wire: Wire) -> None:
    link = (await send(wire, username="jdoe", method="MAILSMS")).body.decode()
    token = re.search(r"/r/([\w-]{43})", link)
    assert token is not None
    await send(wire, username="o'somebody", domain="dc=made,dc=up")
    await wire.exchange(post(call("Server_Status"), basic("EXAMPLE\\stranger", "guess")))
    await wire.exchange(b"GET /r/%s HTTP/1.1\r\nHost: reset.example.org\r\n\r\n" % token[1].encode())
    for _ in range(4):  # the last one is stopped by a limit
        await wire.exchange(post(call("Server_Status"), basic(password="wrong guess")))
    told = (await scraped(wire)).body.decode()
    secrets = (
        token[1],
        "jdoe",
        "somebody",
        "stranger",
        "guess",
        "dc=",
        "uid=",
        "@",
        "+33",
        "127.0.0.1",
        "ldap.example",
    )
    assert [word for word in secrets if word in told] == []


async def test_others_find_no_such_page() -> None:
    world = ApiWorld(changes={"metrics": {"allowed_networks": ["10.1.2.3"]}})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        answer = await scraped(wire)
        unknown = await wire.exchange(GET.replace(b"/metrics", b"/made-up"))
    assert (answer.status, unknown.status) == (404, 404)
    assert answer.body == unknown.body
    assert b"pwreset_" not in answer.body


async def test_behind_a_proxy_the_client_counts() -> None:
    world = ApiWorld(changes={"server": {"trusted_proxies": ["127.0.0.1"]}})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        far = await wire.exchange(GET[:-2] + b"X-Forwarded-For: 192.0.2.7\r\n\r\n")
        near = await wire.exchange(GET[:-2] + b"X-Forwarded-For: 127.0.0.1\r\n\r\n")
    assert (far.status, near.status) == (404, 200)


async def test_a_proxy_that_nobody_listed_lends_its_address_to_nobody(wire: Wire) -> None:
    answer = await wire.exchange(GET[:-2] + b"X-Forwarded-For: 127.0.0.1\r\n\r\n")
    assert answer.status in (403, 404)
    assert b"pwreset_" not in answer.body


async def test_who_may_not_read_them_is_limited_like_anybody() -> None:
    limits = {"page_requests_per_address_per_minute": 2}
    world = ApiWorld(changes={"metrics": {"allowed_networks": []}, "limits": limits})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        answers = [(await scraped(wire)).status for _ in range(3)]
    assert answers == [404, 404, 429]


async def test_callers_make_no_new_series(world: ApiWorld, wire: Wire) -> None:
    async def attack(number: int) -> int:
        await wire.exchange(post(call(f"Made_Up_{number}"), basic()))
        await send(wire, username=f"somebody{number}", domain=f"D{number}")
        await send(wire, username=f"somebody{number}", method=f"M{number}")
        await wire.exchange(post(call("Server_Status"), basic(f"EXAMPLE\\guess{number}")))
        await wire.exchange(b"GET /%d HTTP/1.1\r\nHost: reset.example.org\r\n\r\n" % number)
        return len(samples(await scraped(wire)))

    await attack(1)
    assert await attack(2) == await attack(3)


class HangingStore(FakeStore):
    """Takes what it is asked and never answers."""

    asked = 0

    async def health(self) -> ServerHealth:
        self.asked += 1
        await asyncio.Event().wait()
        raise StoreUnavailable


class HangingDirectory(FakeDirectory):
    async def health(self) -> tuple[ServerHealth, ...]:
        await asyncio.Event().wait()
        return ()


async def test_a_store_and_a_directory_that_hang_do_not_hang_the_scrape(world: ApiWorld) -> None:
    store = HangingStore(world.clock)
    far = HangingDirectory("FAR", world.settings.domains["FAR"], world.far_tree)
    world.services = replace(world.services, store=store, directories={**world.directories, "FAR": far})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        await scraped(wire)
        world.clock.advance(timedelta(minutes=1))
        found = samples(await scraped(wire))
    assert found[of("pwreset_store_up")] == 0
    assert found[of("pwreset_directory_servers_up", domain="FAR")] == 0
    assert found[of("pwreset_directory_servers_up", domain="LAB")] == 1
    assert store.asked == 1  # however often it is scraped
