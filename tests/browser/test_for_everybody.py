"""Every page and state by keyboard, in forced colours, at 400 % zoom, with wide letters, without JavaScript, and quick.

The pages and states are those of `test_states` and `test_second_factor`: whoever adds one there has it tried here too.

What was spoiled by hand, one at a time, and which test turned red for the form:

- pages.css, no ring around the focus, or one of a faint colour; reset.html, a field out of order: the keyboard's
- pages.css, fields or buttons without an edge: the keyboard's, at its end
- pages.css, a sheet of at least 30rem, or words that do not wrap: the one of zoom and letters
- reset.html, a button that only a script makes work is shown: the one without JavaScript
- pages.css, an `@import`, or 60 kB more: the one of weight
- reset.html, a field without `aria-invalid`: the one of what is empty
- reset.html, the refused field does not say that it is wrong, or not why: the last one
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, CDPSession, Page, expect

from tests.browser.conftest import Site, browsing
from tests.browser.test_second_factor import STEPS as FACTOR_STEPS
from tests.browser.test_second_factor import asking  # noqa: F401 - a fixture, asked for by its name
from tests.browser.test_states import NEED_SCRIPT, STEPS, refused

pytestmark = pytest.mark.browser

MOST_BYTES = 60_000  # a page with all that it loads, a brand's logo apart
MOST_TABS = 40
WIDE_LETTERS = """
    * { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }
    p { margin-bottom: 2em !important }
"""  # WCAG 2.2, 1.4.12
LARGE_LETTERS = "html { font-size: 200% !important }"  # WCAG 2.2, 1.4.4
COLOUR_SCHEMES: list[dict[str, Any]] = [
    {"color_scheme": "light"},
    {"color_scheme": "dark"},
    {"forced_colors": "active"},
]
Step = Callable[[Page, Any], Awaitable[None]]
EVERY_STEP: list[Step] = [*STEPS, *FACTOR_STEPS]
by_step = pytest.mark.parametrize("step", EVERY_STEP, ids=lambda step: step.__name__)

# What is around here is JavaScript that looks at a page from outside; the pages' own is switched off where it says so.
COLOURS = """
    const channels = colour => {
        const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const luminance = colour => channels(colour).slice(0, 3).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const contrast = (one, other) => {
        const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (lighter + 0.05) / (darker + 0.05);
    };
    const ground = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (channels(colour)[3] === 255) return colour;
        }
        return "Canvas";
    };
