"""A person who has forgotten the password and has no link: from the public page to a new one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from pwreset.reset.model import Channel, Recipient
from tests.browser.conftest import Site, Watch, browsing, fill_in, path_of
from tests.fakes.pages import JANE
from tests.fakes.public import switch_on
from tests.servers.service import Service, running
from tests.servers.settings import lab_settings
from tests.servers.slapd import LabSlapd
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.browser

NEW_PASSWORD = "seven quiet lanterns by the harbour"
LINK = re.compile(r"https://localhost:\d+/r/[A-Za-z0-9_-]{43}")
SENT = "Look for our message"
both_ways = pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])


@dataclass
class Whole:
    service: Service
    slapd: LabSlapd
    relay: SmtpServer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, slapd: LabSlapd) -> Iterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("forgot")
    more = {"domains": {"EXAMPLE": {"public": True}}, "public": {"unproven_delay_seconds": 0}}
    with (
        SmtpServer() as relay,
        running(Service(folder, lab_settings(folder, slapd, relay=relay, more=more))) as service,
    ):
        yield Whole(service, slapd, relay)


@pytest.mark.servers
@both_ways
async def test_a_person_who_forgot_the_password_asks_for_a_link_and_sets_a_new_one(
    chromium: Browser, whole: Whole, java_script_enabled: bool
) -> None:
    uid = whole.slapd.add_person()
    context = await chromium.new_context(
        ignore_https_errors=True, locale="en-GB", java_script_enabled=java_script_enabled
    )
    watch = Watch([whole.service.url])
    watch.on(context)
    try:
        page = await context.new_page()
        await page.goto(f"{whole.service.url}/")
        await page.get_by_role("link", name="Forgot your password?").click()
        await page.get_by_label("User name or mail address").fill(f"{uid}@example.org")
        await page.get_by_role("button", name="Send me a link").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(SENT)
        found = LINK.search(whole.relay.wait_for(f"{uid}@example.org").text)
        assert found is not None
        await page.goto(found[0])
        await fill_in(page, NEW_PASSWORD)
        await page.click("#submit")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your password has been changed")
        assert (watch.strangers(), watch.complaints) == ([], [])
    finally:
        await context.close()


async def heading_is(page: Page, words: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(words)


async def ask(page: Page, site: Site, name: str = "jdoe") -> None:
    await page.goto(f"{site.address}/forgot")
    await page.fill("#name", name)
    await page.click("#submit")
    await heading_is(page, SENT)


@both_ways
async def test_reload_and_back_ask_for_nothing_again(chromium: Browser, site: Site, java_script_enabled: bool) -> None:
    switch_on(site.world, "EXAMPLE")
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, watch):
        await ask(page, site)
        await page.reload()
        await heading_is(page, SENT)
        await page.go_back()
        await heading_is(page, "Forgot your password?")
        assert [request.method for request in watch.requests if request.method == "POST"] == ["POST"]


@both_ways
async def test_a_double_click_is_answered_like_one(chromium: Browser, site: Site, java_script_enabled: bool) -> None:
    switch_on(site.world, "EXAMPLE")
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await page.goto(f"{site.address}/forgot")
        await page.fill("#name", "jdoe")
        await page.dblclick("#submit")
        await heading_is(page, SENT)


async def test_after_going_back_another_can_be_asked_for(chromium: Browser, site: Site) -> None:
    switch_on(site.world, "EXAMPLE")
    async with browsing(chromium, site) as (page, _):
        await ask(page, site)
        await page.go_back()
        await page.fill("#name", "jroe")
        await page.click("#submit")
        await heading_is(page, SENT)


@both_ways
async def test_what_was_typed_outlasts_a_page_that_was_open_for_too_long(
    chromium: Browser, site: Site, java_script_enabled: bool
) -> None:
    switch_on(site.world, "EXAMPLE")
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await page.goto(f"{site.address}/forgot")
        # The script replaces it by a proof that is too old indeed; without scripts there is none to be so.
        await page.evaluate("document.getElementById('proof').value = 'too old'")
        site.world.clock.advance(timedelta(hours=1))
        await page.fill("#name", "jdoe")
        await page.click("#submit")
        await expect(page.locator("#summary")).to_be_focused()
        await expect(page.locator("#name")).to_have_value("jdoe")
        await page.click("#submit")
        await heading_is(page, SENT)


async def test_without_javascript_it_is_told_that_the_message_takes_longer(chromium: Browser, site: Site) -> None:
    switch_on(site.world, "EXAMPLE")
    async with browsing(chromium, site, java_script_enabled=False) as (page, _):
        await page.goto(f"{site.address}/forgot")
        told = await page.locator(".aside").bounding_box()
        button = await page.locator("#submit").bounding_box()
        assert told is not None
        assert button is not None
        assert told["y"] + told["height"] <= button["y"]  # and nothing lies over it


async def test_the_whole_way_by_keyboard(chromium: Browser, site: Site) -> None:
    switch_on(site.world, "EXAMPLE", "OTHER")
    async with browsing(chromium, site) as (page, _):
        await page.goto(f"{site.address}/forgot")
        await page.keyboard.press("Tab")
        await page.keyboard.type("otto")
        await page.keyboard.press("Tab")
        await page.keyboard.type("O")
        await expect(page.get_by_label("Directory")).to_have_value("OTHER")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await heading_is(page, SENT)


@both_ways
async def test_who_opens_an_expired_link_gets_a_new_one_by_one_button(
    chromium: Browser, site: Site, java_script_enabled: bool
) -> None:
    switch_on(site.world, "EXAMPLE")
    token, request = await site.world.link(hours=0, sent_to=(Recipient(Channel.MAIL, JANE.mails[0]),))
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await page.goto(site.link(token))
        await heading_is(page, "This link has expired")
        await page.get_by_role("button", name="Send me a new link").click()
        await heading_is(page, SENT)
        assert path_of(page) == "/forgot/sent"
        assert request.id not in page.url
