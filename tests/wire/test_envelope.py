"""The JSON-RPC envelope beyond the specification's examples: PROTOCOL's own rules, and arbitrary input."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.web.rpc import Dispatcher, Method, Outcome, id_in

CODES = {-32700, -32600, -32601, -32602, -32603, -32000}
MESSAGES = {"Parse error", "Invalid Request", "Method not found", "Invalid params", "Internal error", "Server error"}


async def echo(raw: object, _context: None) -> Outcome:
    return Outcome(repr(raw))


DISPATCHER: Dispatcher[None] = Dispatcher((Method("Some.Echo", echo),))


async def raw_answer(body: bytes) -> bytes:
    reply = await DISPATCHER.answer(body, None)
    assert reply.body is not None
    return reply.body


async def failure(body: bytes) -> tuple[int, str]:
    told = json.loads(await raw_answer(body))
    return told["error"]["code"], told["error"]["data"]


def call(**members: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": "some.echo", "id": 1, **members}).encode()


@pytest.mark.parametrize(
    "call_id",
    [
        "0",
        "-0",
        "1",
        "-7",
        "1.5",
        "1.0",
        "1e3",
        "1E+3",
        "0.10",
        "null",
        '""',
        '"a b"',
        '"\\u0041\\n"',
        "9" * 400,
        "1e999",
    ],
)
async def test_an_id_is_echoed_as_it_was_sent(call_id: str) -> None:
    answer = await raw_answer(b'{"jsonrpc":"2.0","method":"some.echo", "id" : %s }' % call_id.encode())
    assert answer.endswith(b',"id":%s}' % call_id.encode())


@pytest.mark.parametrize("call_id", ["true", "false", "{}", "[]", "[1]"])
async def test_an_id_that_is_neither_string_number_nor_null_is_refused_under_null(call_id: str) -> None:
    answer = await raw_answer(b'{"jsonrpc":"2.0","method":"some.echo","id":%s}' % call_id.encode())
    assert json.loads(answer)["error"]["code"] == -32600
    assert json.loads(answer)["id"] is None


async def test_an_id_outside_ascii_comes_back_as_the_same_string_in_ascii() -> None:
    answer = await raw_answer('{"jsonrpc":"2.0","method":"some.echo","id":"Zoë 🔑"}'.encode())
    assert answer.isascii()
    assert json.loads(answer)["id"] == "Zoë 🔑"


async def test_a_call_with_id_zero_is_an_ordinary_call() -> None:
    assert json.loads(await raw_answer(call(id=0)))["id"] == 0


async def test_a_call_with_id_null_is_no_notification() -> None:
    assert json.loads(await raw_answer(call(id=None)))["result"] == "{}"


@pytest.mark.parametrize("members", [{}, {"params": {}}])
async def test_absent_params_and_an_empty_object_are_the_same(members: dict[str, object]) -> None:
    assert json.loads(await raw_answer(call(**members)))["result"] == "{}"


@pytest.mark.parametrize("params", [None, "bar", 1, True])
async def test_params_that_are_no_structure_are_an_invalid_request(params: object) -> None:
    assert (await failure(call(params=params)))[0] == -32600


@pytest.mark.parametrize("name", ["some.echo", "SOME.ECHO", "Some.Echo"])
async def test_method_names_match_without_regard_to_letter_case(name: str) -> None:
    assert "result" in json.loads(await raw_answer(call(method=name)))


async def test_an_unknown_method_is_told_by_its_name() -> None:
    assert await failure(call(method="No.Such")) == (-32601, "No.Such")


async def test_a_name_that_begins_with_rpc_is_an_unknown_method() -> None:
    assert (await failure(call(method="rpc.discover")))[0] == -32601


@pytest.mark.parametrize("version", ["1.0", 2.0, 2, None, "", "2"])
async def test_another_version_is_an_invalid_request_and_its_id_is_told(version: object) -> None:
    answer = json.loads(await raw_answer(call(jsonrpc=version)))
    assert (answer["error"]["code"], answer["id"]) == (-32600, 1)


async def test_an_error_never_stands_beside_a_result() -> None:
    assert set(json.loads(await raw_answer(call()))) == {"jsonrpc", "result", "id"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"{]",
        b"nul",
        b"NaN",
        b"[NaN]",
        b'{"id":Infinity}',
        b"'a'",
        b'{"a":1,}',
        b"[1,]",
        b"{} {}",
        b"{}x",
        b"\x00",
        b'"\\ud800"',
        b'{"a":"\\udfff"}',
        b'"\x01"',
        b"0x1",
        b"01",
        b"<?xml version='1.0'?>",
        b"jsonrpc=2.0&method=x",
    ],
)
async def test_what_is_not_json_is_a_parse_error_that_says_where(body: bytes) -> None:
    code, data = await failure(body)
    assert code == -32700
    assert "(byte " in data


@pytest.mark.parametrize("body", [b"1", b"null", b"true", b'"a"', b"{}", b'{"jsonrpc":"2.0"}'])
async def test_json_that_is_no_request_is_an_invalid_request(body: bytes) -> None:
    assert (await failure(body))[0] == -32600


@pytest.mark.parametrize("text", ["é", "Zoë Ångström", "ÿþ"])
async def test_a_body_in_latin_1_is_read_as_one(text: str) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": "some.echo", "params": [text], "id": 1}, ensure_ascii=False).encode(
        "latin-1"
    )
    assert json.loads(await raw_answer(body))["result"] == repr([text])


async def test_a_byte_order_mark_is_skipped() -> None:
    assert "result" in json.loads(await raw_answer(b"\xef\xbb\xbf" + call()))


async def test_an_object_nested_twenty_deep_is_read() -> None:
    params = "[" * 19 + "]" * 19
    assert "result" in json.loads(
        await raw_answer(b'{"jsonrpc":"2.0","method":"some.echo","params":%s,"id":1}' % params.encode())
    )


@pytest.mark.parametrize("depth", [20, 21, 900, 5_000, 500_000])
async def test_deeper_nesting_is_refused(depth: int) -> None:
    params = "[" * depth + "]" * depth
    body = b'{"jsonrpc":"2.0","method":"some.echo","params":%s,"id":1}' % params.encode()
    assert await failure(body) == (-32600, "Nested deeper than 20 levels")


async def test_brackets_within_a_string_are_no_nesting() -> None:
    assert "result" in json.loads(await raw_answer(call(params=["[{" * 100])))


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","method":"some.echo","id":1,"id":2}',
        b'{"jsonrpc":"2.0","method":"some.echo","params":{"username":"jane","username":"admin"},"id":1}',
        b'{"jsonrpc":"2.0","method":"some.echo","params":{"a":{"b":1,"\\u0062":2}},"id":1}',
    ],
)
async def test_a_name_that_comes_twice_is_refused(body: bytes) -> None:
    assert await failure(body) == (-32600, "A name occurs twice in one object")


async def test_colons_within_strings_are_no_names() -> None:
    assert "result" in json.loads(await raw_answer(call(params={"comments": "see: https://example.org/?a:b"})))


@pytest.mark.parametrize(("count", "is_served"), [(1000, True), (1001, False)])
async def test_a_batch_holds_at_most_a_thousand_calls(count: int, is_served: bool) -> None:
    answer = json.loads(await raw_answer(b"[" + b",".join([call()] * count) + b"]"))
    assert (isinstance(answer, list) and len(answer) == count) is is_served
    assert is_served or answer["error"]["data"] == "More than 1000 calls in one batch"


async def test_a_lone_notification_is_not_answered() -> None:
    assert (await DISPATCHER.answer(b'{"jsonrpc":"2.0","method":"some.echo"}', None)).body is None


async def test_a_notification_is_not_carried_out() -> None:
    done: list[object] = []

    async def act(raw: object, _context: None) -> Outcome:
        done.append(raw)
        return Outcome(None)

    dispatcher: Dispatcher[None] = Dispatcher((Method("act", act),))
    await dispatcher.answer(b'{"jsonrpc":"2.0","method":"act"}', None)
    await dispatcher.answer(b'[{"jsonrpc":"2.0","method":"act"},{"jsonrpc":"2.0","method":"act","id":1}]', None)
    assert len(done) == 1


async def test_a_number_with_thousands_of_digits_is_refused_not_computed() -> None:
    assert (await failure(b'{"jsonrpc":"2.0","method":"some.echo","id":1,"params":[%s]}' % (b"9" * 100_000)))[
        0
    ] == -32600


@pytest.mark.parametrize(
    ("body", "expected"),
    [(call(id="x"), b'"x"'), (b"{", b"null"), (b"[]", b"null"), (b'{"id":5}', b"5"), (call(id=True), b"null")],
)
def test_the_id_of_a_call_that_is_refused_unread_is_found_if_there_is_one(body: bytes, expected: bytes) -> None:
    assert id_in(body) == expected


def replies_in(answer: bytes) -> Iterator[dict[str, object]]:
    parsed = json.loads(answer)
    for reply in parsed if isinstance(parsed, list) else [parsed]:
        assert isinstance(reply, dict)
        yield reply


def assert_well_formed(answer: bytes | None) -> None:
    if answer is None:
        return
    for reply in replies_in(answer):
        assert reply["jsonrpc"] == "2.0"
        assert isinstance(reply["id"], (str, int, float, type(None)))
        assert ("result" in reply) != ("error" in reply)
        if "error" in reply:
            error = reply["error"]
            assert isinstance(error, dict)
            assert set(error) == {"code", "message", "data"}
            assert error["code"] in CODES - {-32603}
            assert error["message"] in MESSAGES
            assert isinstance(error["data"], str)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=25,
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON_VALUES,
        "method": st.just("some.echo") | JSON_VALUES,
        "params": JSON_VALUES,
        "id": JSON_VALUES,
    },
)


@given(st.binary(max_size=400))
async def test_arbitrary_bytes_get_a_well_formed_answer(body: bytes) -> None:
    assert_well_formed((await DISPATCHER.answer(body, None)).body)


@given(JSON_VALUES)
async def test_arbitrary_json_gets_a_well_formed_answer(value: object) -> None:
    assert_well_formed((await DISPATCHER.answer(json.dumps(value).encode(), None)).body)


@given(REQUESTS | st.lists(REQUESTS, max_size=5), st.booleans())
async def test_anything_like_a_request_gets_a_well_formed_answer(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert_well_formed((await DISPATCHER.answer(text.encode(errors="surrogatepass"), None)).body)


@given(REQUESTS, st.integers(min_value=0), st.binary(max_size=3))
async def test_a_damaged_request_gets_a_well_formed_answer(value: object, place: int, damage: bytes) -> None:
    body = json.dumps(value).encode()
    place %= len(body) + 1
    assert_well_formed((await DISPATCHER.answer(body[:place] + damage + body[place + 1 :], None)).body)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
async def test_whatever_text_comes_in_as_an_id_comes_out_the_same(text: str) -> None:
    assert json.loads(await raw_answer(call(id=text)))["id"] == text
