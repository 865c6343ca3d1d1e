"""Attacks on the second factor, from outside: as somebody who holds the link, the database, or the network.

Each defence was switched off once, and the tests named turned red:

- reset/proofs.py, `refuse_without` returns at once: `test_the_link_alone_shows_no_form_and_no_name`,
  `test_the_form_is_not_taken_without_the_factor`
- reset/redeem.py, `set_password` does not call `refuse_without`: `test_the_form_is_not_taken_without_the_factor`
- reset/tokens.py, a proof bound to neither the request's digest nor its binding:
  `test_the_proof_of_one_link_opens_no_other`
- reset/tokens.py, `is_proof` does not look at its time: `test_a_proof_is_over_after_a_quarter_of_an_hour`
- reset/tokens.py, `_fixed` without the demand: `test_a_row_that_has_lost_its_demand_is_no_link`,
  `test_a_row_whose_demand_begins_later_is_no_link`, `test_a_row_whose_code_is_sent_elsewhere_is_no_link` (but for the
  one whose new address is not the person's, which `redeem` finds dead as well)
- reset/tokens.py, `_code_text` is the code alone: `test_the_mark_of_one_links_code_is_worth_nothing_for_another`
- the store's `take_try` without its limit, and `_take_try` of reset/second_factor.py that looks and does not count:
  `test_five_tries_are_all_there_are_on_two_nodes_at_once`, `test_five_one_time_passwords_are_tried_and_no_more`
- the store's `take_try` without its time: `test_a_code_is_over_after_ten_minutes`
- reset/second_factor.py, `_was_wrong` never locks: `test_fifteen_wrong_tries_end_the_link`
- reset/second_factor.py, no counter for the person: `test_tries_are_limited_for_one_person_over_many_links`
- the store's `spend_code` says yes to everybody: `test_a_code_works_once`
- the minute between codes, which the use case looks at first and the store's statement again, in both:
  `test_codes_are_a_minute_apart`, `test_of_two_codes_asked_for_at_once_one_is_sent`
- reset/second_factor.py, codes are not asked for one by one:
  `test_codes_that_are_asked_for_at_once_spend_the_budget_of_the_one_that_is_sent`
- web/templates/second-factor.html, the log-in name for password managers:
  `test_nor_does_the_page_for_a_one_time_password_name_anybody`
- web/second_factor.py, `take_wish` or `take_factor` without `refuse_foreign`:
  `test_a_form_from_elsewhere_sends_and_tries_nothing`
- web/second_factor.py, `_state_in` without the mark: `test_a_state_that_we_did_not_hand_out_is_refused`
- web/second_factor.py, `show` sends a code: `test_looking_sends_nothing_and_changes_nothing`
- reset/second_factor.py, no try is given back while a server is down:
  `test_a_server_that_is_down_opens_nothing_and_costs_no_link`
- reset/redeem.py, only the link's own addresses must still be in the entry:
  `test_a_number_put_into_the_entry_afterwards_gets_no_code`
- reset/redeem.py, no look at the person's groups; a second stage is as good as a second factor; the link is revoked:
  `test_who_comes_to_belong_to_a_demanding_group_sets_nothing_with_an_older_link`
- radius/client.py, `enforce_ma=False`: `test_an_unsigned_answer_is_not_believed`,
  `test_a_real_server_that_signs_nothing_is_not_believed`
- radius/client.py, `_genuine` without `VerifyReply`: `test_a_forged_answer_is_not_believed` (edited, another id),
  `test_an_answer_under_another_secret_is_not_believed`

In the store's own statements, held by tests/contract/test_store.py on the real engines: `TAKE_TRY` without its limit or its
time, `RENEW_CHALLENGE` without its condition, `SPEND_CODE` without "not spent yet".
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast

import httpx2
import pytest
from pyrad.packet import AccessAccept, AccessReject, AuthPacket
from starlette.types import ASGIApp

from pwreset.errors import FactorUnavailable, NoSecondFactor
from pwreset.radius.client import RadiusServers
from pwreset.reset.model import Channel, Demand, Factor, Recipient, RequestState
from pwreset.reset.ports import Limit, Verdict
from pwreset.reset.second_factor import TRIES_PER_CODE, TRIES_PER_LINK
from pwreset.secret import Secret
from pwreset.settings import Radius
from tests.fakes.pages import GOOD_PASSWORD, HERE, JANE, JOHN, OLD_PASSWORD, UnhurriedCounters
from tests.fakes.person import form_token_of, open_link, send
from tests.fakes.second_factor import FactorWorld, is_form, press
from tests.servers.freeradius import JANE as RADIUS_JANE
from tests.servers.freeradius import JANES, SECRET, FreeRadius


@pytest.fixture
def world() -> FactorWorld:
    return FactorWorld()


def wrong(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


async def asked(world: FactorWorld, browser: httpx2.AsyncClient, token: Secret) -> httpx2.Response:
    """The page that asks for the code, which is on its way."""
    return await press(browser, await open_link(browser, token), "code")


# --- nothing without the factor ----------------------------------------------------------------------------------


async def test_the_link_alone_shows_no_form_and_no_name(world: FactorWorld) -> None:
    page = await open_link(world.browser(), await world.sent_link())
    assert page.status_code == 200
    assert not is_form(page)
    assert not any(words in page.text for words in (JANE.name, JANE.mails[0], JANE.mobiles[0][1:], "345678"))


async def test_nor_does_the_page_for_a_one_time_password_name_anybody(radius_world: FactorWorld) -> None:
    page = await open_link(radius_world.browser(), await radius_world.sent_link(mfa=False))
    assert "one-time-code" in page.text
    assert not any(words in page.text for words in (JANE.login, JANE.name, JANE.mails[0]))


async def test_the_form_is_not_taken_without_the_factor(world: FactorWorld) -> None:
    browser = world.browser()
    page = await open_link(browser, await world.sent_link())
    answer = await send(browser, page, GOOD_PASSWORD)
    assert not is_form(answer)
    assert world.password() == OLD_PASSWORD


async def test_looking_sends_nothing_and_changes_nothing(world: FactorWorld) -> None:
    browser, token = world.browser(), await world.sent_link()
    page = await open_link(browser, token)
    await world.services.outbox.drain(5.0)
    events = await world.store.audit(0, 100)
    for path in ("", "/code", "/factor"):
        for method in ("GET", "HEAD"):
            await browser.request(method, page.request.url.path + path)
    await world.services.outbox.drain(5.0)
    assert world.sms.sent == []
    assert world.store.challenges == {}
    assert await world.store.audit(0, 100) == events


async def test_a_proof_is_kept_by_the_browser_that_showed_it_alone(world: FactorWorld) -> None:
    token, browser = await world.sent_link(), world.browser()
    assert is_form(await press(browser, await asked(world, browser, token), "factor", code=await world.code()))
    assert not is_form(await open_link(world.browser(), token))


async def test_the_proof_of_one_link_opens_no_other(world: FactorWorld) -> None:
    browser = world.browser()
    page = await asked(world, browser, await world.sent_link(JANE))
    await press(browser, page, "factor", code=await world.code())
    world.directories["EXAMPLE"].change(JOHN.id, mobiles=("+33612345679",))
    other = await open_link(browser, await world.sent_link(JOHN))
    tab, other_tab = (one.request.url.path.rpartition("/")[2] for one in (page, other))
    proof = browser.cookies[f"__Host-pwreset-proof-{tab}"]
    browser.cookies.set(f"__Host-pwreset-proof-{other_tab}", proof, domain="reset.example.org")
    assert not is_form(await browser.get(f"/reset/{other_tab}"))
    await send(browser, other, GOOD_PASSWORD)
    assert world.password(JOHN) == OLD_PASSWORD


@pytest.mark.parametrize("proof", ["", "x", "A" * 64, "ü" * 64, "-_" * 32])
async def test_a_proof_that_we_did_not_make_is_none(world: FactorWorld, proof: str) -> None:
    browser = world.browser()
    page = await open_link(browser, await world.sent_link())
    tab = page.request.url.path.rpartition("/")[2]
    cookie = f"__Host-pwreset-proof-{tab}={proof}".encode()
    kept = "; ".join(f"{name}={value}" for name, value in browser.cookies.items()).encode()
    bare = world.browser()
    answer = await bare.get(page.request.url.path, headers=[(b"cookie", kept + b"; " + cookie)])
    assert answer.status_code == 200
    assert not is_form(answer)


async def test_a_proof_is_over_after_a_quarter_of_an_hour(world: FactorWorld) -> None:
    browser, token = world.browser(), await world.sent_link()
    form = await press(browser, await asked(world, browser, token), "factor", code=await world.code())
    world.clock.advance(timedelta(minutes=15))
    await send(browser, form, GOOD_PASSWORD)
    assert world.password() == OLD_PASSWORD
    assert not is_form(await open_link(browser, token))


@pytest.mark.parametrize("stage", [None, 4], ids=["plain", "two-stage"])
async def test_who_comes_to_belong_to_a_demanding_group_sets_nothing_with_an_older_link(stage: int | None) -> None:
    group = "cn=finance,ou=groups,dc=example,dc=org"
    world = FactorWorld(mfa={"factors": ("code",), "groups": (group,)}, domain={"direct_lifetime_hours": stage})
    members = world.directories["EXAMPLE"].tree.groups[group] = []
    token = await world.sent_link(mfa=False, lifetime_hours=24)
    browser = world.browser()
    page = await open_link(browser, token)
    assert is_form(page)
    members.append(JANE.dn)
    assert not is_form(await open_link(world.browser(), token))
    assert (await send(browser, page, GOOD_PASSWORD)).status_code == 404
    assert world.password() == OLD_PASSWORD
    members.clear()  # as it is with a group that cannot be read for a while
    assert is_form(await open_link(world.browser(), token))


# --- guessing ----------------------------------------------------------------------------------------------------


async def test_five_tries_are_all_there_are_on_two_nodes_at_once(world: FactorWorld) -> None:
    token, browser = await world.sent_link(), world.browser()
    await asked(world, browser, token)
    code = await world.code()
    nodes: list[ASGIApp] = [world.app, world.another_node()]
    browsers = [
        httpx2.AsyncClient(transport=httpx2.ASGITransport(node, client=("192.0.2.7", 4)), base_url=HERE)
        for node in nodes * 10
    ]
    pages = [await open_link(one, token) for one in browsers]
    guesses = [wrong(code)] * 19 + [code]
    answers = await asyncio.gather(
        *(press(one, page, "factor", code=guess) for one, page, guess in zip(browsers, pages, guesses, strict=True))
    )
    assert not any(is_form(answer) for answer in answers)
    challenge = await world.store.challenge(next(iter(world.store.requests)))
    assert challenge is not None
    assert challenge.tries == TRIES_PER_CODE


async def test_the_right_code_after_five_wrong_ones_is_worth_nothing(world: FactorWorld) -> None:
    browser, token = world.browser(), await world.sent_link()
    page = await asked(world, browser, token)
    code = await world.code()
    for _ in range(TRIES_PER_CODE):
        await press(browser, page, "factor", code=wrong(code))
    assert not is_form(await press(browser, page, "factor", code=code))


async def test_fifteen_wrong_tries_end_the_link(world: FactorWorld) -> None:
    browser, token = world.browser(), await world.sent_link()
    page = last = await open_link(browser, token)
    for _ in range(TRIES_PER_LINK // TRIES_PER_CODE):
        await press(browser, page, "code")
        code = await world.code()
        for _ in range(TRIES_PER_CODE):
            last = await press(browser, page, "factor", code=wrong(code))
        world.clock.advance(timedelta(minutes=1))
    assert (last.status_code, "This link is locked" in last.text) == (410, True)
    [request] = world.store.requests.values()
    assert (request.state, request.settled_why) == (RequestState.REVOKED, "link-locked")
    assert "This link is locked" in (await open_link(world.browser(), token)).text


async def test_tries_are_limited_for_one_person_over_many_links(world: FactorWorld) -> None:
    most = world.settings.limits.second_factor_tries_per_user_per_day
    statuses = []
    for _ in range(most // TRIES_PER_CODE + 1):
        browser = world.browser()
        page = await asked(world, browser, await world.sent_link())
        for _ in range(TRIES_PER_CODE):
            statuses.append((await press(browser, page, "factor", code="000000")).status_code)  # noqa: PERF401
        world.clock.advance(timedelta(hours=1))
    assert statuses[:most].count(429) == 0
    assert set(statuses[most:]) == {429}


async def test_codes_are_a_minute_apart(world: FactorWorld) -> None:
    browser, token = world.browser(), await world.sent_link()
    page = await asked(world, browser, token)
    assert (await press(browser, page, "code")).status_code == 429
    await world.services.outbox.drain(5.0)
    assert len(world.sms.sent) == 1


async def test_of_two_codes_asked_for_at_once_one_is_sent(world: FactorWorld) -> None:
    token = await world.sent_link()
    browsers = [world.browser(), world.browser()]
    pages = [await open_link(browser, token) for browser in browsers]
    await asyncio.gather(*(press(one, page, "code") for one, page in zip(browsers, pages, strict=True)))
    await world.services.outbox.drain(5.0)
    assert len(world.sms.sent) == 1


async def test_codes_that_are_asked_for_at_once_spend_the_budget_of_the_one_that_is_sent() -> None:
    world = FactorWorld(counters=UnhurriedCounters())
    token = await world.sent_link()
    browsers = [world.browser() for _ in range(10)]
    shown = [await open_link(browser, token) for browser in browsers]
    await asyncio.gather(*(press(one, page, "code") for one, page in zip(browsers, shown, strict=True)))
    await world.services.outbox.drain(5.0)
    assert len(world.sms.sent) == 1
    two = Limit(2, timedelta(days=1))
    assert await world.counters.peek("sms:day", two, world.clock.now()) is None
    assert await world.counters.peek(f"messages-to:{JANE.mobiles[0]}", two, world.clock.now()) is None


async def test_one_link_sends_so_many_codes_and_no_more() -> None:
    world = FactorWorld(mfa={"factors": ("code",), "codes_per_link": 2})
    browser = world.browser()
    page = await open_link(browser, await world.sent_link())
    statuses = []
    for _ in range(3):
        statuses.append((await press(browser, page, "code")).status_code)
        await world.services.outbox.drain(5.0)
        world.clock.advance(timedelta(minutes=2))
    assert statuses == [200, 200, 429]
    assert len(world.sms.sent) == 2


# --- a code is of one link, one time, one use --------------------------------------------------------------------


async def test_the_code_of_one_link_is_worth_nothing_for_another(world: FactorWorld) -> None:
    world.directories["EXAMPLE"].change(JOHN.id, mobiles=("+33612345679",))
    browser = world.browser()
    await asked(world, browser, await world.sent_link(JANE))
    janes = await world.code()
    page = await asked(world, browser, await world.sent_link(JOHN))
    while await world.code() == janes:  # once in a million
        world.clock.advance(timedelta(minutes=1))
        page = await press(browser, page, "code")
    assert not is_form(await press(browser, page, "factor", code=janes))


async def test_the_mark_of_one_links_code_is_worth_nothing_for_another(world: FactorWorld) -> None:
    """Whoever writes to the database copies the mark of a code that he knows to somebody else's link."""
    world.directories["EXAMPLE"].change(JOHN.id, mobiles=("+33612345679",))
    browser = world.browser()
    await asked(world, browser, await world.sent_link(JANE))
    janes = await world.code()
    page = await asked(world, browser, await world.sent_link(JOHN))
    mine, other = world.store.challenges.values()
    world.store.challenges[other.request_id] = replace(other, mark=mine.mark)
    assert not is_form(await press(browser, page, "factor", code=janes))


