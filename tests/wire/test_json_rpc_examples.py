"""The examples of the JSON-RPC 2.0 specification, section 7, on methods made for them."""

from __future__ import annotations

import asyncio
import json

import pytest

from pwreset.web.params import Params
from pwreset.web.rpc import Dispatcher, Method, Outcome


async def subtract(raw: object, _context: None) -> Outcome:
    params = Params(raw, ("minuend", "subtrahend"))
    return Outcome((params.optional_whole("minuend") or 0) - (params.optional_whole("subtrahend") or 0))


async def total(raw: object, _context: None) -> Outcome:
    assert isinstance(raw, list)
    return Outcome(sum(raw))


async def get_data(_raw: object, _context: None) -> Outcome:
    return Outcome(["hello", 5])


async def nothing(_raw: object, _context: None) -> Outcome:
    return Outcome(None)


DISPATCHER: Dispatcher[None] = Dispatcher(
    (
        Method("subtract", subtract),
        Method("sum", total),
        Method("get_data", get_data),
        Method("update", nothing),
        Method("notify_hello", nothing),
        Method("notify_sum", nothing),
    )
)


async def answer(request: str) -> object:
    """The answer, the error's `data` left out: the specification says nothing of it."""
    reply = await DISPATCHER.answer(request.encode(), None)
    if reply.body is None:
        return None
    parsed = json.loads(reply.body)
    for one in parsed if isinstance(parsed, list) else [parsed]:
        one.get("error", {}).pop("data", None)
    return parsed


def error(code: int, message: str, call_id: object = None) -> dict[str, object]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": call_id}


INVALID = error(-32600, "Invalid Request")
PARSE = error(-32700, "Parse error")

EXAMPLES = [
    (
        "positional parameters",
        '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
        {"jsonrpc": "2.0", "result": 19, "id": 1},
    ),
    (
        "positional parameters, the other way round",
        '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
        {"jsonrpc": "2.0", "result": -19, "id": 2},
    ),
    (
        "named parameters",
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
        {"jsonrpc": "2.0", "result": 19, "id": 3},
    ),
    (
        "named parameters in another order",
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
        {"jsonrpc": "2.0", "result": 19, "id": 4},
    ),
    ("a notification", '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    ("a notification of an unknown method", '{"jsonrpc": "2.0", "method": "foobar"}', None),
    (
        "an unknown method",
        '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
        error(-32601, "Method not found", "1"),
    ),
    ("invalid JSON", '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', PARSE),
    ("an invalid request object", '{"jsonrpc": "2.0", "method": 1, "params": "bar"}', INVALID),
    (
        "a batch of invalid JSON",
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"',
        PARSE,
    ),
    ("an empty array", "[]", INVALID),
    ("an invalid batch that is not empty", "[1]", [INVALID]),
    ("an invalid batch", "[1,2,3]", [INVALID, INVALID, INVALID]),
    (
        "a batch",
        """[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
            {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]""",
        [
            {"jsonrpc": "2.0", "result": 7, "id": "1"},
            {"jsonrpc": "2.0", "result": 19, "id": "2"},
            INVALID,
            error(-32601, "Method not found", "5"),
            {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"},
        ],
    ),
    (
        "a batch of notifications alone",
        """[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]""",
        None,
    ),
]


@pytest.mark.parametrize(("request_text", "expected"), [row[1:] for row in EXAMPLES], ids=[row[0] for row in EXAMPLES])
async def test_the_examples_of_the_specification_are_answered_as_printed(request_text: str, expected: object) -> None:
    assert await answer(request_text) == expected


async def test_a_batch_is_answered_in_the_order_of_its_requests_whatever_ends_first() -> None:
    gate = asyncio.Event()

    async def slow(_raw: object, _context: None) -> Outcome:
        await gate.wait()
        return Outcome("slow")

    async def quick(_raw: object, _context: None) -> Outcome:
        gate.set()
        return Outcome("quick")

    dispatcher: Dispatcher[None] = Dispatcher((Method("slow", slow), Method("quick", quick)))
    batch = b'[{"jsonrpc":"2.0","method":"slow","id":1},{"jsonrpc":"2.0","method":"quick","id":2}]'
    reply = await dispatcher.answer(batch, None)
    assert reply.body is not None
    assert [one["result"] for one in json.loads(reply.body)] == ["slow", "quick"]


async def test_a_batch_runs_at_most_thirty_two_calls_at_once() -> None:
    running, most = 0, 0

    async def count(_raw: object, _context: None) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return Outcome(None)

    dispatcher: Dispatcher[None] = Dispatcher((Method("count", count),))
    batch = json.dumps([{"jsonrpc": "2.0", "method": "count", "id": number} for number in range(200)])
    await dispatcher.answer(batch.encode(), None)
    assert most == 32


@pytest.mark.parametrize("wrong", [TypeError("missing 1 required positional argument"), KeyError("cn=admin"), None])
async def test_a_bug_in_a_method_is_an_internal_error_without_its_words(wrong: Exception | None) -> None:
    async def broken(_raw: object, _context: None) -> Outcome:
        if wrong is not None:
            raise wrong
        return Outcome(object())  # nothing that JSON could hold

    dispatcher: Dispatcher[None] = Dispatcher((Method("broken", broken),))
    reply = await dispatcher.answer(b'{"jsonrpc":"2.0","method":"broken","id":7}', None)
    assert reply.body is not None
    assert b"cn=admin" not in reply.body
    assert b"argument" not in reply.body
    told = json.loads(reply.body)
    assert (told["error"]["code"], told["error"]["message"], told["id"]) == (-32603, "Internal error", 7)
