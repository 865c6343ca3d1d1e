"""Pages in a frame: for origins that the domain lists, without head and foot, all the way.

Defences that were switched off by hand, one at a time, and which test turned red:

- web/door.py, pages are for a frame without being asked for so: test_without_being_asked_for_so_no_page_can_be_framed;
  whatever the wish says: test_any_other_wish_is_none
- web/door.py, the origins of all domains of the host count for each: test_the_portal_of_one_domain_frames_no_form_of_another_under_the_same_address
- web/door.py, whoever may frame one of the domains may frame the choice of them:
  test_nor_a_form_on_which_people_of_several_domains_choose_theirs
- web/security.py, frames for all: test_a_domain_that_lists_no_origin_is_framed_by_nobody
"""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest

from pwreset.settings import BrandSettings, Settings
from pwreset.settings.frames import problems_of
from pwreset.web.security import page_headers
from tests.fakes.directory import Weather
from tests.fakes.pages import GOOD_PASSWORD, HERE, OTHER_HERE, OTTO, PagesWorld, settings_with
from tests.fakes.person import FORM_TOKEN
from tests.fakes.public import switch_on

PORTAL = "https://portal.example.org"


def settings_with_portal() -> Settings:
    settings = settings_with()
    brand = BrandSettings(embed_site="example.org", embed_origins=(PORTAL,), footer="1 Main Street")
    domain = msgspec.structs.replace(settings.domains["EXAMPLE"], brand=brand)
    return msgspec.structs.replace(settings, domains={**settings.domains, "EXAMPLE": domain})


@pytest.fixture
def world() -> PagesWorld:
    return PagesWorld(settings_with_portal())


def ancestors(answer: httpx2.Response) -> str:
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    return policy["frame-ancestors"]


def is_framed(answer: httpx2.Response) -> bool:
    """Whether the portal, and nobody else, may frame the page, which is without head and foot."""
    if "<body" in answer.text:
        assert ('<header class="brand">' in answer.text) == (ancestors(answer) == "'none'")
        assert ("1 Main Street" in answer.text) <= (ancestors(answer) == "'none'")
    assert ("x-frame-options" in answer.headers) == (ancestors(answer) == "'none'")
    return ancestors(answer) == PORTAL


async def the_whole_way(browser: httpx2.AsyncClient, first: str) -> list[httpx2.Response]:
    """Open, be refused, set the password: each answer on the way."""
    answers = [await browser.get(first)]
    answers.append(page := await browser.get(answers[0].headers["location"]))
    found = FORM_TOKEN.search(page.text)
    assert found is not None
    address = page.request.url.raw_path.decode()
    for password in ("short", GOOD_PASSWORD):
        fields = {"form_token": found[1], "password": password, "repeat": password}
        answers.append(await browser.post(address, data=fields, headers={"origin": str(browser.base_url).rstrip("/")}))
    answers.append(await browser.get(answers[-1].headers["location"]))
    return answers


async def test_the_whole_way_goes_on_in_the_frame(world: PagesWorld) -> None:
    token, _ = await world.link()
    answers = await the_whole_way(world.browser(), f"/r/{token.reveal()}?inline=1")
    assert [answer.status_code for answer in answers] == [303, 200, 422, 303, 200]
    assert [is_framed(answer) for answer in answers] == [True] * 5


async def test_without_being_asked_for_so_no_page_can_be_framed(world: PagesWorld) -> None:
    token, _ = await world.link()
    answers = await the_whole_way(world.browser(), f"/r/{token.reveal()}")
    assert [is_framed(answer) for answer in answers] == [False] * 5
    assert "1 Main Street" in answers[1].text


async def test_a_domain_that_lists_no_origin_is_framed_by_nobody(world: PagesWorld) -> None:
    token, _ = await world.link(OTTO)
    answers = await the_whole_way(world.browser(OTHER_HERE), f"/r/{token.reveal()}?inline=1")
    assert [is_framed(answer) for answer in answers] == [False] * 5


async def test_the_portal_of_one_domain_frames_no_form_of_another_under_the_same_address() -> None:
    settings = settings_with_portal()
    other = msgspec.structs.replace(settings.domains["OTHER"], public_url=None)
    world = PagesWorld(msgspec.structs.replace(settings, domains={**settings.domains, "OTHER": other}))
    token, _ = await world.link(OTTO)
    browser = world.browser()
    moved = await browser.get(f"/r/{token.reveal()}?inline=1")
    assert ancestors(await browser.get(moved.headers["location"])) == "'none'"


