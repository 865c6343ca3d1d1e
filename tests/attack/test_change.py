"""Attacks on the page for a change from outside.

Each defence below was switched off by hand, and the tests behind it were seen to fail:

reset/change.py, the names' counters are not looked at ............ test_three_guesses_and_no_more_...
reset/change.py, the entry's counters are not looked at ........... test_another_name_of_the_same_person_...
reset/change.py, failures are not counted for the network ......... test_one_network_can_try_only_so_many_...
web/security.py, IPv6 is counted by /64 alone ..................... test_one_site_s_many_networks_...
reset/limits.py, `change-name` is counted in each node by itself .. test_three_guesses_and_no_more_...[two nodes]
reset/change.py, `user.protected` is not asked .................... test_a_protected_person_s_password_...
reset/change.py, _bind_nobody does nothing ........................ test_a_name_that_is_not_tried_costs_a_log_in_...
reset/change.py, the empty password is not refused first .......... test_an_empty_password_is_never_taken_for_right
reset/change.py, our rules are told before the log-in ............. test_what_is_wrong_with_a_new_password_is_told_to_...
reset/change.py, no waiting before a refusal is answered .......... test_no_refusal_is_answered_before_its_time
reset/change.py, the audit trail notes the name as typed .......... test_what_was_typed_is_in_no_log_...
web/change.py, came_from is not asked ............................. test_a_form_from_elsewhere_changes_nothing
web/change.py, the chosen domain is not held against the host ..... test_a_domain_that_is_not_served_here_...
web/change.py, show_done does not look at the cookie .............. test_nobody_is_told_of_a_success_...
web/templates/change.html, `username` marked safe ................. test_a_hostile_name_is_data
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from typing import Any

import httpx2
import msgspec
import pytest
from starlette.routing import Router
from structlog.testing import capture_logs

from pwreset.reset.limits import MemoryCounters, SharedCounters
from pwreset.reset.managers import LogIns
from pwreset.reset.model import AccountState, RequestState
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.web import pages
from tests.fakes.directory import FakeDirectory, Weather
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

AT_ONCE = {"limits": {"failed_change_seconds": 0.0}, "password": {"suggest": False}}


@pytest.fixture
def world() -> PagesWorld:
    return PagesWorld(settings_with(changes=AT_ONCE))


async def send(
    browser: httpx2.AsyncClient,
    username: str = "jdoe",
    present: str = OLD_PASSWORD,
    password: str = GOOD_PASSWORD,
    *,
    headers: Mapping[str, str] | None = None,
    **more: str,
) -> httpx2.Response:
    """Send the form as a browser does that has shown it."""
    fields = {"username": username, "present": present, "password": password, "repeat": password, **more}
    sent = {"origin": str(browser.base_url).rstrip("/")} if headers is None else dict(headers)
    return await browser.post("/change", data=fields, headers=sent)


def failures(world: PagesWorld, user: Any = JANE) -> int:
    """How many failed log-ins the directory itself has counted."""
    return world.directories[user.domain].tree.people[user.id].failures


def look(answer: httpx2.Response, username: str) -> tuple[int, str, list[tuple[str, str]]]:
    """All that a stranger sees of an answer, but for the name that he has typed himself."""
    lengthless = [(name, value) for name, value in answer.headers.multi_items() if name != "content-length"]
    return answer.status_code, answer.text.replace(f'value="{username}"', 'value="NAME"'), lengthless


# --- guessing ----------------------------------------------------------------------------------------------------


@dataclass
class Nodes:
    """Two nodes on one store and one directory, which share what production shares."""

    world: PagesWorld
    browsers: list[httpx2.AsyncClient] = field(default_factory=list)

    def __post_init__(self) -> None:
        shared = MemoryCounters()
        for _ in range(2):
            services = replace(self.world.services, counters=SharedCounters(shared), log_ins=LogIns())
            app = Router([*pages.routes(services)])
            transport = httpx2.ASGITransport(app, client=("192.0.2.7", 40000))
            self.browsers.append(httpx2.AsyncClient(transport=transport, base_url=HERE))


@pytest.mark.parametrize("nodes", [1, 2], ids=["one node", "two nodes"])
async def test_three_guesses_and_no_more_reach_the_directory(world: PagesWorld, nodes: int) -> None:
    browsers = Nodes(world).browsers if nodes > 1 else [world.browser()] * 2
    answers = [await send(browsers[number % 2], present=f"guess {number}") for number in range(8)]
    assert [answer.status_code for answer in answers] == [422] * 3 + [429] * 5
    assert failures(world) == 3
    assert (await send(browsers[0])).status_code == 429
    assert world.password() == OLD_PASSWORD


async def test_a_burst_of_guesses_slips_past_no_limit(world: PagesWorld) -> None:
    browser = world.browser()
    await asyncio.gather(*(send(browser, present=f"guess {number}") for number in range(20)))
    assert failures(world) == 3


async def test_slow_guessing_ends_after_four_a_day(world: PagesWorld) -> None:
    for number in range(10):
        await send(world.browser(), present=f"guess {number}")
        world.clock.advance(timedelta(minutes=20))
    assert failures(world) == 4


async def test_another_name_of_the_same_person_gives_no_more_guesses(world: PagesWorld) -> None:
    directory = FakeDirectory(
        "EXAMPLE",
        msgspec.structs.replace(world.settings.domains["EXAMPLE"], login_attributes=("uid", "mail")),
        world.directories["EXAMPLE"].tree,
    )
    services = replace(world.services, directories={**world.directories, "EXAMPLE": directory})
    transport = httpx2.ASGITransport(Router([*pages.routes(services)]), client=("192.0.2.7", 40000))
    browser = httpx2.AsyncClient(transport=transport, base_url=HERE, headers={"accept-language": "en"})
    mail = "jane.doe@example.org"
    wrong = [await send(browser, "jdoe", f"guess {number}") for number in range(3)]
    right = await send(browser, mail)
    assert look(right, mail) == look(wrong[0], "jdoe")
    assert (failures(world), world.password()) == (3, OLD_PASSWORD)


async def test_one_network_can_try_only_so_many_names(world: PagesWorld) -> None:
    for number in range(60):
        browser = world.browser(address=f"198.51.100.{number + 1}")
        assert (await send(browser, f"somebody{number}")).status_code == 422
    assert (await send(world.browser(address="198.51.100.200"))).status_code == 429
    assert (await send(world.browser(address="203.0.113.1"))).status_code == 303


async def test_one_site_s_many_networks_can_try_no_more_than_ten_of_them() -> None:
    limits = {"failed_change_seconds": 0.0, "failed_changes_per_network_per_hour": 6}
    world = PagesWorld(settings_with(changes={**AT_ONCE, "limits": limits}))
    for number in range(60):
        browser = world.browser(address=f"2001:db8:7:{number:x}::1")
        assert (await send(browser, f"somebody{number}")).status_code == 422
    assert (await send(world.browser(address="2001:db8:7:ffff::1"))).status_code == 429
    assert (await send(world.browser(address="2001:db8:8::1"))).status_code == 303


async def test_a_flood_of_strangers_locks_nobody_out_of_the_directory_and_ends_no_link(world: PagesWorld) -> None:
    _, request = await world.link()
    for number in range(50):
        await send(world.browser(address=f"203.0.{number}.1"), present=f"guess {number}")
    assert (await world.directories["EXAMPLE"].find("jdoe")).state is AccountState.ACTIVE
    kept = await world.store.get(request.id)
    assert kept is not None
    assert kept.state is RequestState.PENDING


async def test_a_protected_person_s_password_is_never_tried(world: PagesWorld) -> None:
    world.protect(JANE)
    wrong = await send(world.browser(), present="wrong")
    right = await send(world.browser())
    assert look(right, "jdoe") == look(wrong, "jdoe")
    assert (failures(world), world.password()) == (0, OLD_PASSWORD)


# --- who has an account ------------------------------------------------------------------------------------------


async def test_unknown_wrong_protected_disabled_and_locked_look_alike_to_the_byte(world: PagesWorld) -> None:
    tree = world.directories["EXAMPLE"]
    looks = [look(await send(world.browser(), "nobody"), "nobody")]
    looks.append(look(await send(world.browser(), present="wrong"), "jdoe"))
    looks.append(look(await send(world.browser(), present=""), "jdoe"))
    looks.append(look(await send(world.browser(), "nobody", present=""), "nobody"))
    for state in (AccountState.DISABLED, AccountState.LOCKED):
        tree.change(JOHN.id, state=state)
        looks.append(look(await send(world.browser(), "jroe"), "jroe"))
    tree.change(JOHN.id, state=AccountState.ACTIVE)
    world.protect(JOHN)
    world.clock.advance(timedelta(days=2))
    looks.append(look(await send(world.browser(), "jroe"), "jroe"))
    assert all(one == looks[0] for one in looks)


async def test_known_and_unknown_names_are_limited_alike(world: PagesWorld) -> None:
    looks = []
    for name in ("jdoe", "nobody"):
        answers = [await send(world.browser(), name, "wrong") for _ in range(4)]
        looks.append([look(answer, name) for answer in answers])
    assert looks[0] == looks[1]
    assert looks[0][3][0] == 429


async def test_what_is_wrong_with_a_new_password_is_told_to_nobody_but_the_person(world: PagesWorld) -> None:
    looks = [look(await send(world.browser(), name, "wrong", "Jane"), name) for name in ("jdoe", "nobody")]
    assert looks[0] == looks[1]
    assert "too short" not in looks[0][1]
    assert "too short" in (await send(world.browser(), password="Jane")).text


class CountingDirectory(FakeDirectory):
    """Notes whose log-in was tried."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.tried: list[str] = []

    async def bind(self, dn: str, password: Secret) -> BindOutcome:
        self.tried.append(dn)
        return await super().bind(dn, password)


