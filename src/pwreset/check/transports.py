"""The relay and the gateway, as far as they can be tried without sending anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from cryptography import x509

from pwreset.check.peers import of_gateway, of_relay, with_certificate
from pwreset.delivery.mail import read_relay
from pwreset.reset.findings import Finding, Part, State
from pwreset.reset.model import Channel, DeliveryMode
from pwreset.reset.services import Services

PARTS = {Channel.MAIL: Part.MAIL, Channel.SMS: Part.SMS}
HTTPS_PORT = 443


async def of_transports(services: Services) -> list[Finding]:
    """Each that is set, then each that is missing."""
    channels = list(services.transports)
    tried = await asyncio.gather(*(_of_transport(channel, services) for channel in channels))
    return [*(finding for findings in tried for finding in findings), *_of_missing(services)]


async def _of_transport(channel: Channel, services: Services) -> list[Finding]:
    seen = await services.transports[channel].health()
    certificate = await _certificate_of(channel, services)
    state = State.OK if seen.ok else State.FAILED
    finding = Finding(PARTS[channel], state, seen.detail or "lets us in", seen.advice, seen.name)
    finding = replace(finding, by_certificate=seen.by_certificate)
    return with_certificate(finding, certificate)


async def _certificate_of(channel: Channel, services: Services) -> x509.Certificate | None:
    if channel is Channel.MAIL:
        return await of_relay(read_relay(services.settings.mail))
    gateway = urlsplit(services.settings.sms.url or "")
    if gateway.scheme != "https" or not gateway.hostname:
        return None
    return await of_gateway(gateway.hostname, gateway.port or HTTPS_PORT)


def _of_missing(services: Services) -> Iterator[Finding]:
    """A mode that is the default but has no transport makes every plain call fail."""
    mode = DeliveryMode(services.settings.links.delivery_mode)
    for channel in mode.channels:
        if channel not in services.transports:
            yield Finding(
                PARTS[channel],
                State.FAILED,
                f"links.delivery_mode is {mode.value}, but {channel.value}.url is not set",
                f"Set {channel.value}.url, or another delivery mode.",
            )
