"""Our pages in other people's frames: the browser shows them to the origins that are listed, and to no other.

Defences that were switched off by hand, one at a time, and which test turned red:

- web/security.py, everybody may frame a page that somebody may, or every origin of the site may; no `frame-ancestors` and no
  `X-Frame-Options` on all others; web/door.py, a page is for a frame unasked, or whatever the wish says:
  test_the_browser_shows_our_page_in_no_other_frame, each for its own case
- web/door.py, no page is for a frame, or the wish is lost on the way; web/templates/base.html, head and foot in the frame:
  test_a_person_sets_a_new_password_in_the_portal_s_frame

`X-Frame-Options` by itself holds nothing here: browsers that know `frame-ancestors` do not look at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.async_api import Browser, Frame, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from pwreset.secret import Secret
from pwreset.settings import BrandSettings
from tests.fakes.pages import GOOD_PASSWORD, OLD_PASSWORD, PagesWorld, settings_with
from tests.servers.https import https

pytestmark = pytest.mark.browser

# Names under one registrable domain are one site to a browser; the other one is another site.
PORTAL, NEIGHBOUR, STRANGER, OURS = "portal.firm.test", "wiki.firm.test", "portal.stranger.test", "reset.firm.test"


@dataclass
class Framed:
    """The pages' world, where it is served, and a server that frames what it is asked to, under every name."""

    world: PagesWorld
    ours: str
    port: int

    def frame_of(self, host: str, path: str) -> str:
        return f"https://{host}:{self.port}/?{path}"

    async def open(self, page: Page, host: str, token: Secret, query: str = "?inline=1") -> Frame:
        await page.goto(self.frame_of(host, f"{self.ours}/r/{token.reveal()}{query}"))
        return next(frame for frame in page.frames if frame.parent_frame is not None)


@pytest.fixture
def framed(tmp_path: Path) -> Iterator[Framed]:
    async def portal(request: Request) -> HTMLResponse:
        return HTMLResponse(
            f'<!doctype html><title>Portal</title><iframe src="{request.url.query}" width="800" height="900"></iframe>'
        )

    worlds: list[PagesWorld] = []
    with ExitStack() as servers:
        portals = Starlette(routes=[Route("/", portal)])
        port = urlsplit(servers.enter_context(https(lambda _: portals, tmp_path / "portal"))).port or 0

        def app(address: str) -> ASGIApp:
            settings = settings_with(address.replace("localhost", OURS))
            brand = BrandSettings(embed_site="firm.test", embed_origins=(f"https://{PORTAL}:{port}",))
            domain = msgspec.structs.replace(settings.domains["EXAMPLE"], brand=brand)
            worlds.append(PagesWorld(msgspec.structs.replace(settings, domains={"EXAMPLE": domain})))
            return worlds[0].app

        address = servers.enter_context(https(app, tmp_path / "ours"))
        yield Framed(worlds[0], address.replace("localhost", OURS), port)


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])
async def test_a_person_sets_a_new_password_in_the_portal_s_frame(
    chromium: Browser, framed: Framed, java_script_enabled: bool
) -> None:
    token, _ = await framed.world.link()
    page = await chromium.new_page(ignore_https_errors=True, java_script_enabled=java_script_enabled, locale="en-GB")
    try:
        frame = await framed.open(page, PORTAL, token)
        await expect(frame.locator("header, footer")).to_have_count(0)
        await _send(frame, "short")
        await expect(frame.locator("#summary")).to_be_visible()
        await _send(frame, GOOD_PASSWORD)
        await expect(frame.get_by_role("heading", level=1)).to_have_text("Your password has been changed")
        await expect(frame.locator("header, footer")).to_have_count(0)
    finally:
        await page.close()
    assert framed.world.password() == GOOD_PASSWORD


async def test_in_a_frame_too_a_refusal_is_where_the_reader_is(chromium: Browser, framed: Framed) -> None:
    token, _ = await framed.world.link()
    page = await chromium.new_page(ignore_https_errors=True)
    try:
        frame = await framed.open(page, PORTAL, token)
        await _send(frame, "short")
        await expect(frame.locator("#summary")).to_be_focused()
    finally:
        await page.close()


@pytest.mark.parametrize(
    ("host", "query"),
    [(STRANGER, "?inline=1"), (NEIGHBOUR, "?inline=1"), (PORTAL, ""), (PORTAL, "?inline=0")],
    ids=["another-site", "same-site-but-not-listed", "not-asked-for", "asked-for-not"],
)
async def test_the_browser_shows_our_page_in_no_other_frame(
    chromium: Browser, framed: Framed, host: str, query: str
) -> None:
    token, _ = await framed.world.link()
    page = await chromium.new_page(ignore_https_errors=True)
    refusals: list[str] = []
    page.on("console", lambda message: refusals.append(message.text))
    try:
        frame = await framed.open(page, host, token, query)
        assert await frame.locator("#password").count() == 0
        assert any("frame-ancestors" in refusal for refusal in refusals)
    finally:
        await page.close()
    assert framed.world.password() == OLD_PASSWORD


async def _send(frame: Frame, password: str) -> None:
    await frame.fill("#password", password)
    await frame.fill("#repeat", password)
    await frame.click("#submit")
