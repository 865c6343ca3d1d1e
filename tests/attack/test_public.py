"""Attacks on the public page, from outside.

Each defence was switched off once, by hand, and turned red what stands behind it:

    reset/send.py  refuse_if_not_resettable: no `if user.protected`           test_nobody_who_may_not_have_a_link_gets_one
    web/forgot.py  `take`: the ask looked at in the request, no background    test_the_answer_is_complete_before_the_directory_is_asked
    web/forgot.py  `_answer`: queued at once, as a task beside the answer     test_nothing_is_even_queued_until_the_last_byte_is_sent
    web/forgot.py  `_answer`: a header more where the name is unknown         test_every_answer_is_the_same_to_the_byte
    web/forgot.py  `_refuse_foreign` returns at once                          test_a_form_sent_from_elsewhere_asks_for_nothing
    web/forgot.py  a redirect to a field of the form                          test_no_redirect_leads_where_the_form_says
    web/proof_of_work.py  no `counters.take` of the nonce                     test_a_solution_counts_once
    web/proof_of_work.py  no look at `until`                                  test_an_expired_challenge_is_refused
    web/proof_of_work.py  no `any(result.verified ...)`                       test_a_forged_challenge_is_refused
    web/forgot.py  `_form`: name="" where the captcha failed                  test_what_was_typed_is_still_there
    web/door.py    no `here` in `_answer`                                     test_where_it_is_off_there_is_no_such_page
    reset/asked.py `supersede=True`                                           test_a_flood_ends_no_link_and_locks_nobody
    reset/asked.py no `public-name` counter                                   test_a_flood_for_one_name_is_looked_up_a_few_times_only
    reset/asked.py another address in the link than `base_url`                test_no_header_makes_the_link
    web/forgot.py  `renew`: no `is_renewal_token`                             test_a_guessed_renewal_sends_nothing
    directory/entries.py  by_login without `escape_filter_chars`              test_a_typed_name_is_data_for_a_real_directory
    web/forgot.py  the address itself in the place of its wide network        test_neighbours_in_a_network_are_counted_together
    reset/asked.py no look at `is_manager`                                    test_nobody_who_may_not_have_a_link_gets_one
    reset/asked.py the trail notes the name as typed                          test_a_typed_name_that_is_nobody_s_is_kept_nowhere,
                                                                              test_a_password_that_was_typed_for_a_name_is_in_no_file_...
    reset/asked.py, web/forgot.py  a counter's key has the name as typed      test_a_typed_name_that_is_nobody_s_is_kept_nowhere
    reset/asked.py the trail notes nobody's name, or the one that was typed   test_whoever_is_found_and_refused_is_named_in_the_trail_...
    web/security.py  IPv6 counted by /64 alone                                test_the_many_networks_of_one_site_are_counted_together
    web/security.py  IPv6 counted by /48 alone, or by it with one limit       test_one_connection_leaves_its_site_the_rest_...
    reset/queue.py no share of a network                                      test_one_network_takes_nobody_s_place_in_the_queue
    reset/asked.py each refusal is told; reset/queue.py at once               test_a_flood_of_refused_asks_is_no_flood_of_events
    reset/queue.py counted over an `await`, so that some are lost             test_a_flood_of_refused_asks_is_no_flood_of_events
    reset/asked.py a minute between asks by name alone, not by person         test_all_names_of_one_person_are_one_within_a_minute
    reset/asked.py no second look for log-in names alone                      test_nobody_takes_another_s_log_in_name_...
    reset/asked.py no look at the country of a renewed link's number          test_a_renewal_sends_no_sms_to_a_country_...
    web/forgot.py  `renew`: any text is looked up as an id                    test_bytes_that_are_no_id_of_a_link_are_unknown_...
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import altcha
import httpx2
import msgspec
import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from pwreset.reset.model import AccountState, Channel, Recipient, RequestState
from pwreset.reset.tokens import new_key
from pwreset.reset.worker import start_due_deliveries
from tests.fakes.directory import Weather
from tests.fakes.pages import HERE, JANE, OTHER_HERE, PagesWorld, UnhurriedCounters
from tests.fakes.public import ask, challenge_in, looked_at, public_world, solved
from tests.fakes.transport import FakeTransport
from tests.servers.proxy import Proxy
from tests.servers.service import Service, running
from tests.servers.settings import lab_settings
from tests.servers.slapd import LabSlapd
from tests.servers.smtp import SmtpServer

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def world() -> PagesWorld:
    return public_world()


def shape(answer: httpx2.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All that an answer says."""
    return answer.status_code, answer.headers.multi_items(), answer.content


