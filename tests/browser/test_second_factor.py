"""The page between a link and its form: read by everybody, and gone through by a person's steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from starlette.types import ASGIApp

from pwreset.reset.model import Channel
from pwreset.secret import Secret
from tests.browser.conftest import Site, browsing, fill_in, path_of
from tests.browser.test_states import LOOKS, Seen, seen
from tests.fakes.pages import GOOD_PASSWORD, OLD_PASSWORD
from tests.fakes.second_factor import FactorWorld
from tests.servers.https import https

pytestmark = pytest.mark.browser


class FactorSite(Site):
    """The pages on a world whose links ask for more than themselves."""

    world: FactorWorld


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[FactorSite]:
    worlds: list[FactorWorld] = []

    def app(address: str) -> ASGIApp:
        worlds.append(FactorWorld(address=address))
        return worlds[0].app

    with https(app, tmp_path) as address:
        yield FactorSite(worlds[0], address)


def by_radius(site: FactorSite) -> None:
    """Nobody has a phone any more: one-time passwords it is."""
    site.world.directories["EXAMPLE"].change("6a1c7a3e-0001", mobiles=())


async def press(page: Page, name: str) -> None:
    async with page.expect_navigation():
        await page.get_by_role("button", name=name).click()


async def opened(page: Page, site: FactorSite, mode: str = "MAIL") -> Secret:
    token = await site.world.sent_link(mode=mode)
    await page.goto(site.link(token))
    return token


async def code_asked(page: Page, site: FactorSite) -> None:
    await opened(page, site)
    await page.locator("form[data-once] button").first.click()
    await expect(page.locator("#code")).to_be_visible()


async def told(page: Page, code: str) -> None:
    await page.fill("#code", code)
    async with page.expect_navigation():
        await page.locator("#code").press("Enter")


# --- states ------------------------------------------------------------------------------------------------------


async def factor_send(page: Page, site: FactorSite) -> None:
    await opened(page, site)


async def factor_code(page: Page, site: FactorSite) -> None:
    await code_asked(page, site)


async def factor_wrong(page: Page, site: FactorSite) -> None:
    await code_asked(page, site)
    await told(page, "no code")


async def factor_over(page: Page, site: FactorSite) -> None:
    await code_asked(page, site)
    for _ in range(5):
        await told(page, "no code")


async def factor_too_soon(page: Page, site: FactorSite) -> None:
    await code_asked(page, site)
    async with page.expect_navigation():
        await page.locator("form.again button").click()


async def factor_none_left(page: Page, site: FactorSite) -> None:
    await opened(page, site)
    for _ in range(6):
        async with page.expect_navigation():
            await page.locator("form[data-once] button").last.click()
        site.world.clock.advance(timedelta(minutes=11))
        await page.goto(page.url.removesuffix("/code"))
    async with page.expect_navigation():
        await page.locator("form[data-once] button").last.click()


async def factor_locked(page: Page, site: FactorSite) -> None:
    await opened(page, site)
    for _ in range(3):
        async with page.expect_navigation():
            await page.locator("form[data-once] button").last.click()
        for _ in range(5):
            await told(page, "no code")
        site.world.clock.advance(timedelta(minutes=1))


async def factor_radius(page: Page, site: FactorSite) -> None:
    by_radius(site)
    await opened(page, site)


async def factor_radius_wrong(page: Page, site: FactorSite) -> None:
    await factor_radius(page, site)
    await told(page, "000000")


async def factor_radius_question(page: Page, site: FactorSite) -> None:
    site.world.otp.questions["jdoe"] = "135791"
    await factor_radius(page, site)
    await told(page, "246802")


async def factor_radius_down(page: Page, site: FactorSite) -> None:
    site.world.otp.down = True
    await factor_radius(page, site)
    await told(page, "246802")


STEPS: list[Callable[[Page, FactorSite], Awaitable[None]]] = [
    factor_send,
    factor_code,
    factor_wrong,
    factor_over,
    factor_too_soon,
    factor_none_left,
    factor_locked,
    factor_radius,
    factor_radius_wrong,
    factor_radius_question,
    factor_radius_down,
]


@pytest.mark.parametrize("language", LOOKS)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_everybody_can_read_it(
    chromium: Browser, asking: FactorSite, step: Callable[[Page, FactorSite], Awaitable[None]], language: str
) -> None:
    async with browsing(chromium, asking, locale=language) as (page, _):
        await step(page, asking)
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        for look in LOOKS[language]:
            assert await seen(page, look, step.__name__) == Seen(look)


# --- a person's steps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [True, False], ids=["with scripts", "without scripts"])
async def test_a_person_goes_from_the_link_over_the_code_to_a_new_password(
    chromium: Browser, asking: FactorSite, script: bool
) -> None:
    async with browsing(chromium, asking, java_script_enabled=script) as (page, _):
        await opened(page, asking)
        await press(page, "Send the code")
        await page.get_by_label("Code").fill(await asking.world.code())
        await press(page, "Continue")
        await fill_in(page, GOOD_PASSWORD)
        await press(page, "Set the new password")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your password has been changed")
        assert asking.world.password() == GOOD_PASSWORD


async def test_a_person_answers_the_question_of_a_one_time_password_server(
    chromium: Browser, asking: FactorSite
) -> None:
    async with browsing(chromium, asking) as (page, _):
        await factor_radius_question(page, asking)
        await expect(page.get_by_text("Enter the number on your token")).to_be_visible()
        await page.get_by_label("Answer").fill("135791")
        await press(page, "Continue")
        await expect(page.get_by_label("Repeat the new password")).to_be_visible()


async def test_the_keyboard_alone_is_enough(chromium: Browser, asking: FactorSite) -> None:
    async with browsing(chromium, asking) as (page, _):
        await opened(page, asking)
        await page.keyboard.press("Tab")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await expect(page.get_by_label("Code")).to_be_focused()
        await page.keyboard.type(await asking.world.code())
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await expect(page.get_by_label("Repeat the new password")).to_be_visible()


async def test_a_wrong_code_is_told_at_once_and_by_the_field(chromium: Browser, asking: FactorSite) -> None:
    async with browsing(chromium, asking) as (page, _):
        await factor_wrong(page, asking)
        alert = page.get_by_role("alert")
        await expect(alert).to_be_focused()
        await expect(alert).to_contain_text("Tries left: 4")
        await expect(page.get_by_label("Code")).to_have_attribute("aria-invalid", "true")
        assert await page.title() != ""
        assert (await page.title()).startswith("Error:")


async def test_who_takes_long_over_another_code_is_not_too_slow(chromium: Browser, asking: FactorSite) -> None:
    async with browsing(chromium, asking) as (page, _):
        await page.clock.install()
        await factor_wrong(page, asking)
        await page.clock.fast_forward("05:00")
        async with page.expect_response(lambda answer: answer.request.method == "HEAD") as renewed:
            await page.get_by_label("Code").press("1")
        assert (await renewed.value).status == 200


async def test_the_field_is_what_phones_fill_in(chromium: Browser, asking: FactorSite) -> None:
    async with browsing(chromium, asking) as (page, _):
        await code_asked(page, asking)
        field = page.get_by_label("Code")
        await expect(field).to_have_attribute("autocomplete", "one-time-code")
        await expect(field).to_have_attribute("inputmode", "numeric")
        await asking.world.code()
        assert asking.world.sms.sent[-1].content.text.splitlines()[-1].startswith("@localhost #")


async def test_back_reload_and_two_tabs_lose_nothing_and_send_nothing_twice(
    chromium: Browser, asking: FactorSite
) -> None:
    async with browsing(chromium, asking) as (page, _):
        token = await opened(page, asking)
        await press(page, "Send the code")
        await page.reload()
        await page.go_back()
        await page.goto(asking.link(token))
        other = await page.context.new_page()
        await other.goto(asking.link(token))
        await expect(other.get_by_label("Code")).to_be_visible()
        await asking.world.code()
        assert len(asking.world.sms.sent) == 1
        await told(page, await asking.world.code())
        await other.reload()  # the same browser has shown it
        await fill_in(other, GOOD_PASSWORD)
        await press(other, "Set the new password")
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_have_text("This link has been used")


async def test_a_code_that_is_sent_twice_by_one_form_opens_the_link(chromium: Browser, asking: FactorSite) -> None:
    """As without scripts a double click does."""
    async with browsing(chromium, asking, java_script_enabled=False) as (page, _):
        await code_asked(page, asking)
        code = await asking.world.code()
        await page.fill("#code", code)
        await page.get_by_role("button", name="Continue").dblclick()
        await expect(page.get_by_label("Repeat the new password")).to_be_visible()


async def test_the_address_that_a_form_was_sent_to_shows_the_page_again(chromium: Browser, asking: FactorSite) -> None:
    async with browsing(chromium, asking) as (page, _):
        await factor_wrong(page, asking)
        assert path_of(page).endswith("/factor")
        await page.goto(page.url)
        assert not path_of(page).endswith("/factor")
        await expect(page.get_by_label("Code")).to_be_visible()


async def test_a_proof_that_is_over_while_somebody_types_takes_no_password(
    chromium: Browser, asking: FactorSite
) -> None:
    async with browsing(chromium, asking) as (page, _):
        await code_asked(page, asking)
        await told(page, await asking.world.code())
        asking.world.clock.advance(timedelta(minutes=15))
        await fill_in(page, GOOD_PASSWORD)
        await press(page, "Set the new password")
        await expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
        assert asking.world.password() == OLD_PASSWORD


async def test_a_code_goes_by_mail_where_the_link_went_by_sms(chromium: Browser, asking: FactorSite) -> None:
    async with browsing(chromium, asking) as (page, _):
        await opened(page, asking, "SMS")
        await expect(page.get_by_text("j•••@example.org")).to_be_visible()
        await press(page, "Send the code")
        await told(page, await asking.world.code(Channel.MAIL))
        await expect(page.get_by_label("Repeat the new password")).to_be_visible()