@pytest.mark.parametrize("username", ["jdoe", "nobody", "jroe", "*", ""])
async def test_a_name_that_is_not_tried_costs_a_log_in_like_one_that_is(world: PagesWorld, username: str) -> None:
    world.directories["EXAMPLE"].change(JOHN.id, state=AccountState.DISABLED)
    directory = CountingDirectory("EXAMPLE", world.settings.domains["EXAMPLE"], world.directories["EXAMPLE"].tree)
    services = replace(world.services, directories={**world.directories, "EXAMPLE": directory})
    transport = httpx2.ASGITransport(Router([*pages.routes(services)]), client=("192.0.2.7", 40000))
    await send(httpx2.AsyncClient(transport=transport, base_url=HERE), username, "wrong")
    assert len(directory.tried) == 1
    assert (directory.tried[0] == JANE.dn) is (username == "jdoe")


@pytest.mark.parametrize(("username", "present"), [("nobody", "wrong"), ("jdoe", "wrong"), ("jdoe", "")])
async def test_no_refusal_is_answered_before_its_time(username: str, present: str) -> None:
    world = PagesWorld(settings_with(changes={"limits": {"failed_change_seconds": 0.3}}))
    began = monotonic()
    # The world's clock stands still, so that all of the time is waited for.
    assert (await send(world.browser(), username, present)).status_code == 422
    assert monotonic() - began >= 0.3


