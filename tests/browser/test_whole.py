"""The whole journey with nothing faked: slapd, an SMTP relay, pwreset as a process, and Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import Watch, fill_in
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd, dn_of, password_of
from tests.servers.smtp import SmtpServer

pytestmark = [pytest.mark.browser, pytest.mark.servers]

NEW_PASSWORD = "seven quiet lanterns by the harbour"
LINK = re.compile(r"https://localhost:\d+/r/[A-Za-z0-9_-]{43}")


@dataclass
class Whole:
    service: Service
    slapd: LabSlapd
    relay: SmtpServer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, slapd: LabSlapd) -> Iterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("whole")
    with SmtpServer() as relay, running(Service(folder, lab_settings(folder, slapd, relay=relay))) as service:
        yield Whole(service, slapd, relay)


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])
async def test_a_person_opens_the_mail_s_link_and_logs_in_with_the_new_password(
    chromium: Browser, whole: Whole, java_script_enabled: bool
) -> None:
    uid = whole.slapd.add_person()
    whole.service.call("PwReset.Send_Request", {"username": uid, "method": "MAIL"}, **MANAGER)
    found = LINK.search(whole.relay.wait_for(f"{uid}@example.org").text)
    assert found is not None
    context = await chromium.new_context(ignore_https_errors=True, java_script_enabled=java_script_enabled)
    watch = Watch([whole.service.url])
    watch.on(context)
    try:
        page = await context.new_page()
        await page.goto(found[0])
        await fill_in(page, password_of(uid))
        await page.click("#submit")
        await expect(page.locator("#summary")).to_be_focused()
        await fill_in(page, NEW_PASSWORD)
        await page.click("#submit")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your password has been changed")
    finally:
        await context.close()
    assert whole.slapd.accepts(dn_of(uid), NEW_PASSWORD)
    assert not whole.slapd.accepts(dn_of(uid), password_of(uid))
    assert "changed" in whole.relay.wait_for(f"{uid}@example.org", number=2).text
    assert (watch.strangers(), watch.complaints) == ([], [])
    assert found[0].rsplit("/", 1)[1] not in whole.service.log.read_text()