@pytest.mark.parametrize("path", ["/forgot", "/change"])
async def test_nor_a_form_on_which_people_of_several_domains_choose_theirs(path: str) -> None:
    settings = settings_with_portal()
    both = {
        name: msgspec.structs.replace(one, public_url=None, change_page=True, public=True)
        for name, one in settings.domains.items()
    }
    world = PagesWorld(msgspec.structs.replace(settings, domains=both))
    page = await world.browser().get(f"{path}?inline=1")
    assert "<select" in page.text
    assert ancestors(page) == "'none'"
    for name, one in both.items():
        brand = BrandSettings(embed_site="example.org", embed_origins=(f"https://{name.lower()}.example.org", PORTAL))
        both[name] = msgspec.structs.replace(one, brand=brand)
    assert ancestors(await world.browser().get(f"{path}?inline=1")) == PORTAL


@pytest.mark.parametrize("query", ["inline=0", "inline=", "inline=1&inline=0", "inline=true", "INLINE=1"])
async def test_any_other_wish_is_none(world: PagesWorld, query: str) -> None:
    assert not is_framed(await world.browser().get(f"/?{query}"))


@pytest.mark.parametrize("path", ["/", "/nowhere", "/reset/0123456789abcdef", "/r/x", "/done/0123456789abcdef"])
async def test_a_page_that_belongs_to_no_domain_may_be_framed_by_whom_a_domain_of_this_host_lists(
    world: PagesWorld, path: str
) -> None:
    assert is_framed(await world.browser(HERE).get(f"{path}?inline=1"))
    assert not is_framed(await world.browser(OTHER_HERE).get(f"{path}?inline=1"))


async def test_the_public_page_and_its_answer_stay_in_the_frame(world: PagesWorld) -> None:
    switch_on(world, "EXAMPLE")
    browser = world.browser()
    page = await browser.get("/forgot?inline=1")
    assert 'action="/forgot?inline=1"' in page.text
    moved = await browser.post("/forgot?inline=1", data={"name": "jdoe"}, headers={"origin": HERE})
    assert moved.headers["location"] == "/forgot/sent?inline=1"
    assert [is_framed(answer) for answer in (page, moved, await browser.get(moved.headers["location"]))] == [True] * 3


async def test_another_try_stays_in_the_frame(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    moved = await browser.get(f"/r/{token.reveal()}?inline=1")
    world.weather(Weather.DOWN)
    page = await browser.get(moved.headers["location"])
    assert f'href="{moved.headers["location"]}"' in page.text
    assert is_framed(page)


def test_but_for_who_may_frame_it_a_page_in_a_frame_is_guarded_as_any_other() -> None:
    alone, framed = page_headers(), page_headers((PORTAL,))
    changed = {name for name in alone if alone[name] != framed.get(name)}
    assert changed == {"content-security-policy", "x-frame-options", "cross-origin-resource-policy"}
    assert framed["content-security-policy"] == alone["content-security-policy"].replace("'none'", PORTAL).replace(
        f"default-src {PORTAL}", "default-src 'none'"
    ).replace(f"base-uri {PORTAL}", "base-uri 'none'")


@pytest.mark.parametrize(
    ("brand", "public_url", "place"),
    [
        ({"embed_site": None}, HERE, "embed_site"),
        ({"embed_site": "org"}, HERE, "embed_site"),
        ({"embed_site": "192.0.2.1"}, HERE, "embed_site"),
        ({"embed_site": "other.example"}, HERE, "embed_site"),
        ({"embed_site": "example.org"}, "http://localhost:8443", "embed_site"),
        ({"embed_site": "example.org"}, "https://notexample.org", "embed_site"),
        ({"embed_origins": ("http://portal.example.org",)}, HERE, "embed_origins"),
        ({"embed_origins": ("https://portal.example.org/",)}, HERE, "embed_origins"),
        ({"embed_origins": ("https://*.example.org",)}, HERE, "embed_origins"),
        ({"embed_origins": ("https://portal.example.org; script-src *",)}, HERE, "embed_origins"),
        ({"embed_origins": ("https://portal.example.org evil.example",)}, HERE, "embed_origins"),
        ({"embed_origins": ("https://portal.example.org\n",)}, HERE, "embed_origins"),
        ({"embed_origins": ("'self'",)}, HERE, "embed_origins"),
        ({"embed_origins": ("https://evilexample.org",)}, HERE, "embed_origins"),
        ({"embed_origins": ("https://portal.example.com",)}, HERE, "embed_origins"),
    ],
)
def test_origins_of_another_site_are_refused(brand: dict[str, Any], public_url: str, place: str) -> None:
    settings = BrandSettings(**{"embed_site": "example.org", "embed_origins": (PORTAL,)} | brand)
    assert next(where for where, _ in problems_of("brand", settings, public_url)) == f"brand.{place}"


@pytest.mark.parametrize("origin", [PORTAL, "https://example.org", "https://a.b.example.org:8443", HERE])
def test_origins_of_the_same_site_are_taken(origin: str) -> None:
    brand = BrandSettings(embed_site="example.org", embed_origins=(origin,))
    assert [*problems_of("brand", brand, HERE)] == []