# --- always the same answer --------------------------------------------------------------------------------------


async def test_every_answer_is_the_same_to_the_byte(world: PagesWorld) -> None:
    browser = world.browser()
    world.directories["EXAMPLE"].change(JANE.id, mails=())
    world.directories["EXAMPLE"].change("6a1c7a3e-0002", state=AccountState.DISABLED)
    answers = [await ask(browser, name) for name in ("jdoe", "jroe", "nobody", "*", "x" * 256, "jdoe", "jdoe")]
    world.weather(Weather.DOWN)
    answers += [await ask(browser, name) for name in ("jdoe", "nobody")]
    await looked_at(world)
    answers += [await ask(browser, name) for name in ("jdoe", "nobody")]
    assert {shape(answer)[0] for answer in answers} == {303}
    assert len({str(shape(answer)) for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)


async def test_the_page_behind_the_answer_is_the_same(world: PagesWorld) -> None:
    pages = []
    for name in ("jdoe", "nobody"):
        browser = world.browser()
        pages.append(await browser.get((await ask(browser, name)).headers["location"]))
    assert shape(pages[0]) == shape(pages[1])
    assert "nobody" not in pages[1].text


async def test_nothing_is_looked_at_before_the_answer(world: PagesWorld) -> None:
    await ask(world.browser(), "nobody")
    assert world.store.events == []
    assert world.services.asks.waiting == 1
    assert await looked_at(world) == ["user-unknown"]


async def test_a_full_queue_gives_the_same_answer() -> None:
    world = public_world({"queue": 1})
    browser = world.browser()
    answers = [await ask(browser, f"nobody{number}") for number in range(3)]
    assert world.services.asks.dropped == 2
    assert len({str(shape(answer)) for answer in answers}) == 1


async def test_reaching_a_limit_gives_the_same_answer() -> None:
    world = public_world({"asks_per_network_per_hour": 1})
    browser = world.browser()
    answers = []
    for number in range(2):
        answers.append(await ask(browser, f"nobody{number}"))
        await looked_at(world)
    assert await looked_at(world) == ["user-unknown", "too-many-from-network"]
    assert shape(answers[0]) == shape(answers[1])


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"protected": (JANE.dn,)}, AccountState.ACTIVE, "user-protected"),
        ({"managers": (JANE.dn,), "protect_managers": False}, AccountState.ACTIVE, "user-protected"),
        ({}, AccountState.DISABLED, "user-disabled"),
        ({"unlock": False}, AccountState.LOCKED, "user-locked"),
    ],
)
async def test_nobody_who_may_not_have_a_link_gets_one(
    changes: dict[str, Any], state: AccountState, reason: str
) -> None:
    world = public_world(**changes)
    world.directories["EXAMPLE"].change(JANE.id, state=state)
    answers = [await ask(world.browser(), name) for name in ("jdoe", "nobody")]
    assert shape(answers[0]) == shape(answers[1])
    assert sorted(await looked_at(world)) == sorted([reason, "user-unknown"])
    assert world.store.requests == {}


async def test_nothing_is_even_queued_until_the_last_byte_is_sent(world: PagesWorld) -> None:
    queued: list[tuple[str, int]] = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def pass_on(message: Message) -> None:
            await send(message)
            queued.append((message["type"], world.services.asks.waiting))

        await world.app(scope, receive, pass_on)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(watched), base_url=HERE) as browser:
        await ask(browser, "jdoe")
    assert queued[-2:] == [("http.response.start", 0), ("http.response.body", 0)]
    assert world.services.asks.waiting == 1


