"""Attacks on the way from a link to a new password, from outside: rules 1, 3, 4, 7, 8, 17, 19, 20 and 23 of SECURITY.md.

Defences that were switched off by hand, one at a time, and which test turned red:

- reset/tokens.py, the digest is the token, or its bytes: test_nothing_that_the_store_holds_of_a_link_opens_it
- reset/redeem.py, who loses the claim goes on: test_of_many_submissions_at_once_one_sets_the_password
- reset/redeem.py, a used link is not told apart: test_a_link_that_was_used_sets_no_second_password_in_any_browser
- reset/redeem.py, each of these is not looked at: the time, revocation, the mark of the password, the account's state, its
  protection, the entry's id (found by name instead), its mail addresses, its numbers; and all of it when the form is sent:
  test_a_link_dies_of_it_and_sets_nothing, each for its own cause
- reset/redeem.py, a dead link is not revoked: test_a_link_that_died_while_the_form_was_open_stays_dead
- web/door.py, redirects name the asked host: test_an_absolute_request_target_is_in_no_redirect_and_no_page
- reset/redeem.py, the time is over a second late, or early: test_a_link_lives_for_its_hours_exact_to_the_second
- reset/redeem.py, nobody is told; reset/notices.py, the first address alone:
  test_whoever_set_the_password_the_person_is_told_at_every_mail_address
- reset/redeem.py, an unclear write is a success: test_a_write_that_was_cut_off_is_no_success; so is one that the
  directory did not take: test_a_directory_that_does_not_take_the_password_is_no_success
- web/pages.py, the success page asks for nothing: test_the_success_page_cannot_be_had_by_its_address
- reset/redeem.py, our rules are not asked: test_a_weak_password_is_refused_and_the_link_stays_good; reset/policy.py, nor
  is the normal form: the same, for wide letters
- web/forms.py, a password is cut after 256 characters: test_256_characters_are_set_whole_and_257_are_refused_and_not_cut;
  its blanks are trimmed, or it is normalised: test_a_password_reaches_the_directory_as_it_was_typed
- web/forms.py, fields without end, or one of them twice: test_a_form_of_many_fields_or_of_one_twice_is_none_of_ours
- reset/redeem.py, all links' tries are counted together: test_one_link_s_tries_do_not_shut_out_another_s
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import pytest

from pwreset.reset.model import AccountState, Channel, MessageName, Recipient, RequestState
from pwreset.reset.tokens import new_token
from tests.fakes.directory import Weather
from tests.fakes.pages import GOOD_PASSWORD, HERE, JANE, JOHN, OLD_PASSWORD, PagesWorld, settings_with
from tests.fakes.person import form_token_of, open_link, send, title_of
from tests.fakes.transport import FakeTransport
from tests.servers.https import https

MAIL = Recipient(Channel.MAIL, "jane.doe@example.org")
SMS = Recipient(Channel.SMS, "+33612345678")


@pytest.fixture
def world() -> PagesWorld:
    return PagesWorld()


# --- rule 1: what is stored opens nothing ------------------------------------------------------------------------


async def test_nothing_that_the_store_holds_of_a_link_opens_it(world: PagesWorld) -> None:
    _, request = await world.link()
    stored = [value for value in asdict(request).values() if isinstance(value, bytes) and value]
    assert request.digest in stored
    for value in stored:
        as_base64 = base64.urlsafe_b64encode(value).decode().rstrip("=")
        for typed in (as_base64, value.hex(), quote(value)):
            browser = world.browser()
            moved = await browser.get(f"/r/{typed}")
            page = await browser.get(moved.headers["location"]) if moved.status_code == 303 else moved
            assert page.status_code == 404


# --- rule 3: once ------------------------------------------------------------------------------------------------


async def test_of_many_submissions_at_once_one_sets_the_password(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    answers = await asyncio.gather(*(send(browser, page, f"{GOOD_PASSWORD} {number}") for number in range(5)))
    assert [answer.status_code for answer in answers].count(303) == 1
    assert len(world.directories["EXAMPLE"].tree.people[JANE.id].former) == 1


async def test_a_link_that_was_used_sets_no_second_password_in_any_browser(world: PagesWorld) -> None:
    token, _ = await world.link()
    first, second = world.browser(), world.browser()
    pages = [await open_link(first, token), await open_link(second, token)]
    await send(first, pages[0], GOOD_PASSWORD)
    assert (await send(second, pages[1], GOOD_PASSWORD + " too")).status_code == 410
    assert world.password() == GOOD_PASSWORD


# --- rule 4: it dies ---------------------------------------------------------------------------------------------


def protect(world: PagesWorld) -> None:
    world.directories["EXAMPLE"]._settings = msgspec.structs.replace(
        world.settings.domains["EXAMPLE"], protected=(JANE.dn,)
    )


def replace_by_a_namesake(world: PagesWorld) -> None:
    directory = world.directories["EXAMPLE"]
    directory.remove(JANE.id)
    directory.add(replace(JANE, id="6a1c7a3e-0009"), OLD_PASSWORD)


async def revoke(world: PagesWorld) -> None:
    for request in list(world.store.requests):
        await world.store.revoke(request, world.clock.now(), "revoked-by-manager", [])


async def supersede(world: PagesWorld) -> None:
    token = new_token()
    newer = replace(next(iter(world.store.requests.values())), id="newer", digest=world.keys.digests(token)[0])
    await world.store.add(world.keys.bind(newer), [], [], supersede=True)


DEATHS: dict[str, Callable[[PagesWorld], object]] = {
    "its-time-is-over": lambda world: world.clock.advance(timedelta(hours=24)),
    "revoked": revoke,
    "replaced-by-a-newer-one": supersede,
    "password-changed-elsewhere": lambda world: world.directories["EXAMPLE"].change(
        JANE.id, password_mark="20261124090001Z"
    ),
    "disabled": lambda world: world.directories["EXAMPLE"].change(JANE.id, state=AccountState.DISABLED),
    "protected": protect,
    "gone": lambda world: world.directories["EXAMPLE"].remove(JANE.id),
    "another-person-of-that-name": replace_by_a_namesake,
    "its-address-left": lambda world: world.directories["EXAMPLE"].change(JANE.id, mails=("other@example.org",)),
    "its-number-left": lambda world: world.directories["EXAMPLE"].change(JANE.id, mobiles=()),
}


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("when", ["before-it-is-opened", "while-the-form-is-open"])
async def test_a_link_dies_of_it_and_sets_nothing(world: PagesWorld, death: str, when: str) -> None:
    token, _ = await world.link(sent_to=(MAIL, SMS))
    browser = world.browser()
    opened = await open_link(browser, token) if when == "while-the-form-is-open" else None
    if asyncio.iscoroutine(happening := DEATHS[death](world)):
        await happening
    answer = await open_link(browser, token) if opened is None else await send(browser, opened, GOOD_PASSWORD)
    people = world.directories["EXAMPLE"].tree.people.values()
    assert answer.status_code == (410 if death == "its-time-is-over" else 404)
    assert [person.password for person in people if person.password != OLD_PASSWORD] == []


async def test_a_link_that_died_while_the_form_was_open_stays_dead(world: PagesWorld) -> None:
    token, request = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    world.directories["EXAMPLE"].change(JANE.id, state=AccountState.DISABLED)
    await send(browser, page, GOOD_PASSWORD)
    world.directories["EXAMPLE"].change(JANE.id, state=AccountState.ACTIVE)
    assert (await open_link(world.browser(), token)).status_code == 404
    kept = await world.store.get(request.id)
    assert kept is not None
    assert kept.state is RequestState.REVOKED


# --- rule 7: no host from the request ----------------------------------------------------------------------------


async def test_an_absolute_request_target_is_in_no_redirect_and_no_page(tmp_path: Path) -> None:
    worlds: list[PagesWorld] = []

    def app(address: str) -> object:
        worlds.append(PagesWorld(settings_with(address)))
        return worlds[0].app

    with https(app, tmp_path) as address:  # type: ignore[arg-type]
        token, _ = await worlds[0].link()
        answer = await ask_raw(
            urlsplit(address).port or 0,
            f"GET https://evil.example/r/{token.reveal()} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        )
    assert "location: /reset/" in answer
    assert "evil" not in answer


async def ask_raw(port: int, request: str) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(request.encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer


# --- rule 8: to the second ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [1, 24, 720])
@pytest.mark.parametrize("act", ["open", "send"])
async def test_a_link_lives_for_its_hours_exact_to_the_second(world: PagesWorld, hours: int, act: str) -> None:
    token, _ = await world.link(hours=hours)
    browser = world.browser()
    page = await open_link(browser, token)
    world.clock.advance(timedelta(hours=hours) - timedelta(seconds=1))
    refused_by_us = await open_link(browser, token) if act == "open" else await send(browser, page, "short")
    assert refused_by_us.status_code == (200 if act == "open" else 422)
    world.clock.advance(timedelta(seconds=1))
    dead = await open_link(browser, token) if act == "open" else await send(browser, page, GOOD_PASSWORD)
    assert dead.status_code == 410
    assert world.password() == OLD_PASSWORD


# --- rule 17: the person is told ---------------------------------------------------------------------------------


async def test_whoever_set_the_password_the_person_is_told_at_every_mail_address(world: PagesWorld) -> None:
    world.transports[Channel.MAIL] = FakeTransport()
    mails = ("jane.doe@example.org", "jane@home.example")
    world.directories["EXAMPLE"].change(JANE.id, mails=mails)
    token, _ = await world.link()
    browser = world.browser()
    await send(browser, await open_link(browser, token), GOOD_PASSWORD)
    notices = [one for one in world.store.messages.values() if one.message is MessageName.PASSWORD_CHANGED]
    assert sorted(one.recipient.address for one in notices if one.recipient.channel is Channel.MAIL) == sorted(mails)


# --- rule 19: no false success -----------------------------------------------------------------------------------


async def test_a_write_that_was_cut_off_is_no_success(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    world.weather(Weather.CUT_BEFORE_WRITING)
    answer = await send(browser, page, GOOD_PASSWORD)
    assert (answer.status_code, title_of(answer)) == (503, "Please check which password works · Example Corp")
    tab = page.request.url.path.rsplit("/", 1)[1]
    assert (await browser.get(f"/done/{tab}")).status_code != 200


@pytest.mark.parametrize("weather", [Weather.DOWN, Weather.NO_RIGHTS])
@pytest.mark.parametrize("since", ["before", "the-write"])
async def test_a_directory_that_does_not_take_the_password_is_no_success(
    world: PagesWorld, weather: Weather, since: str
) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    if since == "before":
        world.weather(weather)
    else:
        world.directories["EXAMPLE"].at_the_write = weather
    assert (await send(browser, page, GOOD_PASSWORD)).status_code == 503
    assert world.password() == OLD_PASSWORD


async def test_the_success_page_cannot_be_had_by_its_address(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    tab = page.request.url.path.rsplit("/", 1)[1]
    assert (await browser.get(f"/done/{tab}")).status_code == 400


# --- rule 20: passwords ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password", ["x" * 14, "password12345678", "jane doe jane doe", "Ｊａｎｅ　Ｄｏｅ　ｈａｓ　ａ　ｄｏｇ"],
    ids=["14-characters", "common", "own-name", "own-name-in-wide-letters"],
)  # fmt: skip
async def test_a_weak_password_is_refused_and_the_link_stays_good(world: PagesWorld, password: str) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    assert (await send(browser, page, password)).status_code == 422
    assert world.password() == OLD_PASSWORD
    assert (await send(browser, page, GOOD_PASSWORD)).status_code == 303


async def test_256_characters_are_set_whole_and_257_are_refused_and_not_cut(world: PagesWorld) -> None:
    longest = (GOOD_PASSWORD + " ") * 6 + "and ends here"
    longest += "!" * (256 - len(longest))
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    assert (await send(browser, page, longest + "?")).status_code == 422
    assert world.password() == OLD_PASSWORD
    await send(browser, page, longest)
    assert world.password() == longest


@pytest.mark.parametrize("typed", ["  blanks round a long password  ", "e\u0301 combined and ﬁ ligated, long"])
async def test_a_password_reaches_the_directory_as_it_was_typed(world: PagesWorld, typed: str) -> None:
    token, _ = await world.link()
    browser = world.browser()
    await send(browser, await open_link(browser, token), typed)
    assert world.password() == typed


# --- rule 23: bounded --------------------------------------------------------------------------------------------


async def test_a_form_of_many_fields_or_of_one_twice_is_none_of_ours(world: PagesWorld) -> None:
    token, _ = await world.link()
    browser = world.browser()
    page = await open_link(browser, token)
    fields = [("form_token", form_token_of(page)), ("password", GOOD_PASSWORD), ("repeat", GOOD_PASSWORD)]
    for more in ([(str(number), "") for number in range(10)], [("password", OLD_PASSWORD + "!")]):
        answer = await browser.post(
            page.request.url.path,
            content=urlencode([*fields, *more]),
            headers={"origin": HERE, "content-type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == 403
    assert world.password() == OLD_PASSWORD


async def test_one_link_s_tries_do_not_shut_out_another_s() -> None:
    world = PagesWorld(settings_with(changes={"limits": {"password_tries_per_link_per_hour": 1}}))
    (jane, _), (john, _) = await world.link(JANE), await world.link(JOHN)
    stranger, browser = world.browser(), world.browser()
    page = await open_link(stranger, jane)
    assert [(await send(stranger, page, "short")).status_code for _ in range(2)] == [422, 429]
    assert (await send(browser, await open_link(browser, john), GOOD_PASSWORD)).status_code == 303