# --- the form ----------------------------------------------------------------------------------------------------


class NaiveDirectory(FakeDirectory):
    """Takes an empty password for right, as a server does to whom an anonymous bind is a success."""

    async def bind(self, dn: str, password: Secret) -> BindOutcome:
        return await super().bind(dn, password) if password else BindOutcome.RIGHT

    async def change_own_password(self, user: Any, old: Secret, new: Secret) -> None:  # noqa: ARG002
        self.change_password(user.id, new.reveal())


async def test_an_empty_password_is_never_taken_for_right(world: PagesWorld) -> None:
    directory = NaiveDirectory("EXAMPLE", world.settings.domains["EXAMPLE"], world.directories["EXAMPLE"].tree)
    services = replace(world.services, directories={**world.directories, "EXAMPLE": directory})
    transport = httpx2.ASGITransport(Router([*pages.routes(services)]), client=("192.0.2.7", 40000))
    answer = await send(httpx2.AsyncClient(transport=transport, base_url=HERE), present="")
    assert (answer.status_code, world.password()) == (422, OLD_PASSWORD)


@pytest.mark.parametrize(
    "username",
    [
        "*",
        "j*",
        ")(uid=*",
        "*)(objectClass=*",
        "\\2a",
        "a\0b",
        "x" * 5000,
        '"><script>alert(1)</script>',
        "' or 1=1 --",
    ],
    ids=lambda name: ascii(name)[:20],
)
async def test_a_hostile_name_is_data(world: PagesWorld, username: str) -> None:
    answer = await send(world.browser(), username)
    assert answer.status_code == 422
    assert "<script>" not in answer.text
    assert world.password() == OLD_PASSWORD


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": OTHER_HERE},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"referer": "https://evil.example/change"},
        {},
    ],
    ids=str,
)
async def test_a_form_from_elsewhere_changes_nothing(world: PagesWorld, headers: dict[str, str]) -> None:
    answer = await send(world.browser(), headers=headers)
    assert answer.status_code == 403
    assert (world.password(), failures(world)) == (OLD_PASSWORD, 0)


async def test_a_form_of_another_kind_changes_nothing(world: PagesWorld) -> None:
    body = {"username": "jdoe", "present": OLD_PASSWORD, "password": GOOD_PASSWORD, "repeat": GOOD_PASSWORD}
    answer = await world.browser().post("/change", json=body, headers={"origin": HERE})
    assert (answer.status_code, world.password()) == (403, OLD_PASSWORD)


async def test_a_field_sent_twice_and_a_form_too_large_change_nothing(world: PagesWorld) -> None:
    headers = {"origin": HERE, "content-type": "application/x-www-form-urlencoded"}
    twice = f"username=jdoe&username=jroe&present={OLD_PASSWORD}&password={GOOD_PASSWORD}&repeat={GOOD_PASSWORD}"
    assert (await world.browser().post("/change", content=twice, headers=headers)).status_code == 403
    assert (await send(world.browser(), password="x" * 20_000)).status_code == 413
    assert world.password() == OLD_PASSWORD