async def test_a_code_is_over_after_ten_minutes(world: FactorWorld) -> None:
    browser, token = world.browser(), await world.sent_link()
    page = await asked(world, browser, token)
    code = await world.code()
    world.clock.advance(timedelta(minutes=10))
    assert not is_form(await press(browser, page, "factor", code=code))


async def test_the_code_before_the_newest_is_worth_nothing(world: FactorWorld) -> None:
    browser, token = world.browser(), await world.sent_link()
    page = await asked(world, browser, token)
    old = await world.code()
    world.clock.advance(timedelta(minutes=1))
    page = await press(browser, page, "code")
    new = await world.code()
    if new != old:  # once in a million
        assert not is_form(await press(browser, page, "factor", code=old))
    assert is_form(await press(browser, page, "factor", code=new))


async def test_a_code_works_once(world: FactorWorld) -> None:
    browser, token = world.browser(), await world.sent_link()
    code_page = await asked(world, browser, token)
    code = await world.code()
    thief = world.browser()
    thiefs_page = await open_link(thief, token)
    assert is_form(await press(browser, code_page, "factor", code=code))
    assert not is_form(await press(thief, thiefs_page, "factor", code=code))


async def test_the_code_goes_neither_to_the_links_address_nor_into_the_subject(world: FactorWorld) -> None:
    browser = world.browser()
    await asked(world, browser, await world.sent_link(JANE, "SMS"))
    code = await world.code(Channel.MAIL)
    assert [envelope.recipient.channel for envelope in world.mail.sent] == [Channel.MAIL]
    assert code not in world.mail.sent[-1].content.subject
    assert not any(code in envelope.content.text for envelope in world.sms.sent)


