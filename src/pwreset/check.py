"""`pwreset check`: everything the service depends on, tried for real; what works, what does not, what to do."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509
from rich.console import Console
from rich.markup import escape

from pwreset import logs
from pwreset.errors import PwresetError
from pwreset.reset.model import DeliveryMode, ServerHealth
from pwreset.reset.status import status
from pwreset.settings import Configuration, load
from pwreset.wiring import services_of

if TYPE_CHECKING:
    from pwreset.reset.services import Services

SOON = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Finding:
    """One part that was tried: whether it works, what was seen, and what to do if it does not."""

    part: str
    ok: bool
    detail: str
    advice: str = ""


async def check_all(path: Path, username: str | None) -> list[Finding]:
    """Try every part that can be tried. Never raises an expected failure: it becomes a finding."""
    logs.set_up("error", "text")
    try:
        configuration = load(path)
    except PwresetError as error:
        return [
            Finding("settings", ok=False, detail=str(error), advice="Mend the settings file; nothing else was tried.")
        ]
    findings = [Finding("settings", ok=True, detail=str(path)), *_certificate(configuration), *_reach(configuration)]
    try:
        async with services_of(configuration, exclusive=False) as services:
            findings += [finding async for finding in _parts(services)]
            if username is not None:
                findings.append(await _rights(username, services))
            else:
                findings.append(
                    Finding("rights", ok=True, detail="not tried", advice="Name a test person with --user to try them.")
                )
    except PwresetError as error:
        findings.append(Finding("store", ok=False, detail=str(error), advice="See docs/reference/errors.md."))
    return findings


async def _parts(services: Services) -> AsyncIterator[Finding]:
    seen = await status(services)
    yield _finding("store", seen.store)
    for name, servers in seen.directories.items():
        for server in servers:
            yield _finding(f"directory of {name}", server)
        yield await _groups(name, services)
    for channel, server in seen.transports.items():
        yield _finding(channel.value, server)
    for missing in _missing(services):
        yield missing


def _missing(services: Services) -> Iterator[Finding]:
    """A mode that is the default but has no transport makes every plain call fail."""
    mode = DeliveryMode(services.settings.links.delivery_mode)
    for channel in mode.channels:
        if channel not in services.transports:
            yield Finding(
                channel.value,
                ok=False,
                detail=f"links.delivery_mode is {mode.value}, but {channel.value}.url is not set",
                advice=f"Set {channel.value}.url, or another delivery mode.",
            )


async def _groups(name: str, services: Services) -> Finding:
    """Whether all configured managers and protected DNs are there."""
    domain = services.settings.domains[name]
    part = f"managers of {name}"
    if not domain.managers:
        return Finding(
            part, ok=False, detail="none are configured", advice=f"List groups or users in domains.{name}.managers."
        )
    try:
        counts = await services.directories[name].group_sizes()
    except PwresetError as error:
        return Finding(part, ok=False, detail=str(error), advice="See the directory's own findings above.")
    missing = [dn for dn, size in counts.items() if size is None]
    if missing:
        return Finding(
            part,
            ok=False,
            detail=f"not found: {'; '.join(missing)}",
            advice="Mend the DN, or let the service account read it. Until then nobody gets a link there.",
        )
    return Finding(part, ok=True, detail=", ".join(f"{dn}: {size}" for dn, size in counts.items()))


async def _rights(username: str, services: Services) -> Finding:
    try:
        domain = services.domain_name(None)
        health = await services.directories[domain].try_rights(username)
    except PwresetError as error:
        return Finding(
            "rights", ok=False, detail=str(error), advice="Name an existing test person of the default domain."
        )
    return _finding("rights", health)


def _certificate(configuration: Configuration) -> Iterable[Finding]:
    server = configuration.settings.server
    if server.tls_certificate is None or server.tls_key is None:
        yield Finding("certificate", ok=True, detail="none: plain HTTP, on loopback only")
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(server.tls_certificate, server.tls_key)
        certificate = x509.load_pem_x509_certificate(Path(server.tls_certificate).read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a certificate and its key"
        yield Finding(
            "certificate",
            ok=False,
            detail=f"{server.tls_certificate}: {reason}",
            advice="server.tls_certificate and server.tls_key must be PEM files of one pair that the service may read.",
        )
        return
    yield _by_time(certificate)
    yield _by_name(certificate, configuration)


def _by_time(certificate: x509.Certificate) -> Finding:
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    until = f"valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < timedelta():
        return Finding(
            "certificate", ok=False, detail=f"expired: {until}", advice="Renew it, then: systemctl reload pwreset"
        )
    if left < SOON:
        return Finding("certificate", ok=False, detail=until, advice="Renew it soon, then: systemctl reload pwreset")
    return Finding("certificate", ok=True, detail=until)


def _by_name(certificate: x509.Certificate, configuration: Configuration) -> Finding:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Finding(
            "certificate name", ok=False, detail="no subject alternative names", advice="Have it issued anew with them."
        )
    held = {str(name).lower() for name in names.get_values_for_type(x509.DNSName)} | {
        str(address) for address in names.get_values_for_type(x509.IPAddress)
    }
    wanted = {urlsplit(configuration.base_url(domain)).hostname or "" for domain in configuration.settings.domains}
    missing = sorted(host for host in wanted if host not in held and f"*.{host.partition('.')[2]}" not in held)
    if missing:
        return Finding(
            "certificate name",
            ok=False,
            detail=f"not good for {', '.join(missing)}",
            advice="Have it issued for the hosts of public_url. (Fine if a proxy in front holds the right one.)",
        )
    return Finding("certificate name", ok=True, detail=", ".join(sorted(wanted)))


def _reach(configuration: Configuration) -> Iterable[Finding]:
    for name, domain in configuration.settings.domains.items():
        if domain.bind_dn is not None and name not in configuration.bind_passwords:
            yield Finding(
                f"service account of {name}",
                ok=False,
                detail="bind_dn is set, but no password",
                advice=f"Set domains.{name}.bind_password_file.",
            )


def _finding(part: str, health: ServerHealth) -> Finding:
    detail = f"{health.name}: {health.detail}" if health.detail else health.name
    return Finding(part, health.ok, detail, health.advice)


def print_findings(findings: Iterable[Finding]) -> None:
    """For people: a mark, the part, what was seen, and below it what to do."""
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        mark = "[green]ok  [/]" if finding.ok else "[red]FAIL[/]"
        console.print(f"{mark} [bold]{escape(finding.part)}[/]: {escape(finding.detail)}")
        if finding.advice:
            console.print(f"       {escape(finding.advice)}")
