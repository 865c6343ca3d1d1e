"""The address to which an SMS gateway tells what became of a message: `/report/<token>`.

Gateways do as they like: a GET with everything in the address (Kannel), a form (Twilio), JSON (Vonage). Whatever comes,
the answer is the same empty 204, whether the token is ours, the word known, the report new or none of it; only a store
that is away is told (503), to whoever has a token of ours, so that he comes again.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope

from pwreset.errors import StoreUnavailable
from pwreset.reset.ports import Limit
from pwreset.reset.reports import PATH, take_report
from pwreset.reset.services import Services
from pwreset.reset.tokens import read_token
from pwreset.web.access import Networks
from pwreset.web.answer import NO_STORE, Answer
from pwreset.web.security import network_of

ROUTE = "/report/***"
LARGEST_BODY = 16 * 1024
MOST_FIELDS = 100
LONGEST_WORD = 64
MINUTE = timedelta(minutes=1)

_decode = msgspec.json.Decoder().decode


class Reports:
    """Answers `/report/...`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._allowed = Networks(services.settings.sms.report_networks)
        self._limit = Limit(services.settings.limits.reports_per_address_per_minute, MINUTE)
        self._field = services.settings.sms.report_field

    def take(self, path: str, address: str) -> bool:
        """Whether this path is one of reports, and this client may bring some. To all others there is no such page."""
        return (
            path.startswith(PATH) and self._services.settings.sms.report_url is not None and self._allowed.hold(address)
        )

    async def answer(self, scope: Scope, receive: Receive, address: str) -> Answer:
        """Take one report. HEAD does nothing."""
        services = self._services
        key = f"report:{network_of(address)}"
        wait = await services.counters.take(key, self._limit, services.clock.now())
        if wait is not None:
            return _silence(429, (b"retry-after", b"%d" % max(1, ceil(wait.total_seconds()))))
        if scope["method"] == "HEAD":
            return _silence()
        if scope["method"] not in ("GET", "POST"):
            return _silence(405, (b"allow", b"GET, HEAD, POST"))
        body = await _body(receive)
        if body is None:
            return _silence(204, (b"connection", b"close"))
        token = read_token(scope["path"].removeprefix(PATH))
        word = _word(scope["query_string"], body, self._field)
        if token is not None and word is not None:
            try:
                await take_report(token, word, services)
            except StoreUnavailable:
                return _silence(503, (b"retry-after", b"60"))
        return _silence()


def _silence(status: int = 204, *headers: tuple[bytes, bytes]) -> Answer:
    return Answer(status, b"", [NO_STORE, *headers])


async def _body(receive: Receive) -> bytes | None:
    """The body; None when it is too large or the client hung up."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY:
            return None
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _word(query: bytes, body: bytes, field: str) -> str | None:
    """What the field says, wherever it stands; None when it stands nowhere."""
    texts = (query, body) if not body.lstrip().startswith(b"{") else (query,)
    for text in texts:
        for name, value in _pairs(text):
            if name == field:
                return value[:LONGEST_WORD]
    return _in_json(body, field) if len(texts) == 1 else None


def _pairs(text: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return []


def _in_json(body: bytes, field: str) -> str | None:
    try:
        found = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    for name in field.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return str(found)[:LONGEST_WORD] if type(found) in (str, int) else None
