"""People's pages, from the link to the new password."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from pwreset.errors import (
    LinkDead,
    every_error,
)
from pwreset.languages import available, direction
from pwreset.reset.tokens import new_token
from pwreset.settings import BrandSettings
from pwreset.web.brand import Brand
from pwreset.web.door import FAILED, FAMILY_STATES, METHOD_NOT_ALLOWED, NOT_FOUND, STATES
from pwreset.web.render import TEMPLATES, render, static_files
from pwreset.web.trial import SAMPLE
from tests.fakes.directory import Weather
from tests.fakes.pages import GOOD_PASSWORD, JANE, JOHN, OLD_PASSWORD, PagesWorld, settings_with
from tests.fakes.person import form_token_of, open_link, send, title_of


@pytest.fixture
def world() -> PagesWorld:
    return PagesWorld()


async def test_a_person_sets_a_new_password(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    moved = await send(browser, page, GOOD_PASSWORD)
    done = await browser.get(moved.headers["location"])
    assert (page.status_code, moved.status_code, done.status_code) == (200, 303, 200)
    assert world.password() == GOOD_PASSWORD
    assert title_of(done) == "Your password has been changed · Example Corp"


async def test_the_page_says_whose_password_where_and_until_when(world: PagesWorld) -> None:
    token, _ = await world.link(hours=24)
    page = await open_link(world.browser(), token)
    for words in ("Jane Doe", "jdoe", "Example Corp", "Wednesday, 25 November 2026, 10:00 (CET)"):
        assert words in page.text


async def test_the_page_says_the_rules_of_ours_and_of_the_directory(world: PagesWorld) -> None:
    token, _ = await world.link()
    page = await open_link(world.browser(), token)
    assert "At least 15 characters" in page.text
    assert "Not one of your last 5 passwords" in page.text


async def test_the_success_page_leads_to_the_log_in_of_the_domain(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    moved = await send(browser, await open_link(browser, token), GOOD_PASSWORD)
    assert 'href="https://portal.example.org/"' in (await browser.get(moved.headers["location"])).text


async def test_the_success_page_can_be_loaded_again(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    moved = await send(browser, await open_link(browser, token), GOOD_PASSWORD)
    await browser.get(moved.headers["location"])
    assert (await browser.get(moved.headers["location"])).status_code == 200


async def test_going_back_after_success_says_that_the_link_is_used(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    await send(browser, page, GOOD_PASSWORD)
    back = await browser.get(page.request.url.path)
    assert (back.status_code, title_of(back)) == (410, "This link has been used · Example Corp")


async def test_sending_the_form_again_after_success_changes_nothing(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    await send(browser, page, GOOD_PASSWORD)
    again = await send(browser, page, GOOD_PASSWORD + " again")
    assert again.status_code == 410
    assert world.password() == GOOD_PASSWORD


async def test_two_links_in_one_browser_each_set_their_own_person_s_password(world: PagesWorld) -> None:
    jane, _ = await world.link(JANE)
    john, _ = await world.link(JOHN)
    browser = world.browser()
    page_of_jane = await open_link(browser, jane)
    page_of_john = await open_link(browser, john)
    await send(browser, page_of_jane, GOOD_PASSWORD)
    await send(browser, page_of_john, GOOD_PASSWORD + " for the other")
    assert world.password(JANE) == GOOD_PASSWORD
    assert world.password(JOHN) == GOOD_PASSWORD + " for the other"


@pytest.mark.parametrize(
    "typed",
    ["  blanks around a long password  ", "ﬁne ligature and e\u0301 accent", "\U0001d530cript is seven 🗝️ words+%26"],
)
async def test_the_password_is_set_as_it_was_typed(world: PagesWorld, typed: str) -> None:
    token, _ = await world.link()
    browser = world.browser()
    await send(browser, await open_link(browser, token), typed)
    assert world.password() == typed


async def test_two_different_passwords_bring_the_form_back(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    again = await send(browser, await open_link(browser, token), GOOD_PASSWORD, GOOD_PASSWORD + "x")
    assert again.status_code == 422
    assert "The two passwords are not the same. Type both again." in again.text
    assert title_of(again).startswith("Error:")
    assert (await send(browser, again, GOOD_PASSWORD)).status_code == 303


async def test_a_refused_password_brings_the_form_back_with_the_rules_in_words(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    again = await send(browser, await open_link(browser, token), "short")
    assert again.status_code == 422
    assert "The password is too short: it needs at least 15 characters." in again.text
    assert (await send(browser, again, GOOD_PASSWORD)).status_code == 303


async def test_what_the_directory_refuses_is_told_in_words(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    again = await send(browser, await open_link(browser, token), OLD_PASSWORD)
    assert "it must not be one of your last 5" in again.text
    assert (await send(browser, again, GOOD_PASSWORD)).status_code == 303


async def test_a_refused_password_is_not_shown_again(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    again = await send(browser, await open_link(browser, token), "tell no one")
    assert "tell no one" not in again.text


@pytest.mark.parametrize("body", ["%ff" * 20, "fifteen+characters+and+a+%00", "%ed%a0%80" + "x" * 20])
async def test_bytes_that_are_no_text_are_refused_in_words(world: PagesWorld, body: str) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    again = await browser.post(
        page.request.url.path,
        content=f"form_token={form_token_of(page)}&password={body}&repeat={body}",
        headers={"origin": "https://reset.example.org", "content-type": "application/x-www-form-urlencoded"},
    )
    assert again.status_code == 422
    assert "characters that cannot be used" in again.text
    assert world.password() == OLD_PASSWORD


async def test_an_expired_link_says_so_and_is_forgotten(world: PagesWorld) -> None:
    token, _ = await world.link(hours=1)
    world.clock.advance(timedelta(hours=1))
    page = await open_link(world.browser(), token)
    assert (page.status_code, title_of(page)) == (410, "This link has expired · Example Corp")
    assert "Max-Age=0" in page.headers["set-cookie"]


async def test_a_link_lives_to_its_last_second(world: PagesWorld) -> None:
    token, _ = await world.link(hours=1)
    world.clock.advance(timedelta(hours=1) - timedelta(seconds=1))
    assert (await open_link(world.browser(), token)).status_code == 200


async def test_a_used_link_says_so(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    await send(browser, await open_link(browser, token), GOOD_PASSWORD)
    page = await open_link(world.browser(), token)
    assert (page.status_code, title_of(page)) == (410, "This link has been used · Example Corp")


async def test_a_link_that_is_being_used_can_be_tried_again(world: PagesWorld) -> None:
    token, request = await world.link()
    now = world.clock.now()
    assert await world.store.claim(request.id, now, now + timedelta(minutes=1), JANE.entry_mark)
    browser = world.browser()
    page = await open_link(browser, token)
    assert page.status_code == 409
    assert f'href="{page.request.url.path}"' in page.text
    assert "set-cookie" not in page.headers


async def test_without_its_cookie_a_page_asks_for_the_link_again(world: PagesWorld) -> None:
    page = await world.browser().get("/reset/0123456789abcdef")
    assert page.status_code == 400
    assert "allow cookies" in page.text


async def test_a_directory_that_is_down_keeps_the_link(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    world.weather(Weather.DOWN)
    page = await open_link(browser, token)
    assert page.status_code == 503
    assert int(page.headers["retry-after"]) > 0
    assert "your link stays good" in page.text
    world.weather(Weather.FINE)
    assert (await browser.get(page.request.url.path)).status_code == 200


async def test_a_password_that_was_written_though_the_answer_was_lost_is_a_success(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    world.weather(Weather.ANSWERS_LOST)
    assert (await send(browser, page, GOOD_PASSWORD)).status_code == 303


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (PagesWorld.take_rights, 502, "trying again will not help"),
        (lambda world: world.weather(Weather.CUT_BEFORE_WRITING), 503, "First try to log in with the new password"),
        (lambda world: world.weather(Weather.DOWN), 503, "your link stays good"),
    ],
)
async def test_a_failed_write_is_told_as_what_it_is(
    world: PagesWorld, failure: Callable[[PagesWorld], None], status: int, words: str
) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    failure(world)
    answer = await send(browser, page, GOOD_PASSWORD)
    assert answer.status_code == status
    assert words in answer.text


async def test_a_form_of_8_kilobytes_is_too_large(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    answer = await send(browser, await open_link(browser, token), "x" * 8000)
    assert answer.status_code == 413


async def test_a_bug_is_a_page_that_tells_nothing(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    world.plant_bug("with details of the inside")
    answer = await send(browser, page, GOOD_PASSWORD)
    assert answer.status_code == 500
    assert "details" not in answer.text


@pytest.mark.parametrize("path", ["/", "/r/x", "/reset/0123456789abcdef", "/done/x", "/change", "/change/done/x"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused_with_what_is_allowed(world: PagesWorld, method: str, path: str) -> None:
    answer = await world.browser().request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == (
        "GET, HEAD, POST" if path.startswith("/reset/") or path == "/change" else "GET, HEAD"
    )


async def test_head_is_get_without_its_body() -> None:
    world = PagesWorld(settings_with(changes={"password": {"suggest": False}}))  # it is another one each time
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    head = await browser.head(page.request.url.path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(page.content))


async def test_a_passphrase_is_offered_that_is_taken_and_another_one_next_time(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    first = await open_link(browser, token)
    second = await browser.get(first.request.url.path)
    offered, other = (re.search('id="suggested"[^>]*>([^<]+)<', page.text)[1] for page in (first, second))  # type: ignore[index]
    assert offered != other
    assert (await send(browser, second, offered)).status_code == 303


async def test_no_passphrase_is_offered_where_the_operator_wants_none() -> None:
    world = PagesWorld(settings_with(changes={"password": {"suggest": False}}))
    token, _ = await world.link()
    assert "suggested" not in (await open_link(world.browser(), token)).text


async def test_another_address_has_a_page_that_says_so(world: PagesWorld) -> None:
    assert (await world.browser().get("/nowhere")).status_code == 404


async def test_the_front_page_says_what_this_is(world: PagesWorld) -> None:
    page = await world.browser().get("/")
    assert page.status_code == 200
    assert "Ask your help desk for one" in page.text


@pytest.mark.parametrize(
    ("wish", "language", "words"),
    [
        ("en", "en", "Choose a new password"),
        ("fr-FR, fr;q=0.9, en;q=0.8", "fr", "Choisir un nouveau mot de passe"),
        ("de-CH", "de", "Neues Passwort wählen"),
        ("xx, de;q=0.5", "de", "Neues Passwort wählen"),
    ],
)
async def test_the_browser_s_language_is_spoken(world: PagesWorld, wish: str, language: str, words: str) -> None:
    token, _ = await world.link()
    page = await open_link(world.browser(**{"accept-language": wish}), token)
    assert f'<html lang="{language}" dir="ltr">' in page.text
    assert words in page.text
    assert page.headers["content-language"] == language


async def test_the_person_s_language_is_spoken_when_the_browser_names_none_of_ours(world: PagesWorld) -> None:
    world.directories["EXAMPLE"].add(replace(JANE, language="fr"), OLD_PASSWORD)
    token, _ = await world.link()
    page = await open_link(world.browser(**{"accept-language": "xx"}), token)
    assert page.headers["content-language"] == "fr"


async def test_the_domain_s_language_is_spoken_when_nobody_names_one_of_ours() -> None:
    domains = {
        name: msgspec.to_builtins(domain) | {"language": "de"} for name, domain in settings_with().domains.items()
    }
    world = PagesWorld(settings_with(changes={"domains": domains}))
    token, _ = await world.link()
    page = await open_link(world.browser(**{"accept-language": "xx"}), token)
    assert page.headers["content-language"] == "de"


async def test_refusals_are_told_in_the_browser_s_language(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser(**{"accept-language": "de"})
    again = await send(browser, await open_link(browser, token), "kurz")
    assert "Das Passwort ist zu kurz: Es braucht mindestens 15 Zeichen." in again.text


async def test_too_many_requests_of_one_network_are_told_to_wait() -> None:
    world = PagesWorld(settings_with(changes={"limits": {"page_requests_per_address_per_minute": 3}}))
    for _ in range(3):
        assert (await world.browser(address="2001:db8::1").get("/")).status_code == 200
    refused = await world.browser(address="2001:db8::2").get("/")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert (await world.browser(address="2001:db8:0:1::1").get("/")).status_code == 200


async def test_waiting_lifts_the_limit() -> None:
    world = PagesWorld(settings_with(changes={"limits": {"page_requests_per_address_per_minute": 1}}))
    await world.browser().get("/")
    world.clock.advance(timedelta(minutes=1))
    assert (await world.browser().get("/")).status_code == 200


async def test_a_limit_of_zero_is_none() -> None:
    world = PagesWorld(settings_with(changes={"limits": {"page_requests_per_address_per_minute": 0}}))
    assert [(await world.browser().get("/")).status_code for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("name", ["pages.css", "reset.js", "guesses.js", "favicon.svg"])
async def test_a_static_file_may_be_kept_for_good_under_its_version(world: PagesWorld, name: str) -> None:
    file = static_files()[name]
    answer = await world.browser().get(f"/static/{name}?v={file.version}")
    assert (answer.status_code, answer.content) == (200, file.body)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(("accepted", "encoding"), [("br, gzip", "gzip"), ("identity", None), ("gzip;q=0", None)])
async def test_a_static_file_is_packed_for_whom_it_may_be(
    world: PagesWorld, accepted: str, encoding: str | None
) -> None:
    answer = await world.browser().get("/static/pages.css", headers={"accept-encoding": accepted})
    assert (answer.headers.get("content-encoding"), answer.headers["vary"]) == (encoding, "accept-encoding")
    assert answer.content == static_files()["pages.css"].body  # unpacked on the way


async def test_a_page_is_never_packed(world: PagesWorld) -> None:
    """Its length would tell of what is secret in it (BREACH)."""
    page = await open_link(world.browser(), (await world.link())[0])
    assert page.status_code == 200
    assert "content-encoding" not in page.headers


async def test_a_static_file_of_another_version_is_asked_for_again(world: PagesWorld) -> None:
    assert (await world.browser().get("/static/pages.css?v=0")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["nothing.css", "..%2fpages.py", "%2e%2e/pages.py"])
async def test_nothing_else_is_served_from_there(world: PagesWorld, name: str) -> None:
    assert (await world.browser().get(f"/static/{name}")).status_code == 404


def test_every_state_has_its_page() -> None:
    states = {*STATES.values(), *FAMILY_STATES.values(), NOT_FOUND, METHOD_NOT_ALLOWED, FAILED}
    assert {state.template for state in states} == {path.stem for path in (TEMPLATES / "state").iterdir()}


def test_every_dead_link_has_its_state() -> None:
    assert [error for error in every_error() if issubclass(error, LinkDead) and error not in STATES] == []


@pytest.mark.parametrize("language", available())
async def test_every_page_is_shown_in_every_language(language: str) -> None:
    """The form, refused and accepted, the success, a link that was used, and one that is none."""
    world = PagesWorld()
    browser = world.browser(**{"accept-language": language})
    token, _ = await world.link()
    page = await open_link(browser, token)
    refused = await send(browser, page, "jane")
    done = await browser.get((await send(browser, page, GOOD_PASSWORD)).headers["location"])
    shown = [page, refused, done, await browser.get("/"), await open_link(browser, token)]
    shown.append(await open_link(browser, new_token()))
    assert [answer.status_code for answer in shown] == [200, 422, 200, 200, 410, 404]
    for answer in shown:
        assert f'<html lang="{language}" dir="{direction(language)}">' in answer.text
        assert answer.headers["content-language"] == language
        assert "%(" not in answer.text
    for state in {path.stem for path in (TEMPLATES / "state").iterdir()}:
        facts = SAMPLE | {"brand": Brand(language, title="Example Corp")}
        assert b"</html>" in render(f"state/{state}.html", language, facts)


async def test_a_brand_s_colours_and_logo_come_from_pwreset_itself(tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\n and the rest")
    settings = settings_with()
    brand = BrandSettings(colour="#ffcc00", logo=str(logo), footer="1 Main Street")
    domain = msgspec.structs.replace(settings.domains["EXAMPLE"], brand=brand)
    world = PagesWorld(msgspec.structs.replace(settings, domains={**settings.domains, "EXAMPLE": domain}))
    browser = world.browser()
    token, _ = await world.link()
    page = await open_link(browser, token)
    assert "1 Main Street" in page.text
    sheet, picture = sorted(
        re.findall(r'"(/brand/[0-9a-f]{16}\.\w+)"', page.text), key=lambda path: path.endswith("png")
    )
    assert "--accent: #ffcc00;" in (await browser.get(sheet)).text
    shown = await browser.get(picture)
    assert (shown.content, shown.headers["content-type"]) == (logo.read_bytes(), "image/png")
    assert (await browser.get("/brand/0123456789abcdef.png")).status_code == 404
