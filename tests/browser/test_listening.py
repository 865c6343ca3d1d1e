"""What whoever listens is told while typing, pressing and sending: once, when it can be heard, and not in between.

Each of these was found by listening to Orca with Firefox, and seen to fail before it was mended.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Site, browsing, fill_in
from tests.browser.heard import heard
from tests.browser.test_second_factor import FactorSite, code_asked
from tests.browser.test_second_factor import asking as asking  # noqa: PLC0414 - a fixture
from tests.browser.test_states import Step, change, change_broken, forgot, form, refused
from tests.fakes.pages import GOOD_PASSWORD, NOW

pytestmark = pytest.mark.browser

# The page stays, and with it what is told as a form is sent.
HOLD = """() => {
    HTMLFormElement.prototype.submit = () => {};
    document.addEventListener("submit", event => event.preventDefault());
}"""
RULES = (
    "Rules for the new password: At least 15 characters. Not a common password, and not easily guessed. "
    "Not a password that has become known in a data breach. Without your own name, user name or address. "
    "Not one of your last 5 passwords."
)


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])
@pytest.mark.parametrize("step", [refused, change_broken], ids=lambda step: step.__name__)
async def test_a_refusal_after_following_the_link_of_the_one_before_has_the_focus_too(
    chromium: Browser, site: Site, step: Step, java_script_enabled: bool
) -> None:
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await step(page, site)
        await page.locator("#wrong a").first.click()
        await expect(page.locator("#password")).to_be_focused()
        if step is change_broken:
            await page.fill("#present", "jane")
        await fill_in(page, "jane")
        async with page.expect_navigation():
            await page.click("#submit")
        await expect(page.locator("#summary")).to_be_focused()


async def test_rules_are_told_with_the_field_in_sentences_and_not_anew_while_one_types(
    chromium: Browser, site: Site
) -> None:
    async with browsing(chromium, site) as (page, _):
        await form(page, site)
        password = page.locator("#password")
        await expect(password).to_have_accessible_description(RULES)
        await password.press_sequentially(GOOD_PASSWORD)
        await expect(page.locator("li.kept")).to_have_count(2)
        await expect(password).to_have_accessible_description(RULES)


async def test_rules_not_yet_kept_are_told_after_the_field_was_left_for_another(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, _):
        await _stop_the_clock(page, site)
        status = page.locator("#status")
        await page.locator("#password").press_sequentially("seven quiet")
        await page.clock.run_for(1000)
        await expect(status).to_be_empty()
        await page.keyboard.press("Tab")
        await page.clock.run_for(900)
        await expect(status).to_be_empty()  # now the other field is told
        await page.clock.run_for(100)
        await expect(status).to_have_text("At least 15 characters – not yet kept.")
        await expect(status).to_have_attribute("aria-live", "polite")
        await page.locator("#password").press_sequentially(" lanterns")
        await expect(status).to_be_empty()


async def test_that_the_two_differ_is_told_when_no_key_comes(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, _):
        await _stop_the_clock(page, site)
        same = page.locator("#same")
        await page.fill("#password", GOOD_PASSWORD)
        for key in GOOD_PASSWORD[:4]:
            await page.locator("#repeat").press(key)
            await page.clock.run_for(900)
            await expect(same).to_be_empty()
        await page.clock.run_for(100)
        await expect(same).to_have_text("The two passwords are not the same yet.")
        await page.locator("#repeat").press_sequentially(GOOD_PASSWORD[4:])
        await expect(same).to_have_text("The two passwords are the same.")


async def _stop_the_clock(page: Page, site: Site) -> None:
    """Open the form; its timers go on by `page.clock.run_for` only."""
    await page.clock.install(time=NOW)
    await form(page, site)
    await page.clock.pause_at(NOW + timedelta(hours=1))


async def test_that_the_two_are_the_same_is_no_description_too_which_would_be_told_twice(
    chromium: Browser, site: Site
) -> None:
    async with browsing(chromium, site) as (page, _):
        await form(page, site)
        await fill_in(page, GOOD_PASSWORD)
        await expect(page.locator("#repeat")).to_have_accessible_description("")


async def test_the_button_that_shows_passwords_says_whether_it_does(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, _):
        await form(page, site)
        assert "button: Show passwords" in await heard(page)
        await page.click("#reveal")
        assert "button: Show passwords, on, focus is here" in await heard(page)


async def test_a_suggested_password_is_told_with_the_button_that_takes_it(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, _):
        await form(page, site)
        await page.locator(".suggestion summary").click()
        suggested = await page.locator("#suggested").text_content()
        assert suggested
        await expect(page.get_by_role("button", name="Use this password")).to_have_accessible_description(suggested)


@pytest.mark.parametrize("step", [form, change], ids=lambda step: step.__name__)
async def test_that_the_password_is_being_set_is_told(chromium: Browser, site: Site, step: Step) -> None:
    async with browsing(chromium, site) as (page, _):
        await step(page, site)
        await page.evaluate(HOLD)
        for field in await page.locator("input[required]").all():
            await field.fill(GOOD_PASSWORD)
        await page.click("#submit")
        words = await page.locator("#reset").get_attribute("data-busy")
        assert words
        await expect(page.locator("#status")).to_have_text(words)


async def _in_the_field(page: Page, name: str, value: str) -> None:
    await page.evaluate(HOLD)
    await page.fill(name, value)
    await page.press(name, "Enter")


async def test_a_form_that_is_sent_from_a_field_takes_the_focus_to_its_button(chromium: Browser, site: Site) -> None:
    """Or Orca leaves out the title of the page that comes, or all of it."""
    async with browsing(chromium, site) as (page, _):
        await form(page, site)
        await page.fill("#password", GOOD_PASSWORD)
        await _in_the_field(page, "#repeat", GOOD_PASSWORD)
        await expect(page.locator("#submit")).to_be_focused()
        await forgot(page, site)
        await _in_the_field(page, "#name", "jdoe")
        await expect(page.locator("#submit")).to_be_focused()


async def test_a_code_that_is_sent_from_its_field_takes_the_focus_to_the_button(
    chromium: Browser, asking: FactorSite
) -> None:
    async with browsing(chromium, asking) as (page, _):
        await code_asked(page, asking)
        await _in_the_field(page, "#code", "123456")
        await expect(page.get_by_role("button", name="Continue")).to_be_focused()


async def test_nothing_is_called_a_status_bar(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, _):
        for step in (form, change, forgot):
            await step(page, site)
            assert "status bar" not in await heard(page)


async def test_how_long_the_link_is_good_is_plain_text(chromium: Browser, site: Site) -> None:
    """Orca, asked to read a page out, leaves out what stands in a `<time>`."""
    async with browsing(chromium, site) as (page, _):
        await form(page, site)
        await expect(page.locator("dd").last).to_have_text("Wednesday, 25 November 2026, 10:00 (CET)")
        await expect(page.locator("time")).to_have_count(0)
