"""The parameter `mfa` on the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.api import ApiWorld, basic, post
from tests.servers.wire import Wire, connected
from tests.wire.test_manager_api import call, result, send


@pytest.fixture
def world() -> ApiWorld:
    """Home has a second factor; LAB has none."""
    return ApiWorld(changes={"domains": {"EXAMPLE": {"mfa": {"factors": ["code"]}}}})


@pytest.fixture
async def wire(world: ApiWorld) -> AsyncIterator[Wire]:
    async with world.served() as listener, connected(listener.address[1]) as connection:
        yield connection


async def answer_to(wire: Wire, **params: Any) -> tuple[dict[str, Any], str | None]:
    """The answer, and the reason in its header."""
    answer = await send(wire, **params)
    return json.loads(answer.body), dict(answer.headers).get("pwreset-reason")


async def test_a_link_that_demands_a_second_factor_is_a_link_like_others(world: ApiWorld, wire: Wire) -> None:
    told, _ = await answer_to(wire, username="jdoe", method="NONE", mfa=True)
    assert told["result"].startswith("https://")
    assert world.links == ["pending"]


async def test_what_a_link_demands_is_told_of_it_and_of_no_other(wire: Wire) -> None:
    await send(wire, username="jdoe", method="NONE", mfa=True)
    await send(wire, username="zoe", method="NONE", mfa=False)
    listed: Any = await result(wire, "PwReset.List_Requests")
    assert [one.get("factor") for one in listed["requests"]] == [None, "code"]
    one: Any = await result(wire, "PwReset.Get_Request", id=listed["requests"][1]["id"])
    assert one["factor"] == "code"


async def test_who_has_no_second_factor_gets_no_link(world: ApiWorld, wire: Wire) -> None:
    told, reason = await answer_to(wire, username="mailonly", method="MAIL", mfa=True)
    assert (told["result"], reason) == (False, "no-second-factor")
    assert (world.links, world.mail.carried) == ([], [])


async def test_it_is_never_ignored_in_a_domain_that_has_none(world: ApiWorld, wire: Wire) -> None:
    ask = call(username="jlab", domain="LAB", method="NONE", mfa=True)
    answer = await wire.exchange(post(ask, basic(r"EXAMPLE\both")))
    assert json.loads(answer.body)["error"] == {
        "code": -32602,
        "message": "Invalid params",
        "data": "Parameter mfa not supported",
    }
    assert world.links == []


async def test_an_unknown_domain_is_told_as_one(wire: Wire) -> None:
    told, reason = await answer_to(wire, username="jdoe", domain="NOWHERE", mfa=True)
    assert (told["result"], reason) == (False, "domain-unknown")