# --- where it is off there is no such page -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/forgot", "/forgot/sent", "/forgot/renew"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_where_it_is_off_there_is_no_such_page(path: str, method: str) -> None:
    browser = PagesWorld().browser()
    answer, unknown = [
        await browser.request(method, where, headers={"origin": HERE, **FORM}) for where in (path, "/nowhere")
    ]
    assert shape(answer) == shape(unknown)
    assert answer.status_code == 404


async def test_another_domain_s_host_has_no_page_of_this_one(world: PagesWorld) -> None:
    there = world.browser(OTHER_HERE)
    assert (await there.get("/forgot")).status_code == 404
    proof = solved(await world.browser().get("/forgot"))
    answer = await ask(there, "jdoe", proof=proof, domain="EXAMPLE", headers={"origin": HERE})
    assert answer.status_code == 404
    assert await looked_at(world) == []


async def test_a_domain_of_another_host_cannot_be_asked_for() -> None:
    world = public_world(domains=("EXAMPLE", "OTHER"))
    await ask(world.browser(), "otto", domain="OTHER")
    await looked_at(world)
    assert [(event.domain, event.facts["reason"]) for event in world.store.events] == [("EXAMPLE", "user-unknown")]


# --- the form comes from our page --------------------------------------------------------------------------------


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
async def test_a_form_sent_from_elsewhere_asks_for_nothing(world: PagesWorld, headers: dict[str, str]) -> None:
    answer = await ask(world.browser(), "jdoe", headers=headers)
    assert answer.status_code == 403
    assert await looked_at(world) == []


async def test_opening_the_form_asks_for_nothing(world: PagesWorld) -> None:
    browser = world.browser()
    for method in ("HEAD", "GET"):
        await browser.request(method, "/forgot", params={"name": "jdoe"})
        await browser.request(method, "/forgot/sent", params={"name": "jdoe"})
    assert await looked_at(world) == []


async def test_no_redirect_leads_where_the_form_says(world: PagesWorld) -> None:
    browser = world.browser(**{"x-forwarded-host": "evil.example", "x-original-url": "//evil.example"})
    evil = "https://evil.example/"
    answer = await ask(browser, "jdoe", next=evil, url=evil, redirect=evil, location=evil)
    assert answer.headers["location"] == "/forgot/sent"


# --- the proof of work -------------------------------------------------------------------------------------------


async def refused(world: PagesWorld, proof: str, name: str = "jdoe") -> httpx2.Response:
    answer = await ask(world.browser(), name, proof=proof)
    assert answer.status_code == 422
    assert await looked_at(world) == []
    return answer


async def test_a_solution_counts_once(world: PagesWorld) -> None:
    browser = world.browser()
    proof = solved(await browser.get("/forgot"))
    assert (await ask(browser, "jdoe", proof=proof)).status_code == 303
    assert (await ask(browser, "jroe", proof=proof)).status_code == 422
    assert (await ask(world.browser(address="203.0.113.9"), "jroe", proof=proof)).status_code == 422
    await looked_at(world)
    assert [event.user for event in world.store.events] == ["jdoe"]


async def test_a_solution_spelled_otherwise_is_the_same_solution(world: PagesWorld) -> None:
    browser = world.browser()
    proof = solved(await browser.get("/forgot"))
    assert (await ask(browser, "jdoe", proof=proof)).status_code == 303
    spelled = b64encode(json.dumps(json.loads(b64decode(proof)), indent=3).encode()).decode()
    assert (await ask(browser, "jroe", proof=spelled)).status_code == 422


async def test_the_same_form_sent_twice_is_answered_twice_and_done_once(world: PagesWorld) -> None:
    browser = world.browser()
    proof = solved(await browser.get("/forgot"))
    answers = [await ask(browser, "jdoe", proof=proof) for _ in range(2)]
    assert shape(answers[0]) == shape(answers[1])
    assert len(await looked_at(world)) == 1


async def test_an_expired_challenge_is_refused(world: PagesWorld) -> None:
    proof = solved(await world.browser().get("/forgot"))
    world.clock.advance(timedelta(minutes=30))
    await refused(world, proof)