async def test_who_has_no_other_address_gets_no_link(world: FactorWorld) -> None:
    world.mfa = {"factors": ("code",)}
    world.__post_init__()
    with pytest.raises(NoSecondFactor):
        await world.sent_link(JOHN)
    assert world.mail.sent == []
    assert world.store.requests == {}


async def test_a_number_put_into_the_entry_afterwards_gets_no_code(world: FactorWorld) -> None:
    browser, token = world.browser(), await world.sent_link()
    page = await open_link(browser, token)
    world.directories["EXAMPLE"].change(JANE.id, mobiles=("+33698765432",))
    assert (await press(browser, page, "code")).status_code == 404
    assert world.sms.sent == []


# --- the database ------------------------------------------------------------------------------------------------


async def edited(world: FactorWorld, token: Secret, demand: Demand | None) -> httpx2.Response:
    """The link after somebody has edited its row."""
    [request] = world.store.requests.values()
    world.store.requests[request.id] = replace(request, demand=demand)
    return await open_link(world.browser(), token)


async def test_a_row_that_has_lost_its_demand_is_no_link(world: FactorWorld) -> None:
    assert (await edited(world, await world.sent_link(), None)).status_code == 404


@pytest.mark.parametrize(
    "demand",
    [
        Demand(Factor.CODE, (Recipient(Channel.SMS, "+33698765432"),)),
        Demand(Factor.CODE, (Recipient(Channel.MAIL, JANE.mails[0]),)),
        Demand(Factor.RADIUS),
    ],
)
async def test_a_row_whose_code_is_sent_elsewhere_is_no_link(world: FactorWorld, demand: Demand) -> None:
    assert (await edited(world, await world.sent_link(), demand)).status_code == 404