async def test_a_domain_that_is_not_served_here_changes_nothing(world: PagesWorld) -> None:
    for domain in ("OTHER", "NOWHERE", "../EXAMPLE"):
        assert (await send(world.browser(), "otto", domain=domain)).status_code == 403
    assert world.password(OTTO) == OLD_PASSWORD


async def test_where_no_domain_has_it_on_there_is_no_such_page(world: PagesWorld) -> None:
    browser = world.browser(OTHER_HERE)
    nowhere = await browser.get("/nowhere")
    for answer in (
        await browser.get("/change"),
        await send(browser, "otto"),
        await browser.get("/.well-known/change-password"),
    ):
        assert (answer.status_code, answer.content) == (404, nowhere.content)
    assert world.password(OTTO) == OLD_PASSWORD


async def test_getting_the_page_asks_no_directory_and_changes_nothing(world: PagesWorld) -> None:
    world.weather(Weather.DOWN)
    for method in ("GET", "HEAD"):
        answer = await world.browser().request(method, f"/change?username=jdoe&present={OLD_PASSWORD}&password=x")
        assert answer.status_code == 200
        assert OLD_PASSWORD not in answer.text
    assert await world.store.audit(0, 10) == ()


async def test_no_redirect_target_comes_from_the_request(world: PagesWorld) -> None:
    browser = world.browser()
    led = await browser.get("/.well-known/change-password?next=https://evil.example", headers={"host": "evil.example"})
    assert (led.status_code, led.headers["location"]) == (303, "/change")
    sent = await send(browser)
    assert sent.headers["location"].startswith("/change/done/")


async def test_where_only_links_are_asked_for_password_managers_are_led_there() -> None:
    settings = settings_with()
    only_public = msgspec.structs.replace(settings.domains["EXAMPLE"], change_page=False, public=True)
    world = PagesWorld(msgspec.structs.replace(settings, domains={**settings.domains, "EXAMPLE": only_public}))
    led = await world.browser().get("/.well-known/change-password")
    assert (led.status_code, led.headers["location"]) == (303, "/forgot")
    assert (await world.browser().get("/change")).status_code == 404


async def test_an_unknown_well_known_address_is_not_there(world: PagesWorld) -> None:
    probe = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
    assert (await world.browser().get(probe)).status_code == 404


# --- afterwards --------------------------------------------------------------------------------------------------


async def test_nobody_is_told_of_a_success_that_the_browser_does_not_vouch_for(world: PagesWorld) -> None:
    for path in ("/change/done/x", "/change/done/0123456789abcdef"):
        answer = await world.browser().get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/change")


async def test_nobody_is_logged_in_and_nothing_secret_is_kept(world: PagesWorld) -> None:
    browser = world.browser()
    sent = await send(browser)
    done = await browser.get(sent.headers["location"])
    assert "Your password has been changed" in done.text
    [cookie] = browser.cookies.jar
    assert cookie.name.startswith("__Host-pwreset-done-")
    assert bytes.fromhex(cookie.value or "").decode() == "EXAMPLE"
    for secret in (GOOD_PASSWORD, OLD_PASSWORD, "jdoe"):
        assert secret not in str(sent.headers) + sent.text + done.text


async def test_what_was_typed_is_in_no_log_no_page_and_no_audit_trail(
    world: PagesWorld, caplog: pytest.LogCaptureFixture
) -> None:
    browser = world.browser()
    typed = "a password in the wrong field"
    with capture_logs() as events, caplog.at_level(logging.DEBUG):
        answers = [
            await send(browser, typed, "an old one"),
            await send(browser, present="an old one", password="a new one"),
            await send(browser, password="a new one"),
            await send(browser, headers={"origin": "null"}),
        ]
        for weather in (Weather.DOWN, Weather.NO_RIGHTS, Weather.CUT_BEFORE_WRITING, Weather.FINE):
            world.weather(weather)
            answers.append(await send(browser))
        world.plant_bug(GOOD_PASSWORD)
        answers.append(await send(browser, "jroe"))
    assert [answer.status_code for answer in answers] == [422, 422, 422, 403, 503, 503, 503, 409, 500]
    said = str(events) + "".join(record.getMessage() for record in caplog.records if record.name != "httpx2")
    said += str(await world.store.audit(0, 100)) + str(list(world.store.requests.values()))
    shown = "".join(answer.text + str(answer.headers) for answer in answers)
    for secret in ("an old one", "a new one", OLD_PASSWORD, GOOD_PASSWORD):
        assert secret not in said + shown
    assert typed not in said


async def test_the_audit_trail_tells_whose_password_was_changed_and_from_where(world: PagesWorld) -> None:
    await send(world.browser())
    [event] = [one for one in await world.store.audit(0, 10) if one.name == "password.changed"]
    assert (event.user, event.address, event.domain) == ("jdoe", "192.0.2.7", "EXAMPLE")