def forged(page: httpx2.Response, **changes: Any) -> str:
    """A challenge made easier, with the solution of that, under the old signature."""
    challenge = challenge_in(page)
    challenge["parameters"] |= changes
    made = altcha.Challenge.from_dict(challenge)
    solution = altcha.solve_challenge(made)
    assert solution is not None
    return altcha.Payload(made, solution).to_base64()


@pytest.mark.parametrize(
    "changes",
    [
        {"keyPrefix": ""},
        {"nonce": "00" * 16},
        {"salt": "00" * 16},
        {"cost": 2},
        {"algorithm": "SHA-256"},
        {"keyLength": 16},
        {"data": {"purpose": "forgot", "until": 4_000_000_000}},
        {"data": {"purpose": "another", "until": 4_000_000_000}},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_forged_challenge_is_refused(world: PagesWorld, changes: dict[str, Any]) -> None:
    await refused(world, forged(await world.browser().get("/forgot"), **changes))


async def test_a_challenge_under_somebody_else_s_key_is_refused(world: PagesWorld) -> None:
    challenge = altcha.create_challenge(
        "PBKDF2/SHA-256",
        1,
        key_prefix="",
        data={"purpose": "forgot", "until": 4_000_000_000},
        hmac_secret=new_key().derive("captcha challenge"),
    )
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    await refused(world, altcha.Payload(challenge, solution).to_base64())


async def test_a_number_that_solves_nothing_is_refused(world: PagesWorld) -> None:
    answer = json.loads(b64decode(solved(await world.browser().get("/forgot"))))
    answer["solution"]["counter"] += 1
    await refused(world, b64encode(json.dumps(answer).encode()).decode())


@pytest.mark.parametrize(
    "proof",
    ["x", "{}", "bnVsbA==", b64encode(b"[" * 5000).decode(), b64encode(b'{"challenge":[],"solution":{}}').decode()],
)
async def test_rubbish_is_refused(world: PagesWorld, proof: str) -> None:
    await refused(world, proof)


async def test_a_solution_from_before_a_change_of_keys_is_good(world: PagesWorld) -> None:
    browser = world.browser()
    proof = solved(await browser.get("/forgot"))
    world.keys.renew(world.keys.rotated("2026-11-26"))
    assert (await ask(browser, "jdoe", proof=proof)).status_code == 303


async def test_what_was_typed_is_still_there(world: PagesWorld) -> None:
    answer = await refused(world, "x", 'jdoe"><script>')
    assert 'value="jdoe&#34;&gt;&lt;script&gt;"' in answer.text
    assert (await ask(world.browser(), "jdoe", proof=solved(answer))).status_code == 303


async def test_without_a_proof_the_answer_is_the_same_and_the_limits_are_tighter(world: PagesWorld) -> None:
    browser = world.browser()
    answers = [await ask(browser, f"nobody{number}", proof="") for number in range(7)]
    answers.append(await ask(browser, "nobody7"))
    assert len({str(shape(answer)) for answer in answers}) == 1
    assert sorted(await looked_at(world)) == ["too-many-from-network"] * 2 + ["user-unknown"] * 6


# --- a flood -----------------------------------------------------------------------------------------------------


async def test_a_flood_ends_no_link_and_locks_nobody() -> None:
    world = public_world({"asks_per_minute": 0, "asks_per_user_per_hour": 0, "messages_per_destination_per_hour": 0})
    relay = FakeTransport(Channel.MAIL)
    world.transports[Channel.MAIL] = relay
    token, request = await world.link()
    for number in range(20):
        world.clock.advance(timedelta(minutes=1))
        await ask(world.browser(address=f"203.0.{number}.1"), "jdoe")
        await looked_at(world)
        await start_due_deliveries(world.services)
        await world.services.outbox.drain(30)
    assert len(relay.sent) == 20
    kept = await world.store.get(request.id)
    assert kept is not None
    assert kept.state is RequestState.PENDING
    assert (await world.browser().get(f"/r/{token.reveal()}")).status_code == 303
    assert world.directories["EXAMPLE"].tree.people[JANE.id].failures == 0


async def test_a_flood_for_one_name_is_looked_up_a_few_times_only() -> None:
    world = public_world()
    for minute in range(6):
        world.clock.advance(timedelta(minutes=minute))
        await ask(world.browser(), "nobody")
        await looked_at(world)
    assert await looked_at(world) == ["user-unknown"] * 3 + ["too-many-requests"] * 3


async def test_all_names_of_one_person_are_one_within_a_minute(world: PagesWorld) -> None:
    relay = world.transports[Channel.MAIL] = FakeTransport(Channel.MAIL)
    world.directories["EXAMPLE"].change(JANE.id, mails=(*JANE.mails, "jane@example.net"))
    for name in ("jdoe", "jane.doe@example.org", "jane@example.net"):
        await ask(world.browser(), name)
    assert sorted(await looked_at(world)) == ["request.sent", "too-many-requests", "too-many-requests"]
    await start_due_deliveries(world.services)
    await world.services.outbox.drain(30)
    assert len(relay.sent) == 1


async def test_the_many_networks_of_one_site_are_counted_together() -> None:
    world = public_world({"asks_per_network_per_hour": 2})
    addresses = [f"2001:db8:7:{number:x}::1" for number in range(1, 22)]
    for address in (*addresses, "2001:db8:8::1"):
        await ask(world.browser(address=address), f"nobody-{address}")
    assert sorted(await looked_at(world)) == ["too-many-from-network"] + ["user-unknown"] * 21


async def test_one_connection_leaves_its_site_the_rest_of_its_limit() -> None:
    world = public_world({"asks_per_network_per_hour": 2})
    for address in ("2001:db8:7:1::1", "2001:db8:7:1::2", "2001:db8:7:1::3", "2001:db8:7:2::1"):
        await ask(world.browser(address=address), f"nobody-{address}")
    assert sorted(await looked_at(world)) == ["too-many-from-network"] + ["user-unknown"] * 3


@pytest.mark.parametrize("proof", ["", None], ids=["without-a-proof", "with-proofs"])
async def test_one_network_takes_nobody_s_place_in_the_queue(proof: str | None) -> None:
    world = public_world({"queue": 100, "unproven_delay_seconds": 3600})
    for number in range(110):
        await ask(world.browser(address=f"203.0.113.{number}"), f"nobody{number}", proof=proof)
    await ask(world.browser(address="198.51.100.7"), "jdoe", proof=proof)
    world.transports[Channel.MAIL] = FakeTransport(Channel.MAIL)
    assert "request.sent" in await looked_at(world)


async def test_a_flood_of_refused_asks_is_no_flood_of_events() -> None:
    world = PagesWorld(public_world({"asks_per_network_per_hour": 1}).settings, counters=UnhurriedCounters())
    for number in range(60):
        await ask(world.browser(), f"nobody{number}")
    assert len(await looked_at(world)) < 20
    counted = sum(int(event.facts.get("count", 1)) for event in world.store.events)
    assert counted + world.services.asks.untold == 60


async def test_neighbours_in_a_network_are_counted_together() -> None:
    world = public_world({"asks_per_network_per_hour": 2})
    for address in ("203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8::1", "2001:db8::ffff", "2001:db8::2"):
        await ask(world.browser(address=address), f"nobody-{address}")
    assert sorted(await looked_at(world)) == ["too-many-from-network"] * 2 + ["user-unknown"] * 4


# --- what is typed is data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["*", ")(uid=*", "\\2a", "jd*", "jdoe\0", "\x00", "ｊdoe", "jdoe)(&"])
async def test_a_typed_name_finds_nobody_by_tricks(world: PagesWorld, name: str) -> None:
    assert (await ask(world.browser(), name)).status_code == 303
    assert await looked_at(world) == ["user-unknown"]


@pytest.mark.parametrize("body", [b"name=%FF%FE", b"name=%ED%A0%80", b"name=a%0d%0ab"])
async def test_bytes_that_are_no_text_are_data_too(world: PagesWorld, body: bytes) -> None:
    proof = solved(await world.browser().get("/forgot"))
    content = body + b"&proof=" + proof.replace("+", "%2B").encode()
    answer = await world.browser().post("/forgot", content=content, headers={"origin": HERE, **FORM})
    assert answer.status_code == 303
    assert await looked_at(world) == ["user-unknown"]


@pytest.mark.parametrize(("name", "status"), [("", 422), ("   ", 422), ("x" * 257, 422), ("x" * 10_000, 413)])
async def test_names_that_are_none_are_told_without_being_looked_at(world: PagesWorld, name: str, status: int) -> None:
    assert (await ask(world.browser(), name)).status_code == status
    assert await looked_at(world) == []


async def test_nobody_takes_another_s_log_in_name_by_writing_it_into_his_own_entry(world: PagesWorld) -> None:
    relay = world.transports[Channel.MAIL] = FakeTransport(Channel.MAIL)
    world.directories["EXAMPLE"].change("6a1c7a3e-0002", mails=("john.roe@example.org", "jdoe"))
    await ask(world.browser(), "jdoe")
    assert await looked_at(world) == ["request.sent"]
    await start_due_deliveries(world.services)
    await world.services.outbox.drain(30)
    assert [sent.recipient.address for sent in relay.sent] == list(JANE.mails)


async def test_a_typed_name_that_is_nobody_s_is_kept_nowhere(
    world: PagesWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """People type their password there; in the trail, the log and the counters it would outlive them."""
    with capture_logs() as lines, caplog.at_level(logging.DEBUG):
        for name in ("hush hush 4711", "HUSH  hush 4711", "another one"):
            world.clock.advance(timedelta(minutes=2))
            await ask(world.browser(), name)
            await looked_at(world)
    counters = str(list(world.counters.keys()))
    said = "".join(record.getMessage() for record in caplog.records if record.name != "httpx2")
    kept = (str(world.store.events) + str(lines) + said + counters).casefold()
    assert "hush" not in kept
    marks = [event.facts["typed"] for event in world.store.events]
    assert marks[0] == marks[1] != marks[2]


async def test_whoever_is_found_and_refused_is_named_in_the_trail_by_the_log_in_name(world: PagesWorld) -> None:
    world.directories["EXAMPLE"].change(JANE.id, state=AccountState.DISABLED)
    await ask(world.browser(), JANE.mails[0])
    await looked_at(world)
    assert [event.user for event in world.store.events] == ["jdoe"]


# --- in place of an expired link ---------------------------------------------------------------------------------


async def offered(world: PagesWorld, **headers: str) -> tuple[httpx2.AsyncClient, dict[str, str], str]:
    """A browser before the page of a link that has expired: the form's fields, and the link's id."""
    token, request = await world.link(sent_to=(Recipient(Channel.MAIL, JANE.mails[0]),))
    world.clock.advance(timedelta(days=2))
    browser = world.browser(**headers)
    page = await browser.get((await browser.get(f"/r/{token.reveal()}")).headers["location"])
    assert page.status_code == 410
    fields = {
        name: page.text.partition(f'name="{name}" value="')[2].partition('"')[0] for name in ("link", "form_token")
    }
    return browser, fields, request.id


async def test_an_expired_link_is_renewed_by_its_page_s_button(world: PagesWorld) -> None:
    browser, fields, _ = await offered(world)
    answer = await browser.post("/forgot/renew", data=fields, headers={"origin": HERE})
    assert shape(answer) == shape(await ask(world.browser(), "nobody"))


@pytest.mark.parametrize("token", ["", "x", "A" * 43])
async def test_a_guessed_renewal_sends_nothing(world: PagesWorld, token: str) -> None:
    browser, fields, _ = await offered(world)
    answer = await browser.post("/forgot/renew", data=fields | {"form_token": token}, headers={"origin": HERE})
    assert answer.status_code == 403
    assert await looked_at(world) == []


async def test_the_renewal_of_one_link_is_worth_nothing_for_another(world: PagesWorld) -> None:
    _, fields, _ = await offered(world)
    browser, others, _ = await offered(world)
    answer = await browser.post(
        "/forgot/renew", data=others | {"form_token": fields["form_token"]}, headers={"origin": HERE}
    )
    assert answer.status_code == 403
    assert await looked_at(world) == []


async def test_the_form_token_of_a_living_link_renews_nothing(world: PagesWorld) -> None:
    browser, fields, link = await offered(world)
    request = await world.store.get(link)
    assert request is not None
    token = world.keys.form_token(request.digest)
    answer = await browser.post("/forgot/renew", data=fields | {"form_token": token}, headers={"origin": HERE})
    assert answer.status_code == 403


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"origin": OTHER_HERE}, {}])
async def test_a_renewal_from_elsewhere_sends_nothing(world: PagesWorld, headers: dict[str, str]) -> None:
    browser, fields, _ = await offered(world)
    assert (await browser.post("/forgot/renew", data=fields, headers=headers)).status_code == 403
    assert await looked_at(world) == []


