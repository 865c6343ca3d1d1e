"""A person's ways in browsers that are no Chromium: Firefox always, WebKit as well in `make test-webkit`.

WebKit by itself, because of its packages, and because its driver lost a key once in 140 tests on a busy machine.

What was spoiled by hand, one at a time, and what turned red, in both unless it says otherwise:

- door.py, pages that send no referrer at all, and with it no origin: the first one
- reset.html, nothing that has the focus at first: the first one without script
- arrived.js, the answer to a form stays one: the one of Back after a change, in Firefox the one of Back after success too
- forgot.js, a number that is not the one looked for: the one of the proof
- factor.js, nothing is sent: the one of the codes
- base.html, an inline style: whichever in Firefox, at its end
- security.py, frames for nobody or for everybody: one of the two of frames
- pages.css, a sheet of at least 30rem: the last one
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from pwreset.settings import Public
from tests.browser.conftest import Site
from tests.browser.engines import Engine, firefox, webkit
from tests.browser.test_frames import PORTAL, STRANGER, Framed
from tests.browser.test_frames import framed as framed  # noqa: PLC0414 - a fixture
from tests.browser.test_second_factor import FactorSite
from tests.browser.test_second_factor import asking as asking  # noqa: PLC0414 - a fixture
from tests.browser.webdriver import Marionette, Tab, until
from tests.fakes.pages import GOOD_PASSWORD, OLD_PASSWORD
from tests.fakes.public import switch_on

pytestmark = pytest.mark.browser

ENGINES: list[Engine] = [firefox, webkit] if os.environ.get("PWRESET_WEBKIT") else [firefox]
in_each = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
both_ways = pytest.mark.parametrize("scripts", [True, False], ids=["with-script", "without-script"])

HEADING = "document.querySelector('h1')?.textContent"
FOCUS = "document.activeElement?.id"
DONE = "Your password has been changed"
ASKED = "Look for our message"


@contextmanager
def browsing(engine: Engine, folder: Path, *ours: str, scripts: bool = True) -> Iterator[Tab]:
    """A fresh profile with one page. At its end: Firefox's console has nothing to say about pages of ours."""
    profile = folder / "browser"
    profile.mkdir()
    with engine(profile, scripts=scripts) as tab:
        yield tab
        assert [words for words in console(tab) if any(address in words for address in ours)] == []


def console(tab: Tab) -> list[str]:
    """Errors and warnings, above all of what a content security policy stopped. WebKit tells its driver nothing of them."""
    if not isinstance(tab.wire, Marionette):
        return []
    said: list[str] = tab.wire.in_the_browser("return Services.console.getMessageArray().map(String)")
    return said


def fill_in(tab: Tab, **fields: str) -> None:
    for name, text in fields.items():
        tab.fill(f"#{name}", text)
    tab.click("#submit")


