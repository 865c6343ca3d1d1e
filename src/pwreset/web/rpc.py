"""The JSON-RPC 2.0 envelope (https://www.jsonrpc.org/specification). Knows no method.

    body -> calls -> each one run -> replies -> body

Bytes in, bytes out: whatever comes in, the answer is JSON, or nothing where only notifications came in. A notification
is never carried out: nobody would hold what it makes.
"""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Generic, TypeVar

import msgspec

from pwreset import logs
from pwreset.logs import correlation

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000
# The specification's own texts; what people are to read is in `data`.
MESSAGES = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
    SERVER_ERROR: "Server error",
}
DEEPEST = 20
LARGEST_BATCH = 1000
AT_ONCE = 32  # calls of one batch that run side by side
LONGEST_ECHO = 200

Headers = tuple[tuple[str, str], ...]
Context = TypeVar("Context")
log = logs.get("rpc")


class Fraction:
    """A number with a point or an exponent. No parameter of ours is one, so its value is not kept."""

    __slots__ = ()

    def __init__(self, _text: str) -> None: ...


class Failure(Exception):
    """A call fails with this code; `data` is for people. `headers` go out when the call came alone."""

    def __init__(self, code: int, data: str, headers: Headers = ()) -> None:
        self.code = code
        self.data = data
        self.headers = headers
        super().__init__(data)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method gives back: anything that msgspec writes as JSON. `headers` go out when the call came alone."""

    result: object
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a body; None when there is nothing to answer."""

    body: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Method(Generic[Context]):
    """One method: its name as documented, and what runs it with the raw params."""

    name: str
    run: Callable[[object, Context], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class _Call:
    """One request object, checked. `id` is the JSON text as it was sent; None: a notification."""

    method: str
    params: object
    id: bytes | None


class _IdOnly(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(float_hook=Fraction).decode
_decode_id = msgspec.json.Decoder(_IdOnly).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def _tell_nobody(_method: str, _outcome: str) -> None:
    """Nobody counts."""


class Dispatcher(Generic[Context]):
    """Answers bodies with these methods. Names match without regard to letter case."""

    def __init__(self, methods: tuple[Method[Context], ...], tell: Callable[[str, str], None] = _tell_nobody) -> None:
        """`tell` is told of each call the method's documented name, or `unknown`, and `ok` or the code of its error."""
        self._tell = tell
        self._methods: Mapping[str, Method[Context]] = {method.name.casefold(): method for method in methods}

    async def answer(self, body: bytes, context: Context) -> Reply:
        """The reply to a body. Never raises but for a cancelled task."""
        try:
            text = as_utf8(body)
            tree = _read(text)
            if not isinstance(tree, list):
                return await self._single(_call(tree, text), context)
            return await self._batch(_items(tree, text), context)
        except Failure as failure:
            return Reply(error_body(failure), failure.headers)

    async def _single(self, call: _Call | _Misshapen, context: Context) -> Reply:
        if isinstance(call, _Misshapen):
            return Reply(error_body(call, call.id or b"null"))
        if call.id is None:
            self._note(call)
            return Reply(None)
        try:
            outcome = await self._run(call, context)
            self._tell(self._known(call), "ok")
            return Reply(_result_body(outcome.result, call.id), outcome.headers)
        except Failure as failure:
            self._tell(self._known(call), str(failure.code))
            return Reply(error_body(failure, call.id), failure.headers)
        except Exception as error:
            self._tell(self._known(call), str(INTERNAL_ERROR))
            log.error("method failed", method=self._known(call), exc_info=error)  # noqa: TRY400
            return Reply(error_body(internal_error(), call.id))

    async def _batch(self, calls: list[_Call | _Misshapen], context: Context) -> Reply:
        """Replies in the order of the requests, whatever order they end in."""
        replies: list[bytes | None] = [None] * len(calls)
        waiting = iter(enumerate(calls))

        async def work() -> None:
            for position, call in waiting:
                replies[position] = (await self._single(call, context)).body

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(calls))):
                group.create_task(work())
        answered = [reply for reply in replies if reply is not None]
        return Reply(b"[" + b",".join(answered) + b"]" if answered else None)

    async def _run(self, call: _Call, context: Context) -> Outcome:
        method = self._methods.get(call.method.casefold())
        if method is None:
            raise Failure(METHOD_NOT_FOUND, call.method[:LONGEST_ECHO])
        return await method.run(call.params, context)

    def _note(self, call: _Call) -> None:
        log.warning("notification not carried out", method=self._known(call))

    def _known(self, call: _Call) -> str:
        """The method's documented name; a caller's own words are not logged."""
        method = self._methods.get(call.method.casefold())
        return method.name if method else "unknown"