async def test_a_renewal_sends_no_sms_to_a_country_that_is_not_allowed_any_more() -> None:
    world = public_world()
    gateway = world.transports[Channel.SMS] = FakeTransport(Channel.SMS)
    token, _ = await world.link(sent_to=(Recipient(Channel.SMS, JANE.mobiles[0]),))
    world.clock.advance(timedelta(days=2))
    msgspec.structs.force_setattr(
        world.settings, "limits", msgspec.structs.replace(world.settings.limits, sms_countries=("49",))
    )
    browser = world.browser()
    page = await browser.get((await browser.get(f"/r/{token.reveal()}")).headers["location"])
    fields = {
        name: page.text.partition(f'name="{name}" value="')[2].partition('"')[0] for name in ("link", "form_token")
    }
    await browser.post("/forgot/renew", data=fields, headers={"origin": HERE})
    assert await looked_at(world) == ["address-left"]
    await start_due_deliveries(world.services)
    assert gateway.sent == []


async def test_an_unknown_link_is_not_renewed(world: PagesWorld) -> None:
    answer = await world.browser().post(
        "/forgot/renew", data={"link": "0" * 24, "form_token": "x"}, headers={"origin": HERE}
    )
    assert answer.status_code == 404


@pytest.mark.parametrize("public", [{"renew_expired": False}, None])
async def test_no_new_link_is_offered_where_the_domain_does_not(public: dict[str, Any] | None) -> None:
    world = PagesWorld() if public is None else public_world(public)
    _, fields, _ = await offered(world)
    assert fields == {"link": "", "form_token": ""}


