"""SMS over an HTTP gateway that the settings describe.

What an answer means:

- one of `success_status`, with `success_pattern` in its body where one is set: sent.
- `refused_pattern` in the body: refused, whatever the status.
- no connection, no answer in time, 408, 425, 429, 5xx: deferred.
- 401, 403, 404, 405, 407, 3xx, an unexpected 2xx: deferred. These speak of our settings, not of the message.
- other 4xx: refused.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from datetime import timedelta
from time import monotonic

import httpx2

from pwreset.delivery import tls
from pwreset.delivery.gateway import Gateway, Request
from pwreset.errors import DeliveryDeferred, DeliveryRefused
from pwreset.reset.model import Channel, Envelope, ServerHealth
from pwreset.secret import Secret
from pwreset.settings import Sms

LONGEST_ANSWER = 65536  # what a pattern is looked for in; the rest is not read
ABOUT_OUR_SETTINGS = frozenset({401, 403, 404, 405, 407})
PASSING = frozenset({408, 425, 429})
FIRST_CLIENT_ERROR, FIRST_SERVER_ERROR = 400, 500


class HttpSmsTransport:
    """Implements `pwreset.reset.ports.Transport`. Raises SettingsError when the description cannot work."""

    def __init__(self, settings: Sms, password: Secret | None) -> None:
        self._settings = settings
        self._gateway = Gateway(settings, password)
        self._tls = tls.context(settings.ca_file, "sms.ca_file")
        self._success = re.compile(settings.success_pattern) if settings.success_pattern else None
        self._refused = re.compile(settings.refused_pattern) if settings.refused_pattern else None
        self._client = httpx2.AsyncClient(
            verify=self._tls,
            follow_redirects=False,  # a message with a live link goes to the address in the settings, nowhere else
            trust_env=False,
            timeout=settings.timeout_seconds,
        )

    @property
    def channel(self) -> Channel:
        """SMS."""
        return Channel.SMS

    async def send(self, envelope: Envelope) -> None:
        """Hand one message over. Raises DeliveryDeferred, DeliveryRefused."""
        try:
            request = self._gateway.request(
                envelope.recipient.address, envelope.content.text, envelope.id, envelope.report_url
            )
        except ValueError as error:
            raise DeliveryDeferred("a header of sms.headers cannot hold what it should") from error
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                status, body = await self._ask(request)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            trouble = tls.explain(error, "sms.ca_file")
            raise DeliveryDeferred(f"the gateway cannot be used: {trouble.detail}") from None
        self._judge(status, body)

    async def _ask(self, request: Request) -> tuple[int, str]:
        """Status and beginning of the body."""
        async with self._client.stream(
            self._settings.method, request.url, headers=dict(request.headers), content=request.body
        ) as response:
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) >= LONGEST_ANSWER:
                    break
            return response.status_code, body[:LONGEST_ANSWER].decode(errors="replace")

    def _judge(self, status: int, body: str) -> None:
        """See the top of this file."""
        if self._refused is not None and self._refused.search(body):
            raise DeliveryRefused(f"the gateway refused the message (HTTP {status}, refused_pattern)")
        if status in self._settings.success_status:
            if self._success is not None and not self._success.search(body):
                raise DeliveryDeferred(f"the gateway did not confirm the message (HTTP {status}, success_pattern)")
            return
        if is_final(status):
            raise DeliveryRefused(f"the gateway refused the message (HTTP {status})")
        raise DeliveryDeferred(f"the gateway did not take the message (HTTP {status})")

    async def health(self) -> ServerHealth:
        """Connect, with TLS where it is https, and leave again: most gateways have nothing to ask without a price.

        Never raises.
        """
        context = self._tls if self._gateway.secure else None
        gateway = self._gateway
        return await reached(gateway.name, gateway.host, gateway.port, context, self._settings.timeout_seconds)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def is_final(status: int) -> bool:
    """Whether an HTTP status speaks of the message, so that trying again is of no use."""
    return FIRST_CLIENT_ERROR <= status < FIRST_SERVER_ERROR and status not in ABOUT_OUR_SETTINGS | PASSING


async def reached(name: str, host: str, port: int, context: ssl.SSLContext | None, seconds: float) -> ServerHealth:
    """Whether a connection can be made, with TLS where there is a context. Never raises."""
    started = monotonic()
    trouble: tls.Trouble | None = None
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        trouble = tls.explain(error, "sms.ca_file")
    else:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()
    return ServerHealth(
        name,
        ok=trouble is None,
        detail=trouble.detail if trouble else "",
        advice=trouble.advice if trouble else "",
        by_certificate=trouble is not None and trouble.by_certificate,
        took=timedelta(seconds=monotonic() - started),
    )