class _Misshapen(Failure):
    """Not a request; `id` is its id as far as one could be read."""

    def __init__(self, data: str, call_id: bytes | None = None) -> None:
        self.id = call_id
        super().__init__(INVALID_REQUEST, data)


def internal_error() -> Failure:
    """A bug or an unplanned failure: fixed words and the request id, by which the log line is found."""
    return Failure(INTERNAL_ERROR, f"Internal error; request id {correlation.get()}")


def error_body(failure: Failure, call_id: bytes = b"null") -> bytes:
    """A reply with an error."""
    error = {"code": failure.code, "message": MESSAGES[failure.code], "data": failure.data}
    return _as_ascii(b'{"jsonrpc":"2.0","error":' + _encode(error) + b',"id":' + call_id + b"}")


def id_in(body: bytes) -> bytes:
    """The id of a body that holds a single request and is not going to be carried out; else `null`."""
    try:
        text = as_utf8(body)
        call = _call(_read(text), text)
    except Failure:
        return b"null"
    return call.id or b"null"


def as_utf8(body: bytes) -> bytes:
    """The body in UTF-8. What is no UTF-8 is taken for latin-1: PowerShell before 7.4 sends ISO-8859-1."""
    if body.startswith(codecs.BOM_UTF8):
        return as_utf8(body[len(codecs.BOM_UTF8) :])
    if body.isascii():
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1").encode()
    return body


def _read(text: bytes) -> object:
    """The JSON in a text. Raises Failure when it is none, too deep, or ambiguous."""
    try:
        tree = _decode(text)
    except RecursionError:
        raise _Misshapen(f"Nested deeper than {DEEPEST} levels") from None
    except msgspec.ValidationError:
        raise _Misshapen("A number has too many digits") from None
    except msgspec.DecodeError as error:
        where = "" if "(byte" in str(error) else f" (byte {len(text)})"
        raise Failure(PARSE_ERROR, f"{error}{where}") from None
    depth, names = _measure(tree)
    if depth > DEEPEST:
        raise _Misshapen(f"Nested deeper than {DEEPEST} levels")
    # Each name comes with a colon. More colons than names: there are some within strings, or a name came twice.
    if text.count(b":") > names and _repeats_a_name(text):
        raise _Misshapen("A name occurs twice in one object")
    return tree


def _measure(tree: object) -> tuple[int, int]:
    """How deep a tree is, and how many names its objects have. Done for each call: as quick as it gets."""
    depth, names = 0, 0
    level: list[object] = [tree] if isinstance(tree, (dict, list)) else []
    while level:
        depth += 1
        inner: list[object] = []
        for value in level:
            children: Iterable[object] = ()
            if isinstance(value, dict):
                names += len(value)
                children = value.values()
            elif isinstance(value, list):
                children = value
            inner += [child for child in children if isinstance(child, (dict, list))]
        level = inner
    return depth, names


def _repeats_a_name(text: bytes) -> bool:
    repeated = False

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal repeated
        repeated = repeated or len(dict(pairs)) != len(pairs)

    # Numbers stay text: the standard library refuses long ones.
    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return repeated


def _items(batch: list[object], text: bytes) -> list[_Call | _Misshapen]:
    """The calls of a batch. Raises Failure for a batch that is none."""
    if not batch:
        raise _Misshapen("The batch is empty")
    if len(batch) > LARGEST_BATCH:
        raise _Misshapen(f"More than {LARGEST_BATCH} calls in one batch")
    return [_call(item, bytes(raw)) for item, raw in zip(batch, _split(text), strict=True)]


def _call(item: object, text: bytes) -> _Call | _Misshapen:
    """One request object, or what is wrong with it."""
    if not isinstance(item, dict):
        return _Misshapen("A request must be an object")
    call_id = None
    if "id" in item:
        if isinstance(item["id"], bool) or not isinstance(item["id"], (str, int, Fraction, NoneType)):
            return _Misshapen("id must be a string, a number or null")
        call_id = bytes(_decode_id(text).id)
    if item.get("jsonrpc") != "2.0":
        return _Misshapen('jsonrpc must be "2.0"', call_id)
    if not isinstance(item.get("method"), str):
        return _Misshapen("method must be a string", call_id)
    params = item.get("params", {})
    if not isinstance(params, (dict, list)):
        return _Misshapen("params must be an object or an array", call_id)
    return _Call(item["method"], params, call_id)


def _result_body(result: object, call_id: bytes) -> bytes:
    return _as_ascii(b'{"jsonrpc":"2.0","result":' + _encode(result) + b',"id":' + call_id + b"}")


def _as_ascii(body: bytes) -> bytes:
    """JSON with all that is not ASCII escaped: PowerShell before 7 reads an answer as ISO-8859-1."""
    return body if body.isascii() else body.decode().encode("ascii", _ESCAPES)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


_ESCAPES = "pwreset-json"
codecs.register_error(_ESCAPES, _escape)