# --- from outside, over the socket, with a real directory and a real relay ---------------------------------------

LINK = re.compile(r"https?://\S+/r/[A-Za-z0-9_-]{43}")


def served(folder: Path, slapd: LabSlapd, relay: SmtpServer, **domain: Any) -> Service:
    more = {"public": {"captcha_rounds": 1}, "domains": {"EXAMPLE": {"public": True, **domain}}}
    return Service(folder, lab_settings(folder, slapd, relay=relay, more=more))


def ask_of(service: Service, name: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Open the form and send it, on connections of their own."""
    _, _, page = service.request("GET", "/forgot")
    body = urlencode({"name": name, "proof": solved(page.decode())}).encode()
    return service.request("POST", "/forgot", body, {"Origin": service.url, **FORM, **headers})


def same(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, dict[str, str], bytes]:
    """An answer but for what differs from any to any other: the request's number and the time."""
    status, headers, body = answer
    return status, {name: value for name, value in headers.items() if name not in {"x-request-id", "date"}}, body


@pytest.mark.servers
async def test_the_answer_is_complete_before_the_directory_is_asked(tmp_path: Path, slapd: LabSlapd) -> None:
    """The directory says nothing until the answer has been read to its end; then the mail comes all the same."""
    uid = slapd.add_person()
    async with Proxy(slapd.ldaps_uri) as proxy:
        with SmtpServer() as relay:
            service = served(tmp_path, slapd, relay, uris=[proxy.uri], timeout_seconds=60)
            await asyncio.to_thread(service.start)
            try:
                proxy.gate.clear()
                answer = await asyncio.to_thread(ask_of, service, uid)
                assert (answer[0], answer[1]["location"], relay.messages) == (303, "/forgot/sent", [])
                proxy.gate.set()
                await asyncio.to_thread(relay.wait_for, f"{uid}@example.org")
            finally:
                await asyncio.to_thread(service.stop)


@pytest.mark.servers
def test_a_relay_that_hangs_or_refuses_and_a_directory_without_the_name_give_one_answer(
    tmp_path: Path, slapd: LabSlapd
) -> None:
    known, hanging, refused_one = slapd.add_person(), slapd.add_person(), slapd.add_person()
    with SmtpServer() as relay, running(served(tmp_path, slapd, relay)) as service:
        relay.hang_on(f"{hanging}@example.org")
        relay.refuse(f"{refused_one}@example.org", 550)
        names = (hanging, refused_one, "nobody", "root", "manager", known)
        answers = [same(ask_of(service, name)) for name in names]
        relay.wait_for(f"{known}@example.org")
        assert answers == [answers[0]] * len(names)
        assert answers[0][0] == 303


@pytest.mark.servers
def test_a_typed_name_is_data_for_a_real_directory(tmp_path: Path, slapd: LabSlapd) -> None:
    uid = slapd.add_person()
    names = ("*", f"{uid[:-1]}*", f"{uid})(uid=*", f"{uid}\\00", "\\2a", f"{uid}\0", "x" * 256)
    with SmtpServer() as relay, running(served(tmp_path, slapd, relay)) as service:
        for name in names:
            assert ask_of(service, name)[0] == 303
        service.stop()
        told = service.command("audit", "show")
        assert (told.count("user-unknown"), told.count("request.sent"), relay.messages) == (len(names), 0, [])


@pytest.mark.servers
def test_bytes_that_are_no_id_of_a_link_are_unknown_to_a_real_store(tmp_path: Path, slapd: LabSlapd) -> None:
    with SmtpServer() as relay, running(served(tmp_path, slapd, relay)) as service:
        for link in (b"%FF%FE", b"%ED%A0%80", b"%00", b"0" * 24):
            body, headers = b"link=" + link, {"Origin": service.url, **FORM}
            assert service.request("POST", "/forgot/renew", body, headers)[0] == 404


@pytest.mark.servers
def test_a_password_that_was_typed_for_a_name_is_in_no_file_of_the_service(tmp_path: Path, slapd: LabSlapd) -> None:
    with SmtpServer() as relay, running(served(tmp_path, slapd, relay)) as service:
        assert ask_of(service, "hush hush 4711")[0] == 303
        service.stop()
        assert service.command("audit", "show").count("user-unknown") == 1
        assert service.command("audit", "show", "--typed", "hush hush 4711").count("user-unknown") == 1
        assert service.command("audit", "show", "--typed", "hush hush 4712") == ""
    held = [path for path in tmp_path.rglob("*") if path.is_file() and b"hush" in path.read_bytes()]
    assert held == []


@pytest.mark.servers
def test_no_header_makes_the_link(tmp_path: Path, slapd: LabSlapd) -> None:
    uid = slapd.add_person()
    evil = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "X-Original-URL": "https://evil.example/",
    }
    with SmtpServer() as relay, running(served(tmp_path, slapd, relay)) as service:
        assert ask_of(service, uid, **evil)[0] == 303
        text = relay.wait_for(f"{uid}@example.org").text
        assert "evil" not in text
        found = LINK.search(text)
        assert found is not None
        assert found[0].startswith(f"{service.url}/r/")


@pytest.mark.servers
def test_what_waits_when_the_service_is_stopped_is_sent_after_the_next_start(tmp_path: Path, slapd: LabSlapd) -> None:
    uid = slapd.add_person()
    with SmtpServer() as relay:
        service = served(tmp_path, slapd, relay)
        with running(service):
            ask_of(service, uid)
            assert service.stop() == 0
        with running(service):
            relay.wait_for(f"{uid}@example.org")
