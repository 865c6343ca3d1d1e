"""Chromium before people's pages on fakes, over HTTPS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright
from starlette.types import ASGIApp

from pwreset.secret import Secret
from tests.fakes.pages import PagesWorld, settings_with
from tests.servers.https import https

CHROMIUM = "/usr/bin/chromium-headless-shell"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
]


@dataclass
class Site:
    """The pages' world and where it is served."""

    world: PagesWorld
    address: str

    def link(self, token: Secret) -> str:
        return f"{self.address}/r/{token.reveal()}"


@dataclass
class Watch:
    """What a browser did and complained about."""

    ours: list[str]
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def on(self, context: BrowserContext) -> None:
        context.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - playwright marks it
        context.on("console", self._note)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _note(self, message: ConsoleMessage) -> None:
        # Chromium calls every page with a status of 400 and more a failed resource; those pages are what we test.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def strangers(self) -> list[str]:
        """Requests that went elsewhere."""
        return [request.url for request in self.requests if not request.url.startswith((*self.ours, "about:"))]

    def referers_with(self, token: Secret) -> list[str]:
        """Requests that carried the token as where they came from."""
        return [request.url for request in self.requests if token.reveal() in request.headers.get("referer", "")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    worlds: list[PagesWorld] = []

    def app(address: str) -> ASGIApp:
        worlds.append(PagesWorld(settings_with(address)))
        return worlds[0].app

    with https(app, tmp_path) as address:
        yield Site(worlds[0], address)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@asynccontextmanager
async def browsing(chromium: Browser, site: Site, **options: Any) -> AsyncIterator[tuple[Page, Watch]]:
    """A fresh profile with one page. At its end: nothing was asked of strangers, nothing complained."""
    context = await chromium.new_context(ignore_https_errors=True, **({"locale": "en-GB"} | options))
    context.set_default_timeout(20_000)
    watch = Watch([site.address])
    watch.on(context)
    try:
        yield await context.new_page(), watch
        assert watch.strangers() == []
        assert watch.complaints == []
    finally:
        await context.close()


async def fill_in(page: Page, password: str, repeat: str | None = None) -> None:
    await page.fill("#password", password)
    await page.fill("#repeat", password if repeat is None else repeat)


async def fill_in_change(page: Page, username: str, present: str, new: str, repeat: str | None = None) -> None:
    await page.fill("#username", username)
    await page.fill("#present", present)
    await fill_in(page, new, repeat)


def path_of(page: Page) -> str:
    return urlsplit(page.url).path
