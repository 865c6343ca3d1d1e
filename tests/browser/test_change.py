"""The page for a change, by a person's steps: on fakes, and with nothing faked on OpenLDAP and Samba."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Site, Watch, browsing, fill_in_change, path_of
from tests.contract.directory_labs import SlapdLab
from tests.contract.samba_lab import SambaLab
from tests.fakes.pages import GOOD_PASSWORD, JANE, OLD_PASSWORD
from tests.servers.service import Service, running
from tests.servers.slapd import password_of
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.browser

NEW_PASSWORD = "Seven quiet lanterns by the harbour, 9"


async def heading(page: Page) -> str:
    return await page.get_by_role("heading", level=1).inner_text()


async def test_the_change_goes_by_keyboard_alone(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, _):
        await page.goto(f"{site.address}/")
        await page.get_by_role("link", name="Change it here").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/change")
        await page.focus("#username")
        await page.keyboard.type("jdoe")
        for typed in (OLD_PASSWORD, GOOD_PASSWORD, GOOD_PASSWORD):
            await page.keyboard.press("Tab")
            while await page.locator("input:focus").count() == 0:
                await page.keyboard.press("Tab")
            await page.keyboard.type(typed)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert await heading(page) == "Your password has been changed"
        assert site.world.password(JANE) == GOOD_PASSWORD


async def test_after_a_refusal_the_name_is_still_there_and_the_passwords_are_not(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, _):
        await page.goto(f"{site.address}/change")
        await fill_in_change(page, "jdoe", "wrong", GOOD_PASSWORD)
        await page.click("#submit")
        await expect(page.locator("#summary")).to_be_focused()
        kept = [await page.input_value(name) for name in ("#username", "#present", "#password", "#repeat")]
        assert kept == ["jdoe", "", "", ""]


async def test_the_back_button_after_a_change_shows_no_password(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, _):
        await page.goto(f"{site.address}/change")
        await fill_in_change(page, "jdoe", OLD_PASSWORD, GOOD_PASSWORD)
        await page.click("#submit")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your password has been changed")
        await page.reload()
        assert await heading(page) == "Your password has been changed"
        await page.go_back()
        assert path_of(page) == "/change"
        assert await page.input_value("#present") == ""


async def test_a_wrong_password_is_not_tried_again_by_reload_and_back(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, watch):
        await page.goto(f"{site.address}/change")
        await fill_in_change(page, "jdoe", "wrong", GOOD_PASSWORD)
        await page.click("#submit")
        await expect(page.locator("#summary")).to_be_visible()
        await page.reload()
        await expect(page.locator("#summary")).to_have_count(0)
        await page.goto(f"{site.address}/")
        await page.go_back()
        assert path_of(page) == "/change"
        assert [request.method for request in watch.requests].count("POST") == 1


async def test_password_managers_are_told_which_field_is_which(chromium: Browser, site: Site) -> None:
    async with browsing(chromium, site) as (page, _):
        await page.goto(f"{site.address}/.well-known/change-password")
        assert path_of(page) == "/change"
        fields = {
            name: await page.get_attribute(f"#{name}", "autocomplete")
            for name in ("username", "present", "password", "repeat")
        }
        assert fields == {
            "username": "username",
            "present": "current-password",
            "password": "new-password",
            "repeat": "new-password",
        }


@dataclass
class Whole:
    service: Service
    lab: Any
    relay: SmtpServer


KINDS: dict[str, tuple[str, Any]] = {"openldap": ("slapd", SlapdLab), "samba": ("samba", SambaLab)}


@pytest.fixture(scope="module", params=[pytest.param(kind, marks=pytest.mark.servers) for kind in KINDS])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    server, kind = KINDS[request.param]
    lab = kind(request.getfixturevalue(server))
    folder: Path = tmp_path_factory.mktemp("change")
    secret = folder / "bind-password"
    secret.touch(mode=0o600)
    secret.write_text(lab.service[1])
    with SmtpServer() as relay:
        settings = {
            "default_domain": "EXAMPLE",
            "mail": {"url": relay.url, "sender": "Help Desk <helpdesk@example.org>"},
            "domains": {
                "EXAMPLE": {**lab.place(), "bind_password_file": str(secret), "change_page": True},
            },
        }
        with running(Service(folder, settings)) as service:
            yield Whole(service, lab, relay)


def as_it_is(_lab: Any, _uid: str) -> None:
    """An account that nothing is the matter with."""


def must_change(lab: Any, uid: str) -> None:
    lab.demand_change(uid)


def expired(lab: Any, uid: str) -> None:
    lab.expire(uid)


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["with-script", "without-script"])
@pytest.mark.parametrize("state", [as_it_is, must_change, expired], ids=lambda state: state.__name__)
async def test_a_person_changes_the_password_that_he_knows(
    chromium: Browser, whole: Whole, state: Any, java_script_enabled: bool
) -> None:
    uid = whole.lab.add_person()
    state(whole.lab, uid)
    context = await chromium.new_context(
        ignore_https_errors=True, java_script_enabled=java_script_enabled, locale="en-GB"
    )
    watch = Watch([whole.service.url])
    watch.on(context)
    try:
        page = await context.new_page()
        await page.goto(f"{whole.service.url}/change")
        await fill_in_change(page, uid, "wrong", NEW_PASSWORD)
        await page.click("#submit")
        await expect(page.locator("#summary")).to_contain_text("The user name or the present password is not right")
        await fill_in_change(page, uid, password_of(uid), NEW_PASSWORD)
        await page.click("#submit")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your password has been changed")
    finally:
        await context.close()
    assert whole.lab.accepts(uid, NEW_PASSWORD)
    assert not whole.lab.must_change(uid)
    assert "changed" in whole.relay.wait_for(f"{uid}@example.org").text
    assert (watch.strangers(), watch.complaints) == ([], [])
    log = whole.service.log.read_text()
    assert password_of(uid) not in log
    assert NEW_PASSWORD not in log


async def test_the_directory_s_own_refusal_is_told(chromium: Browser, whole: Whole) -> None:
    uid = whole.lab.add_person(policy="strict")
    context = await chromium.new_context(ignore_https_errors=True, locale="en-GB")
    try:
        page = await context.new_page()
        await page.goto(f"{whole.service.url}/change")
        await fill_in_change(page, uid, password_of(uid), NEW_PASSWORD)
        await page.click("#submit")
        await expect(page.locator("#summary")).to_contain_text("Your password was changed only recently")
    finally:
        await context.close()
    assert whole.lab.accepts(uid, password_of(uid))
