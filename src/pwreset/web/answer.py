"""An answer made without Starlette's Response: for the Manager API's quick path and for what the application says."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from starlette.types import Send

RawHeaders = list[tuple[bytes, bytes]]
JSON = (b"content-type", b"application/json")
PLAIN = (b"content-type", b"text/plain; charset=utf-8")
NO_STORE = (b"cache-control", b"no-store")
NO_SNIFF = (b"x-content-type-options", b"nosniff")


@dataclass(slots=True)
class Answer:
    """Status, headers and body; a `Content-Length` is added."""

    status: int
    body: bytes
    headers: RawHeaders = field(default_factory=list)

    async def send(self, send: Send, *more: tuple[bytes, bytes]) -> None:
        """Hand it to the server, with more headers."""
        headers = [*self.headers, *more]
        if self.status != 204:  # noqa: PLR2004 - RFC 9110, section 8.6: a 204 has no Content-Length
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_answer(status: int, value: object) -> Answer:
    """A value as JSON."""
    return Answer(status, msgspec.json.encode(value), [JSON, NO_STORE, NO_SNIFF])


def plain_answer(status: int, words: str) -> Answer:
    """A sentence for people."""
    return Answer(status, words.encode() + b"\n", [PLAIN, NO_STORE, NO_SNIFF])