async def test_a_row_whose_demand_begins_later_is_no_link(world: FactorWorld) -> None:
    token = await world.sent_link()
    [request] = world.store.requests.values()
    assert request.demand is not None
    later = replace(request.demand, since=request.expires_at)
    assert (await edited(world, token, later)).status_code == 404


async def test_what_the_database_holds_is_no_code_and_no_proof(world: FactorWorld) -> None:
    """All that a dump holds, and every code tried against it without our key."""
    browser, token = world.browser(), await world.sent_link()
    page = await asked(world, browser, token)
    code = await world.code()
    [challenge] = world.store.challenges.values()
    [request] = world.store.requests.values()
    assert code.encode() not in challenge.mark
    guessed = (hashlib.sha256(text).digest() for text in (code.encode(), request.digest + code.encode()))
    assert challenge.mark not in guessed
    tab = page.request.url.path.rpartition("/")[2]
    for stolen in (challenge.mark, request.digest, request.binding):
        browser.cookies.set(f"__Host-pwreset-proof-{tab}", base64.urlsafe_b64encode(stolen * 2)[:64].decode())
        assert not is_form(await browser.get(page.request.url.path))


# --- forms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["code", "factor"])
@pytest.mark.parametrize(
    ("origin", "form_token"), [("https://evil.example", None), ("null", None), (HERE, "A" * 43), (HERE, "")]
)
async def test_a_form_from_elsewhere_sends_and_tries_nothing(
    world: FactorWorld, action: str, origin: str, form_token: str | None
) -> None:
    browser = world.browser()
    page = await open_link(browser, await world.sent_link())
    fields = {"form_token": form_token_of(page) if form_token is None else form_token, "code": "000000"}
    answer = await browser.post(f"{page.request.url.path}/{action}", data=fields, headers={"origin": origin})
    assert answer.status_code == 403
    assert world.store.challenges == {}


