"""The public page on fakes, and what a browser does with it: solve the challenge, send the form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import altcha
import httpx2
import msgspec

from tests.fakes.pages import HERE, PagesWorld, settings_with

CHALLENGE = re.compile(r'data-challenge="([^"]*)"')


def public_world(
    public: Mapping[str, Any] | None = None,
    *,
    domains: tuple[str, ...] = ("EXAMPLE",),
    address: str = HERE,
    **changes: Any,
) -> PagesWorld:
    """The pages' world with the public page in these domains, changed so, and work that costs a test nothing."""
    settings = settings_with(address, {"public": {"captcha_rounds": 1, **(public or {})}})
    switched = {
        name: msgspec.structs.replace(domain, public=name in domains, **changes)
        for name, domain in settings.domains.items()
    }
    return PagesWorld(msgspec.structs.replace(settings, domains=switched))


def switch_on(world: PagesWorld, *names: str) -> None:
    """Have the public page in these domains from now on, under the address of EXAMPLE."""
    domains, settings = world.settings.domains, world.settings
    for name in names:
        domains[name] = msgspec.structs.replace(domains[name], public=True, public_url=None)
    msgspec.structs.force_setattr(settings, "public", msgspec.structs.replace(settings.public, captcha_rounds=1))


def challenge_in(page: httpx2.Response | str) -> dict[str, Any]:
    """The challenge that a form carries."""
    found = CHALLENGE.search(page if isinstance(page, str) else page.text)
    assert found is not None
    challenge: dict[str, Any] = json.loads(unescape(found[1]))
    return challenge


def solved(page: httpx2.Response | str) -> str:
    """What the page's script would send along."""
    challenge = altcha.Challenge.from_dict(challenge_in(page))
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    return altcha.Payload(challenge, solution).to_base64()


async def ask(
    browser: httpx2.AsyncClient,
    name: str,
    *,
    proof: str | None = None,
    headers: Mapping[str, str] | None = None,
    **fields: str,
) -> httpx2.Response:
    """Open the form and send it, as a browser with the page's script does."""
    if proof is None:
        proof = solved(await browser.get("/forgot"))
    origin = {"origin": str(browser.base_url).rstrip("/")} if headers is None else headers
    return await browser.post("/forgot", data={"name": name, "proof": proof, **fields}, headers=dict(origin))


async def looked_at(world: PagesWorld) -> list[str]:
    """Have what waits looked at: the reasons and names of what came of it, by the audit trail."""
    await world.services.asks.drain(30, world.services)
    return [str(event.facts.get("reason", event.name)) for event in world.store.events]
