"""What a screen reader has to tell on the main path, held against docs/explanation/for-everybody.md.

Seen to fail by hand with a heading that is none, and with a summary that does not get the focus.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import Site, browsing, fill_in
from tests.browser.heard import heard
from tests.fakes.pages import GOOD_PASSWORD

pytestmark = pytest.mark.browser

TOLD = Path(__file__).parents[2] / "docs" / "explanation" / "for-everybody.md"


def told() -> list[list[str]]:
    """The blocks of the document, one for each page on the way, before what a single screen reader said."""
    ours, heading, _ = TOLD.read_text(encoding="utf-8").partition("\n## What Orca said\n")
    assert heading
    return [block.splitlines() for block in re.findall(r"```text\n(.*?)\n```", ours, re.DOTALL)]


async def test_a_screen_reader_hears_on_the_main_path_what_the_document_tells(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        the_form = await heard(page)
        await fill_in(page, "jane", "jane")
        await page.click("#submit")
        await expect(page.locator("#summary")).to_be_focused()
        refused = await heard(page)
        await fill_in(page, GOOD_PASSWORD)
        await page.click("#submit")
        await expect(page.get_by_role("link", name="Go to log-in")).to_be_visible()
        done = await heard(page)
    assert [the_form, refused, done] == told()


async def test_hints_are_told_while_one_types_and_not_at_every_key(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        await expect(page.locator("#same")).to_have_attribute("aria-live", "polite")
        await fill_in(page, GOOD_PASSWORD)
        lines = await heard(page)
    assert "item: At least 15 characters – kept" in [line.replace("item:  –", " –") for line in _joined(lines)]
    assert "The two passwords are the same." in lines


def _joined(lines: list[str]) -> list[str]:
    """Items of several texts as one."""
    joined: list[str] = []
    for line in lines:
        if line.startswith("item: –") and joined:
            joined[-1] += " " + line.removeprefix("item: ")
        else:
            joined.append(line)
    return joined