async def test_a_form_without_the_links_cookie_does_nothing(world: FactorWorld) -> None:
    page = await open_link(world.browser(), await world.sent_link())
    bare = world.browser()
    for action in ("code", "factor"):
        answer = await bare.post(
            f"{page.request.url.path}/{action}",
            data={"form_token": form_token_of(page), "code": "000000"},
            headers={"origin": HERE},
        )
        assert answer.status_code == 400
    assert world.store.challenges == {}


# --- one-time passwords ------------------------------------------------------------------------------------------


@pytest.fixture
def radius_world() -> FactorWorld:
    return FactorWorld(mfa={"factors": ("radius",), "demand": "always"})


async def test_five_one_time_passwords_are_tried_and_no_more(radius_world: FactorWorld) -> None:
    world, browser = radius_world, radius_world.browser()
    page = await open_link(browser, await world.sent_link(mfa=False))
    answers = await asyncio.gather(*(press(browser, page, "factor", code=f"{n:06}") for n in range(20)))
    assert not any(map(is_form, answers))
    assert len(world.otp.asked) == TRIES_PER_CODE
    assert not is_form(await press(browser, page, "factor", code="246802"))


async def test_a_server_that_is_down_opens_nothing_and_costs_no_link(radius_world: FactorWorld) -> None:
    world, browser, token = radius_world, radius_world.browser(), await radius_world.sent_link(mfa=False)
    page = await open_link(browser, token)
    world.otp.down = True
    for _ in range(TRIES_PER_LINK + 1):
        answer = await press(browser, page, "factor", code="246802")
        assert answer.status_code in {503, 429}
        world.clock.advance(timedelta(minutes=10))
    world.otp.down = False
    assert is_form(await press(browser, await open_link(browser, token), "factor", code="246802"))


