"""The demo's mail and SMS catcher: a relay, a gateway, and an inbox page to look into.

All of it on loopback, all of it in memory. The page shows live links, so it answers only to loopback names: a page
elsewhere on the web cannot read it by pointing its own name at 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from pwreset.demo.caught import Box, Caught
from pwreset.demo.relay import RelayProtocol
from pwreset.settings import Server
from pwreset.web.listener import Listener, open_socket, stop_accepting

HERE = Path(__file__).parent / "inbox"
LONGEST_SMS = 64 * 1024
OPEN = 3  # so many messages are unfolded

# Mails are shown in frames that run no script; a frame of this kind inherits the page's policy. The one script is ours.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; frame-ancestors 'none'; base-uri 'self'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_TYPES = {"inbox.css": "text/css", "inbox.js": "text/javascript"}
_LINK = re.compile(r"https?://[^\s<>\"']+")


class Catcher:
    """An async context manager: inside it relay, gateway and inbox page are there.

    Ports are free ones unless given.
    """

    def __init__(self, smtp_port: int = 0, http_port: int = 0) -> None:
        self._ports = smtp_port, http_port
        self._box = Box()
        self._templates = Environment(
            loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.filters["linked"] = _linked
        self._templates.filters["framed"] = _framed
        self._relay: asyncio.Server | None = None
        self._listener: Listener | None = None
        self._clients: set[asyncio.Transport] = set()
        self.smtp_url = self.sms_url = self.inbox_url = ""

    @property
    def messages(self) -> tuple[Caught, ...]:
        """What was caught, newest first, the last 200."""
        return tuple(self._box)

    async def __aenter__(self) -> Self:
        smtp_port, http_port = self._ports
        loop = asyncio.get_running_loop()
        self._relay = await loop.create_server(
            partial(RelayProtocol, self._box.put_mail, self._clients), sock=open_socket(f"127.0.0.1:{smtp_port}")
        )
        self._listener = Listener(open_socket(f"127.0.0.1:{http_port}"), self._application(), Server())
        await self._listener.listen(None)
        self.smtp_url = f"smtp://127.0.0.1:{self._relay.sockets[0].getsockname()[1]}"
        base = f"http://127.0.0.1:{self._listener.address[1]}"
        self.sms_url, self.inbox_url = f"{base}/sms", f"{base}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._relay is not None:
            await stop_accepting(self._relay)
        for client in self._clients:
            client.abort()
        if self._listener is not None:
            await self._listener.stop()

    def _application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/count", self._count),
                Route("/sms", self._gateway, methods=["POST"]),
                Route("/{name}", _static),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])],
        )

    async def _page(self, _request: Request) -> Response:
        page = self._templates.get_template("inbox.html")
        messages = list(self._box)
        return HTMLResponse(
            page.render(
                mails=[message for message in messages if message.channel == "mail"],
                texts=[message for message in messages if message.channel == "sms"],
                count=self._box.count,
                unfolded=OPEN,
            ),
            headers=_HEADERS,
        )

    async def _count(self, _request: Request) -> Response:
        return PlainTextResponse(str(self._box.count), headers=_HEADERS)

    async def _gateway(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_SMS:
                return PlainTextResponse("too large", status_code=413)
        fields = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
        if not fields.get("to") or not fields.get("text"):
            return PlainTextResponse("to and text are needed", status_code=400)
        self._box.put_sms(fields.get("from", ""), fields["to"], fields["text"])
        return PlainTextResponse("accepted", status_code=202)


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES:
        return PlainTextResponse("not found", status_code=404)
    return Response((HERE / name).read_bytes(), media_type=_TYPES[name], headers=_HEADERS)


def _linked(text: str) -> Markup:
    """Escaped text with its addresses as links, as phones show it."""
    pieces, end = [], 0
    for match in _LINK.finditer(text):
        link = Markup('<a href="{0}" target="_blank" rel="noreferrer">{0}</a>').format(match[0])
        pieces += [escape(text[end : match.start()]), link]
        end = match.end()
    return Markup("").join([*pieces, escape(text[end:])])


def _framed(html: str) -> str:
    """A mail's HTML for a frame: its links open in a tab of their own, as a mail program would."""
    return html.replace("<head>", '<head><base target="_blank">', 1)
