"""Pages that say why there is no form: each with a way on, and none that loses a link."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest

from pwreset.secret import Secret
from tests.fakes.directory import Weather
from tests.fakes.pages import GOOD_PASSWORD, OLD_PASSWORD, PagesWorld, settings_with
from tests.fakes.person import open_link, send, title_of


@pytest.fixture
def world() -> PagesWorld:
    return PagesWorld()


def wait_a_quarter_of_an_hour(browser: httpx2.AsyncClient) -> None:
    """What a browser does with cookies whose time is over: those with a Max-Age go, those of the session stay."""
    for cookie in list(browser.cookies.jar):
        if cookie.expires is not None:
            browser.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)


async def test_a_page_left_open_for_too_long_says_so_and_leads_back_to_the_message(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    page = await open_link(browser, token)
    wait_a_quarter_of_an_hour(browser)
    late = await browser.get(page.request.url.path)
    assert (late.status_code, title_of(late)) == (400, "This page was open for too long · Example Corp")
    assert "Open the link in your message again." in late.text
    assert (await open_link(browser, token)).status_code == 200


def stays(answer: httpx2.Response, token: Secret) -> bool:
    """Whether the browser keeps the link for another quarter of an hour."""
    return any(
        token.reveal() in cookie and "max-age=900" in cookie.lower() for cookie in answer.headers.get_list("set-cookie")
    )


async def test_each_look_at_the_form_gives_more_time(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    page = await open_link(browser, token)
    assert stays(page, token)
    assert stays(await browser.head(page.request.url.path), token)


async def test_a_refused_password_gives_more_time(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    refused = await send(browser, await open_link(browser, token), "short")
    assert refused.status_code == 422
    assert stays(refused, token)


async def test_a_form_sent_too_late_says_that_nothing_was_changed(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    page = await open_link(browser, token)
    wait_a_quarter_of_an_hour(browser)
    late = await send(browser, page, GOOD_PASSWORD)
    assert "What you have sent was not taken: your password is as it was." in late.text
    assert world.password() == OLD_PASSWORD


async def test_a_browser_that_keeps_no_cookies_is_told_of_cookies_and_not_of_time(world: PagesWorld) -> None:
    token, _ = await world.link()
    moved = await world.browser().get(f"/r/{token.reveal()}")
    page = await world.browser().get(moved.headers["location"])
    assert (page.status_code, title_of(page)) == (400, "Please open the link again · Example Corp")
    assert "allow cookies for this site" in page.text


async def test_the_success_page_loaded_long_after_says_that_its_time_is_over(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    moved = await send(browser, await open_link(browser, token), GOOD_PASSWORD)
    wait_a_quarter_of_an_hour(browser)
    assert title_of(await browser.get(moved.headers["location"])).startswith("This page was open for too long")
    assert title_of(await open_link(browser, token)).startswith("This link has been used")


async def test_too_many_tries_with_a_link_are_told_with_the_time_to_wait_and_leave_it_good() -> None:
    world = PagesWorld(settings_with(changes={"limits": {"password_tries_per_link_per_hour": 1}}))
    browser = world.browser()
    token, _ = await world.link()
    page = await open_link(browser, token)
    await send(browser, page, "short")
    world.clock.advance(timedelta(minutes=20))
    locked = await send(browser, page, GOOD_PASSWORD)
    assert (locked.status_code, title_of(locked)) == (429, "Too many tries with this link · Example Corp")
    assert "Time to wait: 40 minutes." in locked.text
    assert locked.headers["retry-after"] == str(40 * 60)
    assert f'href="{page.request.url.path}"' in locked.text
    world.clock.advance(timedelta(minutes=40))
    assert (await send(browser, page, GOOD_PASSWORD)).status_code == 303


async def test_too_many_requests_are_told_with_the_time_to_wait() -> None:
    world = PagesWorld(settings_with(changes={"limits": {"page_requests_per_address_per_minute": 1}}))
    await world.browser().get("/")
    assert "Time to wait: 1 minute." in (await world.browser().get("/")).text


@pytest.mark.parametrize("when", ["open", "send"])
async def test_a_store_that_is_down_keeps_the_link_and_offers_another_try(world: PagesWorld, when: str) -> None:
    browser = world.browser()
    token, _ = await world.link()
    page = await open_link(browser, token)
    world.store.down = True
    answer = await (browser.get(page.request.url.path) if when == "open" else send(browser, page, GOOD_PASSWORD))
    assert (answer.status_code, title_of(answer)) == (503, "This is not possible right now · Example Corp")
    assert int(answer.headers["retry-after"]) > 0
    assert f'href="{page.request.url.path}"' in answer.text
    world.store.down = False
    assert (await send(browser, page, GOOD_PASSWORD)).status_code == 303


async def test_a_directory_that_goes_down_while_one_types_offers_another_try(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    page = await open_link(browser, token)
    world.weather(Weather.DOWN)
    answer = await send(browser, page, GOOD_PASSWORD)
    assert f'href="{page.request.url.path}"' in answer.text
    world.weather(Weather.FINE)
    assert (await send(browser, page, GOOD_PASSWORD)).status_code == 303


async def test_a_bug_offers_another_try_and_the_link_is_good_for_it(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    page = await open_link(browser, token)
    world.plant_bug("a bug")
    answer = await send(browser, page, GOOD_PASSWORD)
    assert f'href="{page.request.url.path}"' in answer.text


async def test_the_form_in_a_second_tab_says_used_after_the_first_has_set_the_password(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    first, second = await open_link(browser, token), await open_link(browser, token)
    await send(browser, first, GOOD_PASSWORD)
    answer = await send(browser, second, GOOD_PASSWORD + " too")
    assert (answer.status_code, title_of(answer)) == (410, "This link has been used · Example Corp")
    assert 'type="password"' not in answer.text
    assert world.password() == GOOD_PASSWORD