@in_each
@both_ways
async def test_a_person_sets_a_new_password_after_one_that_was_refused(
    engine: Engine, site: Site, tmp_path: Path, scripts: bool
) -> None:
    token, _ = await site.world.link()
    with browsing(engine, tmp_path, site.address, scripts=scripts) as tab:
        tab.open(site.link(token))
        assert token.reveal() not in tab.url
        fill_in(tab, password="short", repeat="short")
        tab.until(FOCUS, "summary")
        assert tab.look("document.title.startsWith('Error:')")
        fill_in(tab, password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
        tab.until(HEADING, DONE)
        tab.reload()
        tab.until(HEADING, DONE)
    assert site.world.password() == GOOD_PASSWORD


@in_each
async def test_back_after_success_leads_to_no_form(engine: Engine, site: Site, tmp_path: Path) -> None:
    token, _ = await site.world.link()
    with browsing(engine, tmp_path, site.address) as tab:
        tab.open(site.link(token))
        fill_in(tab, password="short", repeat="short")
        tab.until(FOCUS, "summary")
        fill_in(tab, password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
        tab.until(HEADING, DONE)
        tab.back()
        tab.until(HEADING, "This link has been used")
        assert tab.look("document.forms.length") == 0


@in_each
async def test_back_after_a_change_shows_a_form_that_can_be_used_and_tries_nothing_again(
    engine: Engine, site: Site, tmp_path: Path
) -> None:
    with browsing(engine, tmp_path, site.address) as tab:
        tab.open(f"{site.address}/change")
        fill_in(tab, username="jdoe", present="wrong", password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
        tab.until(FOCUS, "summary")
        fill_in(tab, present=OLD_PASSWORD, password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
        tab.until(HEADING, DONE)
        tab.back()
        tab.until(HEADING, "Change your password")
        assert tab.look("document.getElementById('summary')") is None
        assert tab.look("['present', 'password', 'repeat'].map(id => document.getElementById(id).value)") == [""] * 3
        assert tab.look("document.getElementById('submit').getAttribute('aria-disabled')") is None
    assert site.world.password() == GOOD_PASSWORD


@in_each
async def test_the_browser_proves_its_work_and_asks_once_more_after_going_back(
    engine: Engine, site: Site, tmp_path: Path
) -> None:
    switch_on(site.world, "EXAMPLE")
    # Nothing that comes without a proof is looked at while the test lasts; the work is as much as it is by itself.
    public = Public(unproven_delay_seconds=3600)
    msgspec.structs.force_setattr(site.world.settings, "public", public)
    with browsing(engine, tmp_path, site.address) as tab:
        tab.open(f"{site.address}/forgot")
        fill_in(tab, name="jdoe")
        tab.until(HEADING, ASKED)
        # No channel is configured in this world, so whatever is looked at is refused.
        until(lambda: [event.name for event in site.world.store.events] == ["request.refused"])
        tab.back()
        tab.until(HEADING, "Forgot your password?")
        fill_in(tab, name="jroe")
        tab.until(HEADING, ASKED)
        until(lambda: [event.name for event in site.world.store.events] == ["request.refused"] * 2)


@in_each
@both_ways
async def test_a_person_goes_over_a_wrong_and_a_right_code(
    engine: Engine,
    asking: FactorSite,
    tmp_path: Path,
    scripts: bool,
) -> None:
    with browsing(engine, tmp_path, asking.address, scripts=scripts) as tab:
        tab.open(asking.link(await asking.world.sent_link()))
        tab.click("form[data-once] button")
        tab.until(FOCUS, "code")
        tab.fill("#code", "no code")
        tab.click("form[data-once] button.primary")
        tab.until(FOCUS, "summary")
        tab.fill("#code", await asking.world.code())
        tab.click("form[data-once] button.primary")
        tab.until(HEADING, "Choose a new password")


@both_ways
async def test_firefox_shows_the_form_in_the_portal_s_frame(framed: Framed, tmp_path: Path, scripts: bool) -> None:
    token, _ = await framed.world.link()
    with browsing(firefox, tmp_path, framed.ours, scripts=scripts) as tab:
        tab.open(framed.frame_of(PORTAL, f"{framed.ours}/r/{token.reveal()}?inline=1"))
        tab.wire.send("SwitchToFrame", element=tab.find("iframe"))
        tab.until(HEADING, "Choose a new password")
        fill_in(tab, password=GOOD_PASSWORD, repeat=GOOD_PASSWORD)
        tab.until(HEADING, DONE)
    assert framed.world.password() == GOOD_PASSWORD


async def test_firefox_shows_it_in_no_stranger_s(framed: Framed, tmp_path: Path) -> None:
    token, _ = await framed.world.link()
    with browsing(firefox, tmp_path) as tab:
        tab.open(framed.frame_of(STRANGER, f"{framed.ours}/r/{token.reveal()}?inline=1"))
        until(lambda: in_the_frame(tab).startswith("about:neterror?e=cspBlocked"))


def in_the_frame(tab: Tab) -> str:
    """The address of what Firefox itself shows in the page's only frame: a page that tells why it shows no other."""
    assert isinstance(tab.wire, Marionette)
    frame = "gBrowser.selectedBrowser.browsingContext.children[0]"
    shown: str = tab.wire.in_the_browser(f"return {frame}?.currentWindowGlobal?.documentURI.spec ?? ''")
    return shown


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_firefox_scrolls_nothing_sideways_in_320_pixels(site: Site, tmp_path: Path, language: str) -> None:
    switch_on(site.world, "EXAMPLE")
    token, _ = await site.world.link()
    with browsing(firefox, tmp_path, site.address) as tab:
        assert isinstance(tab.wire, Marionette)
        tab.wire.send("SetWindowRect", width=640, height=1000)
        tab.wire.in_the_browser(f"Services.prefs.setStringPref('intl.accept_languages', '{language}')")
        for path in (f"/r/{token.reveal()}", "/forgot", "/change", "/"):
            tab.open(site.address + path)
            # At 200 %, since its window cannot be less than 500 pixels wide.
            tab.wire.in_the_browser("gBrowser.selectedBrowser.fullZoom = 2")
            tab.until("innerWidth", 320)
            assert tab.look("document.documentElement.lang") == language
            assert tab.look("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
