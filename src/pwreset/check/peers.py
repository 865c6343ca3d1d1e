"""What another server's certificate says: read without trusting it, to be shown and for nothing else.

A connection that fails for its certificate says only that it does. Whoever is to mend it wants to know which certificate
came, for whom, from whom, and until when.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiosmtplib
from cryptography import x509
from cryptography.x509.oid import NameOID

from pwreset.delivery.mail import Relay
from pwreset.directory.connection import Server, certificate_shown, shows_anything
from pwreset.reset.findings import Finding, Part, State

SECONDS = 5.0
SOON_DAYS = 21
MOST_NAMES = 5


async def of_directory(server: Server) -> x509.Certificate | None:
    """The certificate of a directory server, by ldaps:// or StartTLS; None where none can be had."""
    if not server.encrypted:
        return None
    return _read(await asyncio.to_thread(certificate_shown, server, SECONDS))


async def of_relay(relay: Relay) -> x509.Certificate | None:
    """The relay's, by smtps:// or STARTTLS."""
    if relay.start_tls is False and not relay.implicit_tls:
        return None
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        timeout=SECONDS,
        use_tls=relay.implicit_tls,
        start_tls=False,
        tls_context=shows_anything(),
        local_hostname="localhost",
    )
    try:
        await client.connect()
        if not relay.implicit_tls:
            await client.ehlo()
            await client.starttls()
        channel = client.transport.get_extra_info("ssl_object") if client.transport is not None else None
        return _read(channel.getpeercert(binary_form=True) if channel is not None else None)
    except (aiosmtplib.SMTPException, OSError, ValueError):
        return None
    finally:
        client.close()


async def of_gateway(host: str, port: int) -> x509.Certificate | None:
    """The gateway's, by https."""
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=shows_anything())
    except (OSError, TimeoutError):
        return None
    channel: ssl.SSLObject = writer.get_extra_info("ssl_object")
    try:
        return _read(channel.getpeercert(binary_form=True))
    finally:
        writer.transport.abort()


def with_certificate(finding: Finding, certificate: x509.Certificate | None) -> list[Finding]:
    """The finding, with what the certificate says where that explains a failure; and one more if it expires soon."""
    if certificate is None:
        return [finding]
    if finding.state is State.FAILED and not finding.by_certificate:
        return [finding]
    if finding.by_certificate:
        return [replace(finding, detail=f"{finding.detail} ({described(certificate)})")]
    left = days_left(certificate)
    if left >= SOON_DAYS:
        return [finding]
    soon = Finding(
        Part.CERTIFICATE,
        State.WARNING,
        f"its certificate is valid for {left} days more: {described(certificate)}",
        "Have it renewed before: without it pwreset does not talk to this server.",
        finding.subject,
        finding.domain,
    )
    return [finding, soon]


def described(certificate: x509.Certificate) -> str:
    """For whom it is, from whom, from when until when."""
    names = names_of(certificate)
    told = ", ".join(names[:MOST_NAMES]) + (" ..." if len(names) > MOST_NAMES else "")
    issuers = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    issuer = _printable(str(issuers[0].value)) if issuers else _printable(certificate.issuer.rfc4514_string())
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (
        f"the certificate is for {told or 'no name'}, issued by {issuer or 'nobody'}, "
        f"valid from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
    )


def names_of(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that it is for (RFC 6125: the subject's own name does not count)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    hosts = [_printable(name) for name in names.get_values_for_type(x509.DNSName)]
    return [*hosts, *map(str, names.get_values_for_type(x509.IPAddress))]


def days_left(certificate: x509.Certificate) -> int:
    """Whole days; negative when it has expired."""
    return (certificate.not_valid_after_utc - datetime.now(UTC)) // timedelta(days=1)


def _read(der: bytes | None) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der) if der else None
    except ValueError:
        return None


def _printable(text: str) -> str:
    """Whoever sent it may be anybody: nothing that a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)[:200]
