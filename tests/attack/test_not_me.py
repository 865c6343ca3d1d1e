"""Attacks on the "it was not me" of notices, from outside: rules 2, 5, 17, 21 and 22 of SECURITY.md.

Defences that were switched off by hand, one at a time, and which test turned red:

- web/not_me.py, GET disowns: test_a_scanner_that_opens_the_address_ends_nothing
- web/templates/not-me.html, a script, or the person's name: test_the_page_has_no_script_and_tells_no_more_than_the_notice
- the store's `disown` does not look whether it was done (tests/fakes/store.py, what the real ones hold is in
  tests/contract/test_store.py): test_the_second_time_it_does_nothing_and_says_so; it ends nothing, or everybody's:
  test_the_button_ends_the_persons_links_and_nobody_elses
- reset/disown.py, no look at the token's end: test_after_seven_days_it_does_nothing_and_says_so
- reset/tokens.py, the token's HMAC is not compared: test_who_has_the_whole_database_but_no_key_makes_no_token,
  test_a_token_whose_end_was_moved_is_none; it is one of the id alone: the second of them; any spelling is as good:
  test_a_token_spelled_otherwise_is_none; only the newest key's counts: test_it_works_after_the_key_was_rotated
- reset/disown.py and web/not_me.py, a link's token is taken as well; reset/redeem.py, a notice's token opens its link:
  test_a_links_token_disowns_nothing_and_a_disowning_token_opens_nothing
- web/not_me.py, any text is a token: test_a_hostile_token_is_unknown
- web/not_me.py, the origin is not compared: test_a_button_on_another_site_ends_nothing
- reset/disown.py, a row need not be ours: test_a_row_that_somebody_else_wrote_is_disowned_by_nobody; it need not be there:
  test_a_request_that_is_not_there_is_disowned_by_nobody
- web/not_me.py, every host serves every notice: test_a_notice_of_another_domain_is_unknown_here
- web/door.py, no limit: test_guessing_is_limited_like_every_page
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest

from pwreset.reset.model import RequestState, ResetRequest
from pwreset.reset.tokens import Keys, new_id, new_key, new_token
from pwreset.secret import Secret
from tests.fakes.pages import HERE, JANE, JOHN, OTHER_HERE, OTTO, PagesWorld, settings_with

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
FORM = {"content-type": "application/x-www-form-urlencoded"}
OURS = {**FORM, "origin": HERE}


@pytest.fixture
def world() -> PagesWorld:
    return PagesWorld()


def token_for(world: PagesWorld, request: ResetRequest, keys: Keys | None = None) -> Secret:
    return (keys or world.keys).disowning_token(request.id, world.clock.now() + timedelta(days=7))


async def press(world: PagesWorld, token: Secret, headers: dict[str, str] | None = None) -> httpx2.Response:
    return await world.browser().post(f"/not-me/{token.reveal()}", content="", headers=headers or OURS)


async def state_of(world: PagesWorld, request: ResetRequest) -> RequestState:
    kept = await world.store.get(request.id)
    assert kept is not None
    return kept.state


async def test_the_button_ends_the_persons_links_and_nobody_elses(world: PagesWorld) -> None:
    _, noticed = await world.link(JANE)
    _, newer = await world.link(JANE)
    _, of_john = await world.link(JOHN)
    answer = await press(world, token_for(world, noticed))
    assert (answer.status_code, "Thank you for telling us" in answer.text) == (200, True)
    assert [await state_of(world, request) for request in (noticed, newer, of_john)] == [
        RequestState.REVOKED,
        RequestState.REVOKED,
        RequestState.PENDING,
    ]
    assert [event.name for event in await world.store.audit(0, 10)] == ["notice.disowned"]


async def test_a_scanner_that_opens_the_address_ends_nothing(world: PagesWorld) -> None:
    _, request = await world.link()
    path = f"/not-me/{token_for(world, request).reveal()}"
    for method in ("HEAD", "GET", "GET"):
        assert (await world.browser().request(method, path)).status_code == 200
    assert await world.store.get(request.id) == request
    assert await world.store.audit(0, 10) == ()


async def test_the_page_has_no_script_and_tells_no_more_than_the_notice(world: PagesWorld) -> None:
    _, request = await world.link()
    page = await world.browser().get(f"/not-me/{token_for(world, request).reveal()}")
    assert "<script" not in page.text
    assert [word for word in (JANE.name, JANE.mails[0], request.id, "cn=manager") if word in page.text] == []


async def test_the_second_time_it_does_nothing_and_says_so(world: PagesWorld) -> None:
    _, noticed = await world.link()
    token = token_for(world, noticed)
    await press(world, token)
    _, later = await world.link()
    answers = [await press(world, token), await world.browser().get(f"/not-me/{token.reveal()}")]
    assert ["You have told us already" in answer.text for answer in answers] == [True, True]
    assert await state_of(world, later) is RequestState.PENDING


async def test_after_seven_days_it_does_nothing_and_says_so(world: PagesWorld) -> None:
    _, noticed = await world.link()
    token = token_for(world, noticed)
    world.clock.advance(timedelta(days=7))
    _, later = await world.link()
    answer = await press(world, token)
    assert (answer.status_code, "This message is too old" in answer.text) == (410, True)
    assert await state_of(world, later) is RequestState.PENDING


async def test_who_has_the_whole_database_but_no_key_makes_no_token(world: PagesWorld) -> None:
    _, request = await world.link()
    forged = token_for(world, request, Keys((new_key(),)))
    assert (await press(world, forged)).status_code == 404
    assert await state_of(world, request) is RequestState.PENDING


async def test_a_token_whose_end_was_moved_is_none(world: PagesWorld) -> None:
    _, request = await world.link()
    token = token_for(world, request).reveal()
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert (await press(world, Secret(changed))).status_code == 404
    assert await state_of(world, request) is RequestState.PENDING


async def test_a_token_spelled_otherwise_is_none(world: PagesWorld) -> None:
    """The last of 43 characters has two bits that mean nothing: four spellings of the same bytes."""
    _, request = await world.link()
    token = token_for(world, request).reveal()
    bits = ALPHABET.index(token[-1])
    for other in range(bits & ~3, (bits & ~3) + 4):
        if other != bits:
            assert (await press(world, Secret(token[:-1] + ALPHABET[other]))).status_code == 404
    assert await state_of(world, request) is RequestState.PENDING


async def test_a_links_token_disowns_nothing_and_a_disowning_token_opens_nothing(world: PagesWorld) -> None:
    token, request = await world.link()
    assert (await press(world, token)).status_code == 404
    browser = world.browser()
    moved = await browser.get(f"/r/{token_for(world, request).reveal()}")
    assert (await browser.get(moved.headers["location"])).status_code == 404
    assert await state_of(world, request) is RequestState.PENDING


@pytest.mark.parametrize("words", ["", "x", "../../etc", "ü" * 43, "A" * 43, "A" * 10_000])
async def test_a_hostile_token_is_unknown(world: PagesWorld, words: str) -> None:
    assert (await world.browser().get(f"/not-me/{words}")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": OTHER_HERE},
        {"sec-fetch-site": "cross-site"},
        {},
    ],
)
async def test_a_button_on_another_site_ends_nothing(world: PagesWorld, headers: dict[str, str]) -> None:
    _, request = await world.link()
    answer = await press(world, token_for(world, request), {**FORM, **headers})
    assert answer.status_code == 403
    assert await state_of(world, request) is RequestState.PENDING


async def test_a_request_that_is_not_there_is_disowned_by_nobody(world: PagesWorld) -> None:
    _, request = await world.link()
    unknown = world.keys.disowning_token(new_id(), world.clock.now() + timedelta(days=1))
    assert (await press(world, unknown)).status_code == 404
    assert await state_of(world, request) is RequestState.PENDING


async def test_a_row_that_somebody_else_wrote_is_disowned_by_nobody(world: PagesWorld) -> None:
    _, noticed = await world.link(JANE)
    _, of_john = await world.link(JOHN)
    world.store.requests[noticed.id] = replace(noticed, user_id=JOHN.id)
    assert (await press(world, token_for(world, noticed))).status_code == 404
    assert await state_of(world, of_john) is RequestState.PENDING


async def test_a_notice_of_another_domain_is_unknown_here(world: PagesWorld) -> None:
    _, request = await world.link(OTTO)
    assert (await press(world, token_for(world, request))).status_code == 404
    assert await state_of(world, request) is RequestState.PENDING


async def test_guessing_is_limited_like_every_page() -> None:
    world = PagesWorld(settings_with(changes={"limits": {"page_requests_per_address_per_minute": 3}}))
    answers = [await press(world, new_token()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]


async def test_it_works_after_the_key_was_rotated(world: PagesWorld) -> None:
    _, request = await world.link()
    older = Keys((new_key(), world.keys.newest))
    token = token_for(world, request)
    assert older.read_disowning(token) is not None
