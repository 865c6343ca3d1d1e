"""Every page and state, in light, dark and narrow: readable by everybody, nothing to scroll sideways, and pictured.

What was spoiled by hand, one at a time, and turned `test_everybody_can_read_it` red for the form: a label without its
field, faint text, two targets of 12 pixels side by side, an inline style, a picture from elsewhere, and, in dark, which
asks for reduced motion too, a transition.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, Page, expect
from starlette.types import ASGIApp

from pwreset.reset.model import Channel, Recipient
from pwreset.reset.tokens import new_token
from pwreset.settings import BrandSettings
from tests.browser.conftest import Site, browsing, fill_in, fill_in_change
from tests.fakes.directory import Weather
from tests.fakes.pages import GOOD_PASSWORD, JANE, OLD_PASSWORD, PagesWorld, settings_with
from tests.fakes.public import switch_on
from tests.servers.https import https

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / "artefacts" / "pages"


@dataclass(frozen=True)
class Look:
    """How a page is looked at. 320 pixels are also what is left of a 1280 pixel window at 400 % zoom (WCAG 2.2, 1.4.10)."""

    name: str
    colours: Literal["light", "dark"]
    width: int
    height: int
    motion: Literal["reduce", "no-preference"] = "no-preference"


# By language: a page is opened once in each and then looked at. German has the longest words.
LOOKS: dict[str, tuple[Look, ...]] = {
    "de-DE": (
        Look("light", "light", 900, 900),
        Look("dark", "dark", 900, 900, "reduce"),
        Look("narrow", "light", 320, 640),
    ),
    "ar": (Look("right-to-left", "light", 900, 900), Look("right-to-left-narrow", "dark", 320, 640)),
}
# All rules of WCAG 2.2 AA and axe's own; the size of targets (2.5.8) is not among those that it tries by itself.
AXE = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
MOVING = """() => [...document.querySelectorAll("*")].filter(element => {
    const style = getComputedStyle(element);
    return style.animationName !== "none" || style.scrollBehavior === "smooth"
        || style.transitionDuration.split(",").some(duration => parseFloat(duration) > 0);
}).map(element => element.outerHTML.slice(0, 80))"""
Step = Callable[[Page, Site], Awaitable[None]]


async def home(page: Page, site: Site) -> None:
    await page.goto(f"{site.address}/")


async def form(page: Page, site: Site) -> None:
    token, _ = await site.world.link()
    await page.goto(site.link(token))


async def typed(page: Page, site: Site) -> None:
    await form(page, site)
    await fill_in(page, GOOD_PASSWORD)
    await page.click("#reveal")


async def typing(page: Page, site: Site) -> None:
    await form(page, site)
    await fill_in(page, "jane", "jan")


async def refused(page: Page, site: Site) -> None:
    await form(page, site)
    await _send(page, "jane", "jane")


async def differ(page: Page, site: Site) -> None:
    await form(page, site)
    await _send(page, GOOD_PASSWORD, "another")


async def suggested(page: Page, site: Site) -> None:
    await form(page, site)
    await page.locator(".suggestion summary").click()
    await page.locator("#take").click()


async def done(page: Page, site: Site) -> None:
    await form(page, site)
    await _send(page, GOOD_PASSWORD)


async def link_unknown(page: Page, site: Site) -> None:
    await page.goto(site.link(new_token()))


async def link_used(page: Page, site: Site) -> None:
    await done(page, site)
    await page.go_back()


async def link_expired(page: Page, site: Site) -> None:
    await form(page, site)
    site.world.clock.advance(timedelta(days=2))
    await page.reload()


async def link_busy(page: Page, site: Site) -> None:
    token, request = await site.world.link()
    now = site.world.clock.now()
    await site.world.store.claim(request.id, now, now + timedelta(minutes=1), JANE.entry_mark)
    await page.goto(site.link(token))


async def form_stale(page: Page, site: Site) -> None:
    await form(page, site)
    await page.evaluate("document.querySelector('[name=form_token]').value = 'of another link'")
    await _send(page, GOOD_PASSWORD)


async def form_too_large(page: Page, site: Site) -> None:
    await form(page, site)
    await _send(page, "x" * 8000)


async def cookie_missing(page: Page, site: Site) -> None:
    await page.goto(f"{site.address}/reset/0123456789abcdef")


async def session_over(page: Page, site: Site) -> None:
    await form(page, site)
    await page.context.clear_cookies(name=re.compile("^__Host-pwreset-[0-9a-f]{16}$"))
    await _send(page, GOOD_PASSWORD)


async def too_many_tries(page: Page, site: Site) -> None:
    token, request = await site.world.link()
    site.world.counters.restore(f"password-tries:{request.id}", [site.world.clock.now()] * 60)
    await page.goto(site.link(token))
    await _send(page, GOOD_PASSWORD)


async def write_denied(page: Page, site: Site) -> None:
    await form(page, site)
    site.world.take_rights()
    await _send(page, GOOD_PASSWORD)


async def outcome_unclear(page: Page, site: Site) -> None:
    await form(page, site)
    site.world.weather(Weather.CUT_BEFORE_WRITING)
    await _send(page, GOOD_PASSWORD)


async def unavailable(page: Page, site: Site) -> None:
    site.world.weather(Weather.DOWN)
    await form(page, site)


async def too_many(page: Page, site: Site) -> None:
    site.world.counters.restore("page:127.0.0.1", [site.world.clock.now()] * 600)
    await page.goto(f"{site.address}/")
    await site.world.counters.forget("page:127.0.0.1")


async def not_found(page: Page, site: Site) -> None:
    await page.goto(f"{site.address}/nowhere")


async def method_not_allowed(page: Page, site: Site) -> None:
    await form(page, site)
    await page.evaluate("document.getElementById('reset').action = '/'")
    await _send(page, GOOD_PASSWORD)


async def failed(page: Page, site: Site) -> None:
    await form(page, site)
    site.world.plant_bug("a bug")
    await _send(page, GOOD_PASSWORD)


async def not_me(page: Page, site: Site) -> None:
    _, request = await site.world.link()
    token = site.world.keys.disowning_token(request.id, site.world.clock.now() + timedelta(days=7))
    await page.goto(f"{site.address}/not-me/{token.reveal()}")


async def not_me_done(page: Page, site: Site) -> None:
    await not_me(page, site)
    await _press(page)


async def not_me_again(page: Page, site: Site) -> None:
    await not_me_done(page, site)
    await page.goto(page.url)


async def not_me_too_old(page: Page, site: Site) -> None:
    await not_me(page, site)
    site.world.clock.advance(timedelta(days=7))
    await _press(page)


async def home_with_public_page(page: Page, site: Site) -> None:
    switch_on(site.world, "EXAMPLE")
    await home(page, site)


async def forgot(page: Page, site: Site) -> None:
    switch_on(site.world, "EXAMPLE")
    await page.goto(f"{site.address}/forgot")


async def forgot_of_several(page: Page, site: Site) -> None:
    switch_on(site.world, "EXAMPLE", "OTHER")
    await page.goto(f"{site.address}/forgot")


async def forgot_nothing_entered(page: Page, site: Site) -> None:
    await forgot_of_several(page, site)
    await page.fill("#name", " ")
    await _press(page)


async def forgot_too_long_open(page: Page, site: Site) -> None:
    await forgot(page, site)
    site.world.clock.advance(timedelta(hours=1))
    # The page's own script would send it with a proof that is too old; without scripts there is none to be so.
    await page.evaluate("document.getElementById('proof').value = 'too old'")
    await page.fill("#name", "jane.doe@example.org")
    await _press(page)


async def forgot_sent(page: Page, site: Site) -> None:
    await forgot(page, site)
    await page.fill("#name", "jane.doe@example.org")
    await _press(page)


async def link_expired_to_renew(page: Page, site: Site) -> None:
    switch_on(site.world, "EXAMPLE")
    token, _ = await site.world.link(sent_to=(Recipient(Channel.MAIL, JANE.mails[0]),))
    site.world.clock.advance(timedelta(days=2))
    await page.goto(site.link(token))


async def link_renewed(page: Page, site: Site) -> None:
    await link_expired_to_renew(page, site)
    await _press(page)


async def change(page: Page, site: Site) -> None:
    await page.goto(f"{site.address}/change")


async def change_typing(page: Page, site: Site) -> None:
    await change(page, site)
    await fill_in_change(page, "jdoe", OLD_PASSWORD, OLD_PASSWORD)
    await page.click("#reveal")


async def _change(page: Page, site: Site, present: str, new: str, repeat: str | None = None) -> None:
    await change(page, site)
    await fill_in_change(page, "jdoe", present, new, repeat)
    async with page.expect_navigation():
        await page.click("#submit")


async def change_refused(page: Page, site: Site) -> None:
    await _change(page, site, "wrong", GOOD_PASSWORD)


async def change_broken(page: Page, site: Site) -> None:
    await _change(page, site, OLD_PASSWORD, "jane")


async def change_differ(page: Page, site: Site) -> None:
    await _change(page, site, OLD_PASSWORD, GOOD_PASSWORD, "another")


async def change_throttled(page: Page, site: Site) -> None:
    for _ in range(4):
        await change_refused(page, site)


async def change_unavailable(page: Page, site: Site) -> None:
    site.world.weather(Weather.DOWN)
    await _change(page, site, OLD_PASSWORD, GOOD_PASSWORD)


async def change_unclear(page: Page, site: Site) -> None:
    site.world.weather(Weather.CUT_BEFORE_WRITING)
    await _change(page, site, OLD_PASSWORD, GOOD_PASSWORD)


async def change_busy(page: Page, site: Site) -> None:
    await change_unclear(page, site)
    site.world.weather(Weather.FINE)
    await _change(page, site, OLD_PASSWORD, GOOD_PASSWORD)


async def change_of_several(page: Page, site: Site) -> None:
    domains = site.world.settings.domains
    for name in list(domains):
        domains[name] = msgspec.structs.replace(domains[name], change_page=True, public_url=None)
    await change(page, site)
    await expect(page.get_by_role("combobox")).to_have_value("EXAMPLE")


async def changed(page: Page, site: Site) -> None:
    await _change(page, site, OLD_PASSWORD, GOOD_PASSWORD)


STEPS: list[Step] = [
    home,
    form,
    typing,
    typed,
    refused,
    differ,
    suggested,
    done,
    link_unknown,
    link_used,
    link_expired,
    link_busy,
    form_stale,
    form_too_large,
    cookie_missing,
    session_over,
    too_many_tries,
    write_denied,
    outcome_unclear,
    unavailable,
    too_many,
    not_found,
    method_not_allowed,
    failed,
    not_me,
    not_me_done,
    not_me_again,
    not_me_too_old,
    home_with_public_page,
    forgot,
    forgot_of_several,
    forgot_nothing_entered,
    forgot_too_long_open,
    forgot_sent,
    link_expired_to_renew,
    link_renewed,
    change,
    change_typing,
    change_refused,
    change_broken,
    change_differ,
    change_throttled,
    change_unavailable,
    change_unclear,
    change_busy,
    change_of_several,
    changed,
]

# What these show is there with JavaScript only.
NEED_SCRIPT: list[Step] = [typed, suggested, change_typing]


@pytest.mark.parametrize("language", LOOKS)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_everybody_can_read_it(chromium: Browser, site: Site, step: Step, language: str) -> None:
    async with browsing(chromium, site, locale=language) as (page, _):
        await step(page, site)
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        for look in LOOKS[language]:
            assert await seen(page, look, step.__name__) == Seen(look)


@dataclass(frozen=True)
class Seen:
    """What is wrong with a page in a look."""

    look: Look
    violations: tuple[str, ...] = ()
    scrolls_sideways: bool = False
    moving: tuple[str, ...] = ()


async def seen(page: Page, look: Look, name: str) -> Seen:
    """Look at a page, and keep a picture of it."""
    await page.set_viewport_size({"width": look.width, "height": look.height})
    await page.emulate_media(color_scheme=look.colours, reduced_motion=look.motion)
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / f"{name}-{look.name}.png", full_page=True, animations="disabled")
    return Seen(
        look,
        tuple(await _violations(page)),
        await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"),
        tuple(await page.evaluate(MOVING)) if look.motion == "reduce" else (),
    )


@pytest.fixture
def bright(tmp_path: Path) -> Iterator[Site]:
    """A site whose brand has a colour that can be read on nothing light, and links at the foot."""
    worlds: list[PagesWorld] = []

    def app(address: str) -> ASGIApp:
        settings = settings_with(address)
        brand = BrandSettings(colour="#ffd400", footer="1 Main Street", footer_links={"Imprint": "https://example.org"})
        domain = msgspec.structs.replace(settings.domains["EXAMPLE"], brand=brand)
        worlds.append(PagesWorld(msgspec.structs.replace(settings, domains={"EXAMPLE": domain})))
        return worlds[0].app

    with https(app, tmp_path) as address:
        yield Site(worlds[0], address)


@pytest.mark.parametrize("step", [home, form, typed, refused, suggested, done], ids=lambda step: step.__name__)
async def test_a_bright_brand_can_be_read(chromium: Browser, bright: Site, step: Step) -> None:
    async with browsing(chromium, bright) as (page, _):
        await step(page, bright)
        for look in LOOKS["de-DE"][:2]:
            assert await seen(page, look, f"{step.__name__}-brand") == Seen(look)


async def test_forced_colours_and_print_show_the_form(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site, forced_colors="active") as (page, _):
        await form(page, site)
        await expect(page.get_by_role("button", name="Set the new password")).to_be_visible()
        await page.screenshot(path=PICTURES / "form-forced-colours.png", full_page=True)


async def test_the_button_of_a_notice_works_by_keyboard_and_without_javascript(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site, java_script_enabled=False) as (page, _):
        await not_me(page, site)
        await page.keyboard.press("Tab")
        while await page.locator(":focus").count() == 0 or await page.locator("button:focus").count() == 0:
            await page.keyboard.press("Tab")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you for telling us")


async def _press(page: Page) -> None:
    async with page.expect_navigation():
        await page.click("button.primary")


async def _send(page: Page, password: str, repeat: str | None = None) -> None:
    await fill_in(page, password, repeat)
    async with page.expect_navigation():
        await page.click("#submit")


async def _violations(page: Page) -> list[str]:
    """What axe-core finds wrong, with the elements."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found = (await page.evaluate("options => axe.run(options)", AXE))["violations"]
    return [f"{violation['id']}: {[node['html'] for node in violation['nodes']]}" for violation in found]
