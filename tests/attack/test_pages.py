"""Attacks on people's pages from outside: rules 2, 5, 6, 7, 15, 20 to 23 of SECURITY.md.

Defences that were switched off by hand, one at a time, and which test turned red:

- web/pages.py, the form is shown and the link revoked: test_a_scanner_that_opens_everything_spends_nothing
- web/door.py and web/forms.py, a query with a password is taken as a POST, its origin unchecked:
  test_the_form_cannot_be_sent_by_get
- web/pages.py, the redirect looks the token up: test_opening_a_link_does_not_tell_whether_it_exists
- web/pages.py, the form token is not compared; reset/tokens.py, any of its length is right:
  test_the_form_of_another_link_sets_no_password, test_a_guessed_form_token_sets_no_password
- web/pages.py, the origin is not compared; web/security.py, `null` is ours, a neighbour host is, no header at all is,
  http is as good as https: test_a_form_sent_from_elsewhere_sets_no_password
- web/security.py, a cookie is good for every tab: test_the_cookie_of_one_tab_opens_no_other
- web/door.py, every host serves every domain: test_a_link_opened_under_another_domain_s_host_is_unknown;
  web/pages.py, when a form is sent: test_a_form_sent_to_another_domain_s_host_sets_no_password
- web/door.py, redirects name the asked host: test_a_planted_host_is_in_no_page_and_no_redirect; they go where the query
  says: test_no_redirect_target_comes_from_the_request
- reset/redeem.py, a revoked link is told as used: test_unknown_and_revoked_links_look_alike_to_the_byte
- web/pages.py, a malformed token is told as no page: test_a_malformed_token_looks_like_an_unknown_one
- reset/redeem.py, a row need not be ours: test_a_row_written_by_somebody_else_is_no_link
- web/security.py, the cookie is there for scripts, lives for a day, has no `__Host-`:
  test_the_cookie_is_out_of_reach_of_scripts_and_of_other_hosts
- web/pages.py, the token's cookie is kept after success, or on dead links:
  test_success_and_dead_links_delete_the_token_s_cookie
- web/pages.py, token and password in a header after success: test_what_is_kept_after_success_is_no_secret
- web/door.py, no headers; web/security.py, frames for all, inline styles, pages kept; web/pages.py, a Referer with links;
  web/door.py, none with forms: test_every_page_carries_the_guarding_headers
- web/pages.py, the token in the redirect's address: test_the_redirect_that_drops_the_token_leaks_it_nowhere; in the form:
  test_the_token_is_in_no_body_and_no_header_but_its_cookie; in the log, and web/door.py, the words of an exception:
  test_tokens_and_passwords_are_in_no_log_line
- web/render.py, no escaping: test_a_name_in_the_directory_is_no_markup
- web/forms.py, no end of a body: test_a_body_without_end_is_cut
- reset/redeem.py, tries without end: test_guessing_with_one_link_is_limited
- web/tabs.py, the host is not looked at for a dead link: test_nor_does_another_domain_s_host_tell_what_a_link_died_of
- web/second_factor.py, any text is a tab: test_what_is_no_name_of_a_tab_is_in_no_redirect
- web/pages.py, no page for what is no file: test_every_page_carries_the_guarding_headers; for other methods:
  test_a_file_asked_for_otherwise_than_by_get_gets_a_guarded_page
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from pwreset.reset.model import RequestState, User
from pwreset.reset.tokens import new_token
from pwreset.web import pages
from pwreset.web.door import Door
from tests.fakes.directory import Weather
from tests.fakes.pages import (
    GOOD_PASSWORD,
    HERE,
    JANE,
    JOHN,
    OLD_PASSWORD,
    OTHER_HERE,
    OTTO,
    PagesWorld,
    settings_with,
)
from tests.fakes.person import form_token_of, open_link, send


@pytest.fixture
def world() -> PagesWorld:
    return PagesWorld()


# --- GET and HEAD spend nothing; POST acts, once -----------------------------------------------------------------


async def test_a_scanner_that_opens_everything_spends_nothing(world: PagesWorld) -> None:
    token, request = await world.link()
    for _ in range(3):
        scanner = world.browser()
        for method in ("HEAD", "GET"):
            moved = await scanner.request(method, f"/r/{token.reveal()}")
            await scanner.request(method, moved.headers["location"])
    assert await world.store.get(request.id) == request
    assert await world.store.audit(0, 10) == ()
    assert world.password() == OLD_PASSWORD


async def test_opening_a_link_does_not_tell_whether_it_exists(world: PagesWorld) -> None:
    real, _ = await world.link()
    answers = [await world.browser().get(f"/r/{token.reveal()}") for token in (real, new_token())]
    shapes = [(answer.status_code, answer.content, sorted(answer.headers)) for answer in answers]
    assert shapes[0] == shapes[1]


async def test_the_form_cannot_be_sent_by_get(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    sent = {"form_token": form_token_of(page), "password": GOOD_PASSWORD, "repeat": GOOD_PASSWORD}
    await browser.get(page.request.url.path, params=sent)
    assert world.password() == OLD_PASSWORD


# --- the form belongs to its link and to our page ----------------------------------------------------------------


async def test_the_form_of_another_link_sets_no_password(world: PagesWorld) -> None:
    browser = world.browser()
    page_of_jane = await open_link(browser, (await world.link(JANE))[0])
    page_of_john = await open_link(browser, (await world.link(JOHN))[0])
    answer = await send(browser, page_of_jane, GOOD_PASSWORD, form_token=form_token_of(page_of_john))
    assert answer.status_code == 403
    assert (world.password(JANE), world.password(JOHN)) == (OLD_PASSWORD, OLD_PASSWORD)


@pytest.mark.parametrize("form_token", ["", "x", "ü", "\udcff", "A" * 43])
async def test_a_guessed_form_token_sets_no_password(world: PagesWorld, form_token: str) -> None:
    browser = world.browser()
    page = await open_link(browser, (await world.link())[0])
    answer = await browser.post(
        page.request.url.path,
        content=urlencode({"password": GOOD_PASSWORD, "repeat": GOOD_PASSWORD})
        + "&form_token="
        + "".join(f"%{byte:02X}" for byte in form_token.encode(errors="surrogateescape")),
        headers={"origin": HERE, "content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 403
    assert world.password() == OLD_PASSWORD


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": OTHER_HERE},
        {"origin": "http://reset.example.org"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"referer": "https://evil.example/"},
        {},
    ],
)
async def test_a_form_sent_from_elsewhere_sets_no_password(world: PagesWorld, headers: dict[str, str]) -> None:
    browser = world.browser()
    page = await open_link(browser, (await world.link())[0])
    answer = await send(browser, page, GOOD_PASSWORD, headers=headers)
    assert answer.status_code == 403
    assert world.password() == OLD_PASSWORD


async def test_a_form_refused_as_foreign_leaves_the_link_good(world: PagesWorld) -> None:
    browser = world.browser()
    page = await open_link(browser, (await world.link())[0])
    await send(browser, page, GOOD_PASSWORD, headers={"origin": "https://evil.example"})
    assert (await send(browser, page, GOOD_PASSWORD)).status_code == 303


async def test_the_cookie_of_one_tab_opens_no_other(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    await open_link(browser, token)
    planted = world.browser()
    planted.cookies.set("__Host-pwreset-0123456789abcdef", token.reveal(), domain="reset.example.org")
    assert (await planted.get("/reset/0123456789abcdef")).status_code == 400


# --- another domain's host is worth nothing ----------------------------------------------------------------------


@pytest.mark.parametrize(("user", "host"), [(JANE, OTHER_HERE), (OTTO, HERE), (OTTO, "https://10.0.0.1")])
async def test_a_link_opened_under_another_domain_s_host_is_unknown(world: PagesWorld, user: User, host: str) -> None:
    page = await open_link(world.browser(host), (await world.link(user))[0])
    unknown = await open_link(world.browser(host), new_token())
    assert (page.status_code, page.content) == (404, unknown.content)


@pytest.mark.parametrize("end", ["used", "expired"])
async def test_nor_does_another_domain_s_host_tell_what_a_link_died_of(world: PagesWorld, end: str) -> None:
    token, _ = await world.link()
    if end == "used":
        browser = world.browser()
        await send(browser, await open_link(browser, token), GOOD_PASSWORD)
    else:
        world.clock.advance(timedelta(days=2))
    page, unknown = [await open_link(world.browser(OTHER_HERE), one) for one in (token, new_token())]
    assert (page.status_code, page.content) == (404, unknown.content)


@pytest.mark.parametrize(("user", "host"), [(JANE, OTHER_HERE), (OTTO, HERE)])
async def test_a_form_sent_to_another_domain_s_host_sets_no_password(world: PagesWorld, user: User, host: str) -> None:
    token, _ = await world.link(user)
    right = HERE if user is JANE else OTHER_HERE
    page = await open_link(world.browser(right), token)
    wrong = world.browser(host)
    await open_link(wrong, token)
    tab = page.request.url.path.rsplit("/", 1)[1]
    wrong.cookies.set(f"__Host-pwreset-{tab}", token.reveal())
    answer = await send(wrong, page, GOOD_PASSWORD, headers={"origin": right})
    assert answer.status_code == 404
    assert world.password(user) == OLD_PASSWORD


async def test_a_domain_s_own_host_serves_its_links(world: PagesWorld) -> None:
    browser = world.browser(OTHER_HERE)
    page = await open_link(browser, (await world.link(OTTO))[0])
    assert (await send(browser, page, GOOD_PASSWORD)).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"x-forwarded-host": "evil.example"},
        {"forwarded": "host=evil.example;proto=http"},
        {"x-original-url": "https://evil.example/"},
        {"x-forwarded-proto": "http"},
        {"x-forwarded-prefix": "/evil.example"},
    ],
)
async def test_a_planted_host_is_in_no_page_and_no_redirect(world: PagesWorld, headers: dict[str, str]) -> None:
    token, _ = await world.link()
    browser = world.browser(**headers)
    moved = await browser.get(f"/r/{token.reveal()}")
    page = await browser.get(moved.headers["location"])
    sent = await send(browser, page, GOOD_PASSWORD, headers={"origin": HERE})
    done = await browser.get(sent.headers["location"])
    assert moved.headers["location"].startswith("/reset/")
    assert sent.headers["location"].startswith("/done/")
    for answer in (moved, page, sent, done):
        assert "evil.example" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    "query", ["next=https://evil.example", "return_to=//evil.example", "redirect=%2f%2fevil.example"]
)
async def test_no_redirect_target_comes_from_the_request(world: PagesWorld, query: str) -> None:
    token, _ = await world.link()
    browser = world.browser()
    moved = await browser.get(f"/r/{token.reveal()}?{query}")
    page = await browser.get(f"{moved.headers['location']}?{query}")
    sent = await send(browser, page, GOOD_PASSWORD)
    assert "evil" not in moved.headers["location"] + sent.headers["location"] + page.text


@pytest.mark.parametrize("page", ["code", "factor"])
@pytest.mark.parametrize("tab", ["%2e%2e", "x%3Fnext=evil", "%0d%0aevil", "%5cevil.example", "x", "A" * 16, "a" * 17])
async def test_what_is_no_name_of_a_tab_is_in_no_redirect(world: PagesWorld, tab: str, page: str) -> None:
    answer = await world.browser().get(f"/reset/{tab}/{page}")
    assert (answer.status_code, answer.headers.get("location")) == (400, None)


# --- dead links tell no more than they may -----------------------------------------------------------------------


async def test_unknown_and_revoked_links_look_alike_to_the_byte(world: PagesWorld) -> None:
    revoked, request = await world.link()
    assert await world.store.revoke(request.id, world.clock.now(), "revoked-by-manager", [])
    unknown = new_token()
    shapes = []
    for token in (revoked, unknown):
        browser = world.browser()
        moved = await browser.get(f"/r/{token.reveal()}")
        page = await browser.get(moved.headers["location"])
        posted = await browser.post(
            moved.headers["location"],
            data={"form_token": "x", "password": GOOD_PASSWORD, "repeat": GOOD_PASSWORD},
            headers={"origin": HERE},
        )
        tab = moved.headers["location"].rsplit("/", 1)[1]
        headers = [(name, value.replace(tab, "TAB")) for name, value in page.headers.items()]
        shapes.append((page.status_code, page.content, headers, posted.status_code, posted.content))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    "typed", ["x", "a" * 42, "a" * 44, "a" * 42 + "%", "a/b", "%00", "a" * 42 + "%0a", "..%2f", "ü" * 43]
)
async def test_a_malformed_token_looks_like_an_unknown_one(world: PagesWorld, typed: str) -> None:
    unknown = await open_link(world.browser(), new_token())
    answer = await world.browser().get(f"/r/{typed}")
    assert (answer.status_code, answer.content) == (404, unknown.content)


async def test_a_row_written_by_somebody_else_is_no_link(world: PagesWorld) -> None:
    token, request = await world.link()
    forged = replace(request, id="forged", user_id=JOHN.id, digest=world.keys.digests(stolen := new_token())[0])
    await world.store.add(forged, [], [], supersede=False)
    assert (await open_link(world.browser(), stolen)).status_code == 404
    assert (await open_link(world.browser(), token)).status_code == 200


# --- cookies and headers -----------------------------------------------------------------------------------------


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_hosts(world: PagesWorld) -> None:
    token, _ = await world.link()
    moved = await world.browser().get(f"/r/{token.reveal()}")
    cookies = [cookie.split("; ") for cookie in moved.headers.get_list("set-cookie")]
    assert all(name.startswith("__Host-pwreset-") for name, *_ in cookies)
    held, other = ({part.lower() for part in rest} for _, *rest in cookies)
    assert held == {"httponly", "secure", "samesite=lax", "path=/", "max-age=900"}
    assert other == held - {"max-age=900"}
    assert [name for name, *_ in cookies if token.reveal() in name] == [cookies[0][0]]


async def test_success_and_dead_links_delete_the_token_s_cookie(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    page = await open_link(browser, token)
    sent = await send(browser, page, GOOD_PASSWORD)
    deleted = sent.headers.get_list("set-cookie")[0]
    assert "Max-Age=0" in deleted
    assert "Secure" in deleted
    assert not any(token.reveal() in (cookie.value or "") for cookie in browser.cookies.jar)
    again = await open_link(browser, token)
    assert (again.status_code, "Max-Age=0" in again.headers["set-cookie"]) == (410, True)
    assert not any(token.reveal() in (cookie.value or "") for cookie in browser.cookies.jar)


async def test_what_is_kept_after_success_is_no_secret(world: PagesWorld) -> None:
    browser = world.browser()
    token, _ = await world.link()
    sent = await send(browser, await open_link(browser, token), GOOD_PASSWORD)
    assert token.reveal() not in str(sent.headers)
    assert GOOD_PASSWORD not in str(sent.headers)


# Every address that people's pages have, and one that they have not.
EVERY_PAGE = [
    *(
        re.sub(r"\{[^}]+\}", "0123456789abcdef", route.path)
        for route in pages.routes(PagesWorld().services)
        if isinstance(route.endpoint, Door | pages.Files)
    ),
    "/nowhere",
]


@pytest.mark.parametrize("path", EVERY_PAGE)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_every_page_carries_the_guarding_headers(world: PagesWorld, path: str, method: str) -> None:
    headers = (await world.browser().request(method, path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == ("no-referrer" if path.startswith("/r/") else "same-origin")
    assert headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_a_file_asked_for_otherwise_than_by_get_gets_a_guarded_page(world: PagesWorld, method: str) -> None:
    answer = await world.browser().request(method, "/static/pages.css")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert (answer.headers["cache-control"], answer.headers["x-frame-options"]) == ("no-store", "DENY")


async def test_the_redirect_that_drops_the_token_leaks_it_nowhere(world: PagesWorld) -> None:
    token, _ = await world.link()
    moved = await world.browser().get(f"/r/{token.reveal()}")
    assert moved.headers["referrer-policy"] == "no-referrer"
    assert moved.headers["cache-control"] == "no-store"
    assert token.reveal() not in moved.headers["location"]


# --- secrets stay where they belong ------------------------------------------------------------------------------


async def test_the_token_is_in_no_body_and_no_header_but_its_cookie(world: PagesWorld) -> None:
    world = PagesWorld(settings_with(changes={"limits": {"page_requests_per_address_per_minute": 8}}))
    token, _ = await world.link()
    browser = world.browser()
    answers = [await browser.get(f"/r/{token.reveal()}{rest}") for rest in ("", "x", "/x", "?again=1")]
    page = await browser.get(answers[0].headers["location"])
    answers += [page, await send(browser, page, "short"), await send(browser, page, GOOD_PASSWORD)]
    answers += [await browser.get(f"/r/{token.reveal()}") for _ in range(2)]
    assert answers[-1].status_code == 429
    for answer in answers:
        headers = [value for name, value in answer.headers.multi_items() if name != "set-cookie"]
        assert token.reveal() not in answer.text + " ".join(headers)


async def test_tokens_and_passwords_are_in_no_log_line(world: PagesWorld, caplog: pytest.LogCaptureFixture) -> None:
    token, _ = await world.link()
    browser = world.browser()
    with capture_logs() as events, caplog.at_level(logging.DEBUG):
        page = await open_link(browser, token)
        await browser.get(f"/r/{token.reveal()}x")
        await send(browser, page, "hush hush")
        await send(browser, page, GOOD_PASSWORD, headers={"origin": "null"})
        for weather in (Weather.DOWN, Weather.NO_RIGHTS, Weather.FINE):
            world.weather(weather)
            await send(browser, page, GOOD_PASSWORD)
        broken, _ = await world.link(JOHN)
        page = await open_link(browser, broken)
        world.plant_bug(GOOD_PASSWORD)
        assert (await send(browser, page, GOOD_PASSWORD)).status_code == 500
    said = str(events) + "".join(record.getMessage() for record in caplog.records if record.name != "httpx2")
    assert events
    for secret in (token.reveal(), broken.reveal(), "hush hush", GOOD_PASSWORD):
        assert secret not in said


# --- data of the directory is data -------------------------------------------------------------------------------


async def test_a_name_in_the_directory_is_no_markup(world: PagesWorld) -> None:
    hostile = replace(JANE, name='<script>alert(1)</script>"onload=x', login="<b>'&\"{{7*7}}")
    world.directories["EXAMPLE"].add(hostile, OLD_PASSWORD)
    token, _ = await world.link(hostile)
    page = await open_link(world.browser(), token)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text
    assert "{{7*7}}" in page.text


# --- limits ------------------------------------------------------------------------------------------------------


async def test_a_body_without_end_is_cut(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1024

    answer = await browser.post(
        page.request.url.path,
        content=endless(),
        headers={"content-type": "application/x-www-form-urlencoded", "origin": HERE},
    )
    assert answer.status_code == 413


async def test_guessing_with_one_link_is_limited() -> None:
    world = PagesWorld(settings_with(changes={"limits": {"password_tries_per_link_per_hour": 2}}))
    token, request = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    statuses = [(await send(browser, page, "short")).status_code for _ in range(3)]
    assert statuses == [422, 422, 429]
    left = await world.store.get(request.id)
    assert left is not None
    assert left.state is RequestState.PENDING
