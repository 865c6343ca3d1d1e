"""The mails as a mail program with a browser's engine shows them: light, dark, narrow, from right to left; axe on each.

Words too faint to read, a table too wide, no language in the body, a code as small as the rest: each turned them red.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, Page

from pwreset.delivery.messages import TemplateMessages
from pwreset.reset.model import Channel, MessageName
from pwreset.secret import Secret
from pwreset.settings import BrandSettings
from tests.browser.test_states import LOOKS, PICTURES, Look
from tests.unit.delivery.test_messages import FACTS, NOTICE, settings

pytestmark = pytest.mark.browser

# A mail is a part of a mail program's page: the page's own landmarks are that one's business.
AS_A_PART = {
    "resultTypes": ["violations"],
    "rules": {"target-size": {"enabled": True}, "landmark-one-main": {"enabled": False}, "region": {"enabled": False}},
}
MAILS = PICTURES.parent / "mails"
NOT_ME = Secret("https://reset.example.org/not-me/" + "q" * 43)
FACTS_OF = {
    MessageName.RESET_LINK: replace(FACTS, comments="As you asked on the phone", sender="Help Desk"),
    MessageName.ASKED_LINK: FACTS,
    MessageName.LINK_ISSUED: replace(NOTICE, expires_at=FACTS.expires_at, not_me=NOT_ME),
    MessageName.PASSWORD_CHANGED: replace(NOTICE, not_me=NOT_ME),
    MessageName.DISOWNED: NOTICE,
    MessageName.RESET_CODE: replace(NOTICE, expires_at=FACTS.expires_at, code=Secret("483920")),
}
LOOKED_AT = [("en", look) for look in LOOKS["de-DE"]] + [("ar", look) for look in LOOKS["ar"]]


@pytest.mark.parametrize("name", MessageName, ids=lambda name: name.value)
@pytest.mark.parametrize(("language", "look"), LOOKED_AT, ids=[look.name for _, look in LOOKED_AT])
async def test_a_mail_can_be_read_by_everybody(chromium: Browser, name: MessageName, language: str, look: Look) -> None:
    html = TemplateMessages(settings()).render(name, Channel.MAIL, language, FACTS_OF[name]).html
    assert await wrong_with(chromium, html, look, f"{name.value}-{look.name}") == []


@pytest.mark.parametrize("look", LOOKS["de-DE"][:2], ids=lambda look: look.name)
async def test_a_mail_of_a_bright_brand_can_be_read(chromium: Browser, look: Look) -> None:
    plain = settings()
    brand = BrandSettings(colour="#ffd400", footer="1 Main Street", footer_links={"Imprint": "https://example.org"})
    domain = msgspec.structs.replace(plain.domains["EXAMPLE"], brand=brand)
    messages = TemplateMessages(msgspec.structs.replace(plain, domains={"EXAMPLE": domain}))
    html = messages.render(MessageName.RESET_LINK, Channel.MAIL, "en", FACTS).html
    assert await wrong_with(chromium, html, look, f"reset-link-brand-{look.name}") == []


@pytest.mark.parametrize("name", MessageName, ids=lambda name: name.value)
async def test_a_web_mail_that_keeps_the_body_alone_still_knows_its_language(
    chromium: Browser, name: MessageName
) -> None:
    context = await chromium.new_context()
    page = await context.new_page()
    await page.set_content(TemplateMessages(settings()).render(name, Channel.MAIL, "ar", FACTS_OF[name]).html)
    said = "body => [...body.children].map(one => `${one.role} ${one.lang} ${one.dir}`)"
    assert await page.locator("body").evaluate(said) == ["article ar rtl"]
    await context.close()


async def test_a_code_is_what_one_sees_first(chromium: Browser) -> None:
    html = TemplateMessages(settings()).render(
        MessageName.RESET_CODE, Channel.MAIL, "en", FACTS_OF[MessageName.RESET_CODE]
    )
    context = await chromium.new_context()
    page = await context.new_page()
    await page.set_content(html.html)
    sizes = "body => [...body.querySelectorAll('h1, p')].map(one => parseFloat(getComputedStyle(one).fontSize))"
    found: list[float] = await page.locator("body").evaluate(sizes)
    code = await page.get_by_text("483920").evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
    await context.close()
    assert code == max(found) > sorted(found)[-2]


async def wrong_with(chromium: Browser, html: str, look: Look, name: str) -> list[str]:
    """What axe finds, and whether a line is wider than the window; a picture is kept."""
    context = await chromium.new_context(
        viewport={"width": look.width, "height": look.height}, color_scheme=look.colours, reduced_motion=look.motion
    )
    try:
        page = await context.new_page()
        await page.set_content(html)
        MAILS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=MAILS / f"{name}.png", full_page=True)
        return [*await _violations(page), *await _too_wide(page)]
    finally:
        await context.close()


async def _violations(page: Page) -> list[str]:
    await page.evaluate(AXE_SCRIPT)
    found = (await page.evaluate("options => axe.run(options)", AS_A_PART))["violations"]
    return [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found]


async def _too_wide(page: Page) -> list[str]:
    wide = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return ["wider than the window"] if wide else []
