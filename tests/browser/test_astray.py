"""People who stray from the way: back, reload, two tabs, too late, without cookies. No link is lost, no form comes twice."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Site, browsing, fill_in
from tests.fakes.directory import Weather
from tests.fakes.pages import GOOD_PASSWORD, OLD_PASSWORD

pytestmark = pytest.mark.browser

DONE, USED, FORM = "Your password has been changed", "This link has been used", "Choose a new password"
both = pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])


async def heading_is(page: Page, words: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(words)


async def send(page: Page, password: str) -> None:
    await fill_in(page, password)
    await page.click("#submit")


@both
async def test_of_two_tabs_with_one_link_the_second_says_used_and_shows_no_form(
    chromium: Browser, site: Site, java_script_enabled: bool
) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (first, _):
        second = await first.context.new_page()
        await first.goto(site.link(token))
        await second.goto(site.link(token))
        await send(first, GOOD_PASSWORD)
        await heading_is(first, DONE)
        await send(second, GOOD_PASSWORD + " too")
        await heading_is(second, USED)
        await expect(second.locator("input")).to_have_count(0)
        await expect(second.get_by_role("link", name="Go to log-in")).to_be_visible()
    assert site.world.password() == GOOD_PASSWORD


@both
async def test_reloading_the_form_loses_nothing(chromium: Browser, site: Site, java_script_enabled: bool) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await page.goto(site.link(token))
        await page.reload()
        await send(page, "short")
        await expect(page.locator("#summary")).to_be_visible()
        await page.reload()
        await heading_is(page, FORM)
        await send(page, GOOD_PASSWORD)
        await heading_is(page, DONE)


@both
async def test_going_back_from_a_refusal_leads_to_a_form_that_works(
    chromium: Browser, site: Site, java_script_enabled: bool
) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await page.goto(site.link(token))
        await send(page, "short")
        await expect(page.locator("#summary")).to_be_visible()
        await page.go_back()
        await heading_is(page, FORM)
        await send(page, GOOD_PASSWORD)
        await heading_is(page, DONE)


async def test_the_link_opened_again_after_success_says_used(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        await send(page, GOOD_PASSWORD)
        await heading_is(page, DONE)
        await page.goto(site.link(token))
        await heading_is(page, USED)
        await expect(page.locator("input")).to_have_count(0)


async def test_who_was_away_for_too_long_opens_the_link_again_and_goes_on(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        # What the browser does by itself after a quarter of an hour.
        await page.context.clear_cookies(name=re.compile("^__Host-pwreset-[0-9a-f]{16}$"))
        await send(page, GOOD_PASSWORD)
        await heading_is(page, "This page was open for too long")
        assert site.world.password() == OLD_PASSWORD
        await page.goto(site.link(token))
        await send(page, GOOD_PASSWORD)
        await heading_is(page, DONE)


async def test_who_takes_long_over_a_password_is_not_too_slow(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.clock.install()
        await page.goto(site.link(token))
        before = await _cookie_ends(page)
        await page.clock.fast_forward("05:00")
        async with page.expect_response(lambda answer: answer.request.method == "HEAD"):
            await page.locator("#password").press("a")
        assert await _cookie_ends(page) > before


async def test_whoever_does_little_asks_little(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, watch):
        await page.clock.install()
        await page.goto(site.link(token))
        for _ in range(30):
            await page.clock.fast_forward("00:20")
            await page.locator("#password").press("a")
        assert [request.method for request in watch.requests].count("HEAD") == 2


async def test_who_was_away_for_too_long_learns_it_before_typing(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.clock.install()
        await page.goto(site.link(token))
        await page.context.clear_cookies(name=re.compile("^__Host-pwreset-[0-9a-f]{16}$"))
        await page.clock.fast_forward("16:00")
        await page.locator("#password").press("a")
        await heading_is(page, "This page was open for too long")


async def _cookie_ends(page: Page) -> float:
    cookies = await page.context.cookies()
    return max(cookie["expires"] for cookie in cookies)


async def test_a_browser_that_kept_no_cookie_is_told_so_and_not_that_it_was_too_slow(
    chromium: Browser, site: Site
) -> None:
    token, _ = await site.world.link()
    moved = await site.world.browser(site.address).get(f"/r/{token.reveal()}")
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.address + moved.headers["location"])
        await heading_is(page, "Please open the link again")
        await expect(page.get_by_role("main")).to_contain_text("allow cookies for this site")


@both
async def test_who_waits_for_the_directory_presses_try_again_and_goes_on(
    chromium: Browser, site: Site, java_script_enabled: bool
) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await page.goto(site.link(token))
        site.world.weather(Weather.DOWN)
        await send(page, GOOD_PASSWORD)
        await heading_is(page, "This is not possible right now")
        site.world.weather(Weather.FINE)
        await page.get_by_role("link", name="Try again").click()
        await send(page, GOOD_PASSWORD)
        await heading_is(page, DONE)


async def test_who_waits_for_the_store_presses_try_again_and_goes_on(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        site.world.store.down = True
        await page.goto(site.link(token))
        await heading_is(page, "This is not possible right now")
        site.world.store.down = False
        await page.get_by_role("link", name="Try again").click()
        await send(page, GOOD_PASSWORD)
        await heading_is(page, DONE)


async def test_who_tried_too_often_is_told_how_long_to_wait_and_goes_on_then(chromium: Browser, site: Site) -> None:
    token, request = await site.world.link()
    site.world.counters.restore(f"password-tries:{request.id}", [site.world.clock.now()] * 60)
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        await send(page, GOOD_PASSWORD)
        await heading_is(page, "Too many tries with this link")
        await expect(page.get_by_text("Time to wait: 1 hour.")).to_be_visible()
        site.world.clock.advance(timedelta(hours=1))
        await page.get_by_role("link", name="Try again").click()
        await send(page, GOOD_PASSWORD)
        await heading_is(page, DONE)


async def test_a_scanner_that_runs_scripts_and_waits_spends_nothing(chromium: Browser, site: Site) -> None:
    token, request = await site.world.link()
    async with browsing(chromium, site) as (page, watch):
        await page.goto(site.link(token))
        await page.wait_for_load_state("networkidle")
        assert {one.method for one in watch.requests} == {"GET"}
    assert await site.world.store.get(request.id) == request


async def test_password_managers_find_whose_password_it_is_and_which_fields_are_new(
    chromium: Browser, site: Site
) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        fields = await page.evaluate(
            "[...document.forms[0].elements].filter(field => field.autocomplete).map("
            "field => [field.type, field.autocomplete, field.value, field.readOnly, field.checkVisibility()])"
        )
    assert fields == [
        ["text", "username", "jdoe", True, False],
        ["password", "new-password", "", False, True],
        ["password", "new-password", "", False, True],
    ]


async def test_a_password_can_be_pasted(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site, permissions=["clipboard-read", "clipboard-write"]) as (page, _):
        await page.goto(site.link(token))
        await page.evaluate("text => navigator.clipboard.writeText(text)", GOOD_PASSWORD)
        for field in ("#password", "#repeat"):
            await page.focus(field)
            await page.keyboard.press("Control+V")
        await page.click("#submit")
        await heading_is(page, DONE)
    assert site.world.password() == GOOD_PASSWORD
