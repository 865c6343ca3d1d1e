"""A person, a real browser, and the way from a link to a new password."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Site, browsing, fill_in, path_of
from tests.fakes.pages import GOOD_PASSWORD, JANE, JOHN, OLD_PASSWORD

pytestmark = pytest.mark.browser

DONE = "Your password has been changed"


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])
async def test_a_person_sets_a_new_password(chromium: Browser, site: Site, java_script_enabled: bool) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, watch):
        await page.goto(site.link(token))
        await fill_in(page, GOOD_PASSWORD)
        await page.get_by_role("button", name="Set the new password").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
        assert watch.referers_with(token) == []
    assert site.world.password() == GOOD_PASSWORD


async def test_the_suggested_passphrase_is_taken_with_one_click(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        await page.get_by_text("Suggest a password").click()
        offered = await page.locator("#suggested").inner_text()
        await page.get_by_role("button", name="Use this password").click()
        await page.get_by_role("button", name="Set the new password").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
    assert site.world.password() == offered


async def test_the_token_leaves_the_address_bar_and_the_history(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        assert token.reveal() not in page.url
        assert token.reveal() not in await page.content()
        assert token.reveal() not in await page.evaluate("document.cookie")
        await page.goto(f"{site.address}/")
        await page.go_back()
        assert path_of(page).startswith("/reset/")


async def test_a_link_in_a_web_mail_of_another_site_opens(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    elsewhere = site.address.replace("localhost", "127.0.0.1")
    async with browsing(chromium, site) as (page, watch):
        watch.ours.append(elsewhere)
        await page.goto(f"{elsewhere}/")
        await page.evaluate(
            "href => { const a = document.createElement('a'); a.href = href; a.textContent = 'open'; document.body.append(a) }",
            site.link(token),
        )
        await page.get_by_text("open", exact=True).click()
        await expect(page.locator("#password")).to_be_visible()


async def test_a_form_on_another_site_sets_no_password(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    elsewhere = site.address.replace("localhost", "127.0.0.1")
    async with browsing(chromium, site, bypass_csp=True) as (page, watch):
        watch.ours.append(elsewhere)
        await page.goto(site.link(token))
        target, form_token = page.url, await page.locator("[name=form_token]").input_value()
        await page.goto(f"{elsewhere}/")
        async with page.expect_navigation():
            await page.evaluate(
                """([target, fields]) => {
                    const form = document.createElement("form");
                    form.method = "post";
                    form.action = target;
                    for (const [name, value] of Object.entries(fields)) {
                        const input = document.createElement("input");
                        input.name = name;
                        input.value = value;
                        form.append(input);
                    }
                    document.body.append(form);
                    form.submit();
                }""",
                [target, {"form_token": form_token, "password": GOOD_PASSWORD, "repeat": GOOD_PASSWORD}],
            )
        await expect(page.get_by_role("heading", level=1)).to_have_text("Please open the link again")
    assert site.world.password() == OLD_PASSWORD


async def test_the_whole_way_by_keyboard(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        await page.keyboard.press("Tab")
        assert await _focused(page) == "reveal"
        await page.keyboard.press("Space")
        await expect(page.locator("#password")).to_have_attribute("type", "text")
        await page.keyboard.press("Tab")
        assert await _focused(page) == "password"
        await page.keyboard.type(GOOD_PASSWORD)
        await page.keyboard.press("Tab")
        assert await _focused(page) == "repeat"
        await page.keyboard.type(GOOD_PASSWORD)
        await page.keyboard.press("Tab")
        assert await _focused(page) == "submit"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
    assert site.world.password() == GOOD_PASSWORD


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])
async def test_a_refusal_is_where_the_reader_is(chromium: Browser, site: Site, java_script_enabled: bool) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await page.goto(site.link(token))
        await fill_in(page, "short")
        await page.keyboard.press("Enter")
        await expect(page.locator("#summary")).to_contain_text("it needs at least 15 characters")
        await expect(page.locator("#summary")).to_be_focused()
        await expect(page.locator("#password")).to_have_value("")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#password")).to_be_focused()
        await fill_in(page, GOOD_PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text(DONE)


async def test_hints_follow_what_is_typed(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        length, own_name = page.locator("[data-rule=min-length]"), page.locator("[data-rule=context]")
        await page.fill("#password", "jane doe")
        await expect(length).not_to_have_class("broken")
        await page.locator("#password").blur()
        await expect(length).to_have_class("broken")
        await expect(own_name).to_have_class("broken")
        await expect(own_name).to_contain_text("not yet kept")
        await page.fill("#password", GOOD_PASSWORD)
        await expect(length).to_have_class("kept")
        await expect(own_name).to_have_class("kept")
        await page.fill("#repeat", GOOD_PASSWORD[:-1])
        await expect(page.locator("#same")).to_have_text("The two passwords are not the same yet.")
        await page.fill("#repeat", GOOD_PASSWORD)
        await expect(page.locator("#same")).to_have_text("The two passwords are the same.")


async def test_passwords_are_shown_and_hidden_again_when_they_are_sent(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        await fill_in(page, GOOD_PASSWORD)
        await page.get_by_role("button", name="Show passwords", pressed=False).click()
        await expect(page.locator("#repeat")).to_have_attribute("type", "text")
        await page.get_by_role("button", name="Show passwords", pressed=True).click()
        await expect(page.locator("#repeat")).to_have_attribute("type", "password")
        await page.get_by_role("button", name="Show passwords", pressed=False).click()
        await page.evaluate(
            "document.getElementById('reset').addEventListener('submit', e => { e.preventDefault(); }, {once: true})"
        )
        await page.get_by_role("button", name="Set the new password").click()
        await expect(page.locator("#password")).to_have_attribute("type", "password")
        await expect(page.locator("#submit")).to_have_attribute("aria-disabled", "true")


async def test_two_links_in_one_browser_set_two_people_s_passwords(chromium: Browser, site: Site) -> None:
    jane, _ = await site.world.link(JANE)
    john, _ = await site.world.link(JOHN)
    async with browsing(chromium, site) as (page_of_jane, _):
        page_of_john = await page_of_jane.context.new_page()
        await page_of_jane.goto(site.link(jane))
        await page_of_john.goto(site.link(john))
        await fill_in(page_of_jane, GOOD_PASSWORD)
        await page_of_jane.click("#submit")
        await expect(page_of_jane.get_by_role("heading", level=1)).to_have_text(DONE)
        await fill_in(page_of_john, GOOD_PASSWORD + " too")
        await page_of_john.click("#submit")
        await expect(page_of_john.get_by_role("heading", level=1)).to_have_text(DONE)
    assert site.world.password(JANE) == GOOD_PASSWORD
    assert site.world.password(JOHN) == GOOD_PASSWORD + " too"


async def test_after_success_back_says_used_and_reload_says_done(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        await fill_in(page, GOOD_PASSWORD)
        await page.click("#submit")
        await expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
        await page.go_back()
        await expect(page.get_by_role("heading", level=1)).to_have_text("This link has been used")
        assert await page.locator("input[type=password]").count() == 0
        assert [c["name"] for c in await page.context.cookies() if token.reveal() in c["value"]] == []


async def test_a_refused_password_is_not_sent_again_by_reload_and_back(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, watch):
        await page.goto(site.link(token))
        await fill_in(page, "short")
        await page.click("#submit")
        await expect(page.locator("#summary")).to_be_visible()
        await page.reload()
        await expect(page.locator("#summary")).to_have_count(0)
        await fill_in(page, "short again")
        await page.click("#submit")
        await expect(page.locator("#summary")).to_be_visible()
        await fill_in(page, GOOD_PASSWORD)
        await page.click("#submit")
        await expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
        await page.go_back()
        await expect(page.get_by_role("heading", level=1)).to_have_text("This link has been used")
        assert [request.method for request in watch.requests].count("POST") == 3


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])
async def test_a_double_click_sets_the_password_once(chromium: Browser, site: Site, java_script_enabled: bool) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await page.goto(site.link(token))
        await fill_in(page, GOOD_PASSWORD)
        await page.dblclick("#submit")
        await expect(page.get_by_role("heading", level=1)).not_to_have_text("Choose a new password")
    events = await site.world.store.audit(0, 100)
    assert [event.name for event in events].count("password.set") == 1
    assert site.world.password() == GOOD_PASSWORD


async def test_the_page_speaks_the_browser_s_language(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site, locale="fr-CH") as (page, _):
        await page.goto(site.link(token))
        await expect(page.get_by_role("heading", level=1)).to_have_text("Choisir un nouveau mot de passe")


async def test_the_dark_scheme_is_dark(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site, color_scheme="dark") as (page, _):
        await page.goto(f"{site.address}/")
        colour = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert max(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) < 64


async def _focused(page: Page) -> str:
    return str(await page.evaluate("document.activeElement.id"))