"""
REACHABLE = """() => [...document.querySelectorAll("*")].flatMap((element, index) =>
    element.matches("a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary, [tabindex='0']")
    && element.checkVisibility() && element.type !== "hidden" ? [index] : [])"""
FOCUS = f"""() => {{
    {COLOURS}
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const style = getComputedStyle(element), [box] = element.getClientRects();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return {{
        index: [...document.querySelectorAll("*")].indexOf(element),
        name: element.id || element.textContent.trim().slice(0, 40),
        ringed: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
            && contrast(style.outlineColor, ground(element.parentElement)) >= 3,
        bare: element === top || element.contains(top),
    }};
}}"""
# A button that looks like a link, underlined, needs no edge.
EDGELESS = f"""() => {{
    {COLOURS}
    return [...document.querySelectorAll("input, select, textarea, button, .primary")].filter(element => element.checkVisibility()
        && element.type !== "hidden" && getComputedStyle(element).textDecorationLine !== "underline").filter(element => {{
        const style = getComputedStyle(element);
        return style.borderTopStyle === "none" || parseFloat(style.borderTopWidth) < 1
            || contrast(style.borderTopColor, ground(element.parentElement)) < 3;
    }}).map(element => element.outerHTML);
}}"""
BEYOND_THE_EDGE = """() => [...document.querySelectorAll("body *")].filter(element => {
    const box = element.getBoundingClientRect();
    return element.checkVisibility() && !element.matches(".unseen") && box.width
        && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(element => element.outerHTML.slice(0, 80))"""
IDLE_BUTTONS = """() => [...document.querySelectorAll("button, [role=button]")].filter(button =>
    button.checkVisibility() && !(button.type === "submit" && button.form)).map(button => button.outerHTML)"""


# Firefox tells a screen reader that these are wrong, unless the page says something else.
CALLED_WRONG = (
    """() => [...document.querySelectorAll(":invalid:not([aria-invalid])")].map(element => element.outerHTML)"""
)


@pytest.fixture
def where(request: pytest.FixtureRequest, step: Step) -> Site:
    """The site on which a step is taken: links of the second factor's ask for more than themselves."""
    site: Site = request.getfixturevalue("asking" if step in FACTOR_STEPS else "site")
    return site


@dataclass(frozen=True, slots=True)
class Tour:
    """Where the keyboard led: the elements in order, and what was wrong with the focus on any of them."""

    order: list[int]
    without_ring: list[str]
    hidden: list[str]


async def tour(page: Page) -> Tour:
    """Press Tab until every element that it leads to has been there."""
    seen: dict[int, dict[str, Any]] = {}
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        at = await page.evaluate(FOCUS)
        if at is not None and at["index"] in seen:
            break
        if at is not None:
            seen[at["index"]] = at
    order = list(seen)
    first = order.index(min(order)) if order else 0
    return Tour(
        order[first:] + order[:first],
        [at["name"] for at in seen.values() if not at["ringed"]],
        [at["name"] for at in seen.values() if not at["bare"]],
    )


@by_step
async def test_the_keyboard_leads_everywhere_in_order_and_shows_where_it_is_and_what_can_be_used(
    chromium: Browser, where: Site, step: Step
) -> None:
    async with browsing(chromium, where) as (page, _):
        await step(page, where)
        for colours in COLOUR_SCHEMES:
            await page.emulate_media(**colours)
            found = await tour(page)
            assert found == Tour(await page.evaluate(REACHABLE), [], [])
        assert await page.evaluate(EDGELESS) == []  # in forced colours, which came last


@by_step
async def test_zoomed_in_and_with_wide_or_large_letters_nothing_is_beyond_the_edge(
    chromium: Browser, where: Site, step: Step
) -> None:
    # A window of 1280 x 1024 at 400 % (WCAG 2.2, 1.4.10): a quarter of the CSS pixels, each four times as large.
    window = {"viewport": {"width": 320, "height": 256}, "device_scale_factor": 4}
    async with browsing(chromium, where, **window) as (page, _):
        await step(page, where)
        assert await page.evaluate(BEYOND_THE_EDGE) == []
        await _style(page, WIDE_LETTERS)
        assert await page.evaluate(BEYOND_THE_EDGE) == []
        await page.set_viewport_size({"width": 640, "height": 512})
        await _style(page, LARGE_LETTERS)
        assert await page.evaluate(BEYOND_THE_EDGE) == []


@pytest.mark.parametrize(
    "step", [step for step in EVERY_STEP if step not in NEED_SCRIPT], ids=lambda step: step.__name__
)
async def test_without_javascript_every_button_does_something(chromium: Browser, where: Site, step: Step) -> None:
    async with browsing(chromium, where, java_script_enabled=False) as (page, _):
        await step(page, where)
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        assert await page.evaluate(IDLE_BUTTONS) == []


@by_step
async def test_nothing_is_called_wrong_for_being_empty(chromium: Browser, where: Site, step: Step) -> None:
    async with browsing(chromium, where) as (page, _):
        await step(page, where)
        assert await page.evaluate(CALLED_WRONG) == []


@dataclass
class Traffic:
    """What a page and all that it loads cost, as they came over the wire, and who asked for what."""

    sizes: dict[str, int] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    askers: dict[str, str] = field(default_factory=dict)

    def asked(self, event: dict[str, Any]) -> None:
        if event["type"] == "Document":
            self.sizes.clear()
            self.urls.clear()
            self.askers.clear()
        if event["type"] != "Other":  # the icon in the browser's tab waits for nobody, and nobody for it
            self.urls[event["requestId"]] = event["request"]["url"]
        self.askers[event["requestId"]] = event["initiator"].get("url", "")

    def finished(self, event: dict[str, Any]) -> None:
        self.sizes[event["requestId"]] = int(event["encodedDataLength"])

    def not_asked_by(self, document: str) -> list[str]:
        """What the document itself did not ask for: each costs a round trip more before it can be painted."""
        return [url for one, url in self.urls.items() if url != document and self.askers[one] != document]


@contextmanager
def traffic_of(network: CDPSession) -> Iterator[Traffic]:
    traffic = Traffic()
    network.on("Network.requestWillBeSent", traffic.asked)
    network.on("Network.loadingFinished", traffic.finished)
    yield traffic


@by_step
async def test_a_page_weighs_little_and_is_painted_one_round_trip_after_its_document(
    chromium: Browser, where: Site, step: Step
) -> None:
    async with browsing(chromium, where) as (page, _):
        network = await page.context.new_cdp_session(page)
        await network.send("Network.enable")
        await network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        with traffic_of(network) as traffic:
            await step(page, where)
            await page.wait_for_load_state("networkidle")
        assert any("/static/pages.css" in url for url in traffic.urls.values())
        assert 0 < sum(traffic.sizes.values()) < MOST_BYTES
        assert traffic.not_asked_by(page.url.partition("#")[0]) == []


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])
async def test_a_refused_field_says_that_it_is_wrong_and_why(
    chromium: Browser, site: Site, java_script_enabled: bool
) -> None:
    async with browsing(chromium, site, java_script_enabled=java_script_enabled) as (page, _):
        await refused(page, site)
        password = page.locator("#password")
        await expect(password).to_have_attribute("aria-invalid", "true")
        await expect(password).to_have_accessible_description(re.compile("it needs at least 15 characters.*Rules"))
        await expect(page).to_have_title(re.compile("^Error:"))


async def _style(page: Page, css: str) -> None:
    """As a reader's own style sheet would: our policy forbids what is put into the page, and is not asked here."""
    await page.evaluate(
        "css => { const sheet = new CSSStyleSheet(); sheet.replaceSync(css); document.adoptedStyleSheets = [sheet]; }",
        css,
    )
