"""The Manager API's contract where a transcript does not show it: what happened behind the answer, sizes, limits."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pwreset.web.manager_endpoint import LARGEST_BODY
from tests.fakes.api import ApiWorld, basic, post
from tests.servers.wire import Received, Wire, connected
from tests.wire.test_envelope import REQUESTS, assert_well_formed


def call(name: str = "PwReset.Send_Request", /, **params: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": name, "id": 0, "params": params}).encode()


async def told(wire: Wire, name: str, /, **params: object) -> Received:
    return await wire.exchange(post(call(name, **params), basic()))


async def result(wire: Wire, name: str, /, **params: object) -> object:
    return json.loads((await told(wire, name, **params)).body)["result"]


async def send(wire: Wire, **params: object) -> Received:
    return await told(wire, "PwReset.Send_Request", **params)


async def test_the_returned_link_is_the_one_that_is_sent(world: ApiWorld, wire: Wire) -> None:
    answer = await send(wire, username="jdoe", method="MAILSMS")
    link = json.loads(answer.body)["result"]
    assert link in world.mail.carried[0].content.text
    assert link in world.sms.carried[0].content.text


async def test_the_answer_with_a_link_is_kept_by_no_cache(wire: Wire) -> None:
    assert (await send(wire, username="jdoe", method="NONE")).headers["cache-control"] == "no-store"


async def test_a_newer_link_replaces_the_older_one(world: ApiWorld, wire: Wire) -> None:
    await send(wire, username="jdoe", method="NONE")
    await send(wire, username="Jane Doe", method="NONE")
    assert world.links == ["revoked", "pending"]


async def test_a_false_leaves_the_older_link_alive(world: ApiWorld, wire: Wire) -> None:
    await send(wire, username="jdoe", method="NONE")
    world.mail.says = "refused"
    answer = await send(wire, username="jdoe", method="MAIL")
    assert json.loads(answer.body)["result"] is False
    assert world.links == ["pending", "revoked"]


async def test_a_refused_parameter_leaves_nothing_behind(world: ApiWorld, wire: Wire) -> None:
    await send(wire, username="jdoe", method="NONE", colour="red")
    await send(wire, username="jdoe", method="NONE", mfa=True)
    assert world.links == []


async def test_a_notification_makes_no_link(world: ApiWorld, wire: Wire) -> None:
    answer = await wire.exchange(
        post(b'{"jsonrpc":"2.0","method":"PwReset.Send_Request","params":{"username":"jdoe","method":"NONE"}}', basic())
    )
    assert (answer.status, answer.body, world.links) == (204, b"", [])


async def test_a_batch_makes_all_its_links_and_answers_in_order(world: ApiWorld, wire: Wire) -> None:
    names = ["jdoe", "mailonly", "nobody", "zoe"]
    batch = [
        {"jsonrpc": "2.0", "method": "PwReset.Send_Request", "id": name, "params": {"username": name, "method": "NONE"}}
        for name in names
    ]
    answer = await wire.exchange(post(json.dumps(batch).encode(), basic()))
    replies = json.loads(answer.body)
    assert [reply["id"] for reply in replies] == names
    assert [bool(reply["result"]) for reply in replies] == [True, True, False, True]
    assert "pwreset-reason" not in answer.headers
    assert len(world.links) == 3


async def test_a_batch_of_a_thousand_is_served_and_one_more_is_not(wire: Wire) -> None:
    one = {"jsonrpc": "2.0", "method": "Server_Status", "id": 1}
    served = await wire.exchange(post(json.dumps([one] * 1000).encode(), basic()))
    assert len(json.loads(served.body)) == 1000
    refused = await wire.exchange(post(json.dumps([one] * 1001).encode(), basic()))
    assert json.loads(refused.body)["error"]["code"] == -32600


@pytest.mark.parametrize(("extra", "status"), [(0, 200), (1, 413)])
async def test_a_body_holds_at_most_one_mebibyte(wire: Wire, extra: int, status: int) -> None:
    body = call("Server_Status")
    answer = await wire.exchange(post(body + b" " * (LARGEST_BODY + extra - len(body)), basic()))
    assert answer.status == status
    assert_well_formed(answer.body)


async def test_a_body_that_is_too_large_is_read_to_its_end_and_the_connection_lives(wire: Wire) -> None:
    assert (await wire.exchange(post(b" " * (2 * LARGEST_BODY), basic()))).status == 413
    assert (await told(wire, "Server_Status")).status == 200


async def test_a_huge_body_is_answered_without_being_read(wire: Wire) -> None:
    await wire.send(b"POST /manag/ HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
    answer = await wire.receive()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert await wire.is_hung_up()


async def test_a_huge_chunked_body_is_cut(wire: Wire) -> None:
    async def flood() -> None:
        await wire.send(b"POST /manag/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await wire.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    task = asyncio.create_task(flood())
    assert await wire.is_hung_up()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


CLOSE = b"Connection: close\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (post(b"x" * LARGEST_BODY, CLOSE), 401),
        (post(b"x" * LARGEST_BODY, CLOSE, basic(password="wrong")), 200),
        (post(b"x" * 4 * LARGEST_BODY, CLOSE, basic()), 413),
        (post(b"x" * LARGEST_BODY, CLOSE).replace(b"POST", b"PUT", 1), 405),
    ],
)
async def test_a_refused_caller_who_is_still_sending_gets_his_answer_before_the_connection_ends(
    wire: Wire, request_bytes: bytes, status: int
) -> None:
    answer = await wire.exchange(request_bytes)
    assert answer.status == status
    assert await wire.reader.read() == b""


@pytest.mark.parametrize("path", [b"/manag", b"/manag/", b"/manag/?x=1", b"/%6danag/"])
async def test_every_way_to_write_the_path_is_served_without_a_redirect(wire: Wire, path: bytes) -> None:
    assert (await wire.exchange(post(call("Server_Status"), basic(), path=path))).status == 200


async def test_the_challenge_offers_basic_alone(wire: Wire) -> None:
    answer = await wire.exchange(post(call()))
    assert answer.raw.lower().count(b"www-authenticate:") == 1
    assert answer.headers["www-authenticate"] == 'Basic realm="pwreset", charset="UTF-8"'


async def test_a_wrong_log_in_tells_neither_whether_the_account_exists_nor_whether_it_is_a_manager(wire: Wire) -> None:
    answers = {
        (await wire.exchange(post(call(), basic(login, "wrong")))).body
        for login in ("EXAMPLE\\administrator", "EXAMPLE\\jdoe", "EXAMPLE\\nobody", "NOWHERE\\x", "a@b", "")
    }
    assert len(answers) == 1


async def test_a_link_may_be_looked_at_listed_and_revoked(world: ApiWorld, wire: Wire) -> None:
    request_id = (await send(wire, username="jdoe", method="MAIL")).headers["pwreset-request"]
    shown = await result(wire, "PwReset.Get_Request", id=request_id)
    assert isinstance(shown, dict)
    assert (shown["username"], shown["state"], shown["deliveries"][0]["state"]) == ("jdoe", "pending", "sent")
    revoked = await result(wire, "PwReset.Revoke_Request", id=request_id)
    assert isinstance(revoked, dict)
    assert (revoked["id"], revoked["state"]) == (request_id, "revoked")
    assert world.links == ["revoked"]


async def test_the_list_goes_on_behind_its_cursor(wire: Wire) -> None:
    ids = [(await send(wire, username="jdoe", method="NONE")).headers["pwreset-request"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, object] = {}
    for _ in range(3):
        page = await result(wire, "PwReset.List_Requests", limit=2, **cursor)
        assert isinstance(page, dict)
        seen += [request["id"] for request in page["requests"]]
        cursor = {"cursor": page.get("cursor")}
    assert seen == ids[::-1]
    assert cursor == {"cursor": None}


async def test_no_method_shows_a_token(world: ApiWorld, wire: Wire) -> None:
    sent = await send(wire, username="jdoe", method="MAIL")
    token = json.loads(sent.body)["result"].rsplit("/", 1)[1].encode()
    request_id = sent.headers["pwreset-request"]
    shown = [
        (await told(wire, "PwReset.Get_Request", id=request_id)).raw,
        (await told(wire, "PwReset.List_Requests")).raw,
        (await told(wire, "PwReset.Revoke_Request", id=request_id)).raw,
    ]
    digest = world.store.requests[request_id].digest
    assert not any(token in answer or digest.hex().encode() in answer for answer in shown)


@pytest.mark.parametrize("method", ["PwReset.Get_Request", "PwReset.Revoke_Request"])
async def test_a_request_of_another_domain_is_as_unknown_as_one_that_never_was(
    world: ApiWorld, wire: Wire, method: str
) -> None:
    theirs = await wire.exchange(post(call(username="jlab", domain="LAB", method="NONE"), basic("EXAMPLE\\both")))
    request_id = theirs.headers["pwreset-request"]
    answer = json.loads((await told(wire, method, id=request_id)).body)
    assert answer["error"]["data"] == f"No reset request {request_id}"
    assert world.links == ["pending"]


async def test_a_list_shows_the_managers_own_domains_only(wire: Wire) -> None:
    await wire.exchange(post(call(username="jlab", domain="LAB", method="NONE"), basic("EXAMPLE\\both")))
    assert await result(wire, "PwReset.List_Requests") == {"requests": []}


async def test_a_bug_is_answered_in_json_without_its_words(world: ApiWorld, wire: Wire) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("cn=admin,dc=example,dc=org")

    world.store.add = broken  # type: ignore[assignment,method-assign]
    with capture_logs() as events:
        answer = await send(wire, username="jdoe", method="NONE")
    assert [event["log_level"] for event in events if event["event"] == "method failed"] == ["error"]
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["message"]) == (200, -32603, "Internal error")
    assert error["data"] == f"Internal error; request id {answer.headers['x-request-id']}"


async def test_a_bug_before_the_call_is_answered_in_json_too(world: ApiWorld, wire: Wire) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("cn=admin,dc=example,dc=org")

    world.store.record = broken  # type: ignore[assignment,method-assign]
    with capture_logs() as events:
        answer = await wire.exchange(post(call(), basic("EXAMPLE\\nobody")))
    assert [event["log_level"] for event in events if event["event"] == "request failed"] == ["error"]
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (500, -32603)


async def test_calls_above_the_limit_are_told_to_come_back() -> None:
    world = ApiWorld(changes={"server": {"max_connections": 1}})
    async with (
        world.served() as listener,
        connected(listener.address[1]) as slow,
        connected(listener.address[1]) as one,
    ):
        await slow.send(b"POST /manag/ HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
        async with asyncio.timeout(30):
            while (answer := await one.exchange(post(call("Server_Status"), basic()))).status == 200:
                pass
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert json.loads(answer.body)["error"]["code"] == -32000


async def test_every_answer_has_a_request_id_of_its_own(wire: Wire) -> None:
    ids = {(await told(wire, "Server_Status")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


async def test_the_manager_api_is_not_served_where_it_has_an_address_of_its_own(world: ApiWorld) -> None:
    async with world.served(manager=False) as listener, connected(listener.address[1]) as wire:
        answer = await wire.exchange(post(call("Server_Status"), basic()))
        assert answer.status == 404
        assert_well_formed(answer.body)


async def test_peoples_pages_are_not_served_at_the_manager_apis_own_address(world: ApiWorld) -> None:
    async with world.served(people=False) as listener, connected(listener.address[1]) as wire:
        assert (await wire.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).status == 404
        assert (await told(wire, "Server_Status")).status == 200


async def test_healthz_says_that_the_process_lives(wire: Wire) -> None:
    answer = await wire.exchange(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, json.loads(answer.body)) == (200, {"alive": True})


async def test_readyz_says_what_ails(world: ApiWorld, wire: Wire) -> None:
    world.mail.says = "refused"
    answer = await wire.exchange(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    parts = json.loads(answer.body)["parts"]
    assert (answer.status, parts["transports"]["mail"][0]["ok"]) == (200, False)


async def test_readyz_is_503_while_the_store_takes_no_writes(world: ApiWorld, wire: Wire) -> None:
    world.store.down = True
    assert (await wire.exchange(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")).status == 503


async def test_readyz_tells_strangers_no_details() -> None:
    world = ApiWorld(changes={"server": {"trusted_proxies": ["127.0.0.1"]}})
    async with world.served() as listener, connected(listener.address[1]) as wire:
        answer = await wire.exchange(b"GET /readyz HTTP/1.1\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n")
        assert json.loads(answer.body) == {"ready": True}


# The world is shared by all examples on purpose: none of them may break it for the next.
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@SHARED
@given(body=st.binary(max_size=300) | REQUESTS.map(lambda value: json.dumps(value).encode()))
async def test_whatever_is_posted_is_answered_in_json_and_never_with_500(wire: Wire, body: bytes) -> None:
    answer = await wire.exchange(post(body, basic()))
    assert answer.status in {200, 204}
    assert_well_formed(answer.body or None)


METHODS = st.sampled_from(
    ["PwReset.Send_Request", "Server_Status", "PwReset.Get_Request", "PwReset.List_Requests", "PwReset.Revoke_Request"]
)
NAMES = st.sampled_from(
    [
        "username",
        "domain",
        "method",
        "expires",
        "comments",
        "mfa",
        "id",
        "state",
        "limit",
        "cursor",
        "servers",
        "webapps",
        "websrvs",
    ]
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.just("jdoe")


@SHARED
@given(method=METHODS, params=st.dictionaries(NAMES, VALUES) | st.lists(VALUES, max_size=8))
async def test_whatever_params_a_method_gets_it_answers_in_json_and_without_a_bug(
    wire: Wire, method: str, params: object
) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1, "params": params}).encode()
    answer = await wire.exchange(post(body, basic()))
    assert answer.status == 200
    assert_well_formed(answer.body)