async def test_another_persons_one_time_password_opens_nothing(radius_world: FactorWorld) -> None:
    browser = radius_world.browser()
    page = await open_link(browser, await radius_world.sent_link(JANE, mfa=False))
    assert not is_form(await press(browser, page, "factor", code="975310"))


@pytest.mark.parametrize("state", ["x", "AAAA", base64.urlsafe_b64encode(b"x" * 40).decode(), "ü"])
async def test_a_state_that_we_did_not_hand_out_is_refused(radius_world: FactorWorld, state: str) -> None:
    browser = radius_world.browser()
    page = await open_link(browser, await radius_world.sent_link(mfa=False))
    answer = await press(browser, page, "factor", code="246802", state=state)
    assert answer.status_code == 403
    assert radius_world.otp.asked == []


# --- the network between us and a RADIUS server ------------------------------------------------------------------


class Forger(asyncio.DatagramProtocol):
    """Answers each request as `forge` says: the packets to send back."""

    def __init__(self, secret: bytes, kind: str) -> None:
        self._secret, self._kind = secret, kind

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = AuthPacket(packet=data, secret=self._secret)
        reply = request.CreateReply(message_authenticator=self._kind != "unsigned")
        reply.code = AccessAccept
        if self._kind == "another id":
            reply.id = (request.id + 1) % 256
        packet = reply.ReplyPacket()
        if self._kind == "edited":  # a refusal turned into an acceptance on its way
            reply.code = AccessReject
            packet = bytes([AccessAccept]) + reply.ReplyPacket()[1:]
        if self._kind == "cut":
            packet = packet[:19]
        if self._kind == "noise":
            packet = bytes(range(64))
        cast("asyncio.DatagramTransport", self._transport).sendto(packet, addr)


@asynccontextmanager
async def forging(kind: str, secret: bytes = SECRET.encode()) -> AsyncIterator[RadiusServers]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Forger(secret, kind), local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    settings = Radius(servers=(f"127.0.0.1:{port}",), timeout_seconds=0.2, attempts=1)
    try:
        yield RadiusServers("EXAMPLE", settings, Secret(SECRET))
    finally:
        transport.close()


async def test_the_forger_is_believed_where_it_knows_the_secret() -> None:
    async with forging("genuine") as servers:
        assert (await servers.try_password("jane", Secret("1"))).verdict is Verdict.RIGHT


@pytest.mark.parametrize("kind", ["edited", "another id", "cut", "noise"])
async def test_a_forged_answer_is_not_believed(kind: str) -> None:
    async with forging(kind) as servers:
        with pytest.raises(FactorUnavailable):
            await servers.try_password("jane", Secret("1"))


async def test_an_answer_under_another_secret_is_not_believed() -> None:
    async with forging("genuine", b"a guess") as servers:
        with pytest.raises(FactorUnavailable):
            await servers.try_password("jane", Secret("1"))


async def test_an_unsigned_answer_is_not_believed() -> None:
    """BlastRADIUS needs an answer without a Message-Authenticator."""
    async with forging("unsigned") as servers:
        with pytest.raises(FactorUnavailable):
            await servers.try_password("jane", Secret("1"))


async def test_a_real_server_that_signs_nothing_is_not_believed() -> None:
    with FreeRadius(signs=False) as server:
        settings = Radius(servers=(server.address,), timeout_seconds=1.0, attempts=1)
        with pytest.raises(FactorUnavailable):
            await RadiusServers("EXAMPLE", settings, Secret(SECRET)).try_password(RADIUS_JANE, Secret(JANES))
