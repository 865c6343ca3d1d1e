"""The certificate that people and callers see: its time, and whether it is for the addresses that links have."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from pwreset.check.peers import days_left, names_of
from pwreset.reset.findings import Finding, Part, State
from pwreset.settings import Configuration

SOON_DAYS = 21


def of_https(configuration: Configuration) -> Iterator[Finding]:
    """One finding on the certificate's time and one on its names; or what keeps it from loading."""
    server = configuration.settings.server
    if server.tls_certificate is None or server.tls_key is None:
        yield Finding(Part.HTTPS, State.OK, "no certificate: plain HTTP, on this machine only")
        return
    subject = server.tls_certificate
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(server.tls_certificate, server.tls_key)
        certificate = x509.load_pem_x509_certificate(Path(server.tls_certificate).read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a certificate and its key"
        yield Finding(
            Part.HTTPS,
            State.FAILED,
            reason if not isinstance(error, ssl.SSLError) else "not a certificate and its key",
            "server.tls_certificate and server.tls_key must be PEM files of one pair that the service may read.",
            subject,
        )
        return
    yield _by_time(certificate, subject)
    yield _by_name(certificate, configuration, subject)
    if (client_ca := configuration.settings.manager_api.client_ca) is not None:
        yield _authorities(client_ca)


def _authorities(path: str) -> Finding:
    """Whose certificates managers' systems must show, and whether all of them are still valid."""
    try:
        authorities = x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no certificates in PEM form"
        advice = "manager_api.client_ca must be a PEM file with the callers' authorities that the service may read."
        return Finding(Part.HTTPS, State.FAILED, reason, advice, path)
    over = [one.subject.rfc4514_string() for one in authorities if days_left(one) < 0]
    if over:
        advice = (
            "Their certificates are refused. Put the authority's new certificate in, then: systemctl reload pwreset"
        )
        return Finding(Part.HTTPS, State.WARNING, f"expired: {'; '.join(over)}", advice, path)
    names = "; ".join(one.subject.rfc4514_string() for one in authorities)
    return Finding(Part.HTTPS, State.OK, f"callers show certificates of {names}", subject=path)


def _by_time(certificate: x509.Certificate, subject: str) -> Finding:
    left, until = days_left(certificate), f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < 0:
        return Finding(
            Part.HTTPS, State.FAILED, f"expired on {until}", "Renew it, then: systemctl reload pwreset", subject
        )
    if left < SOON_DAYS:
        words = f"valid until {until}, {left} days from now"
        return Finding(Part.HTTPS, State.WARNING, words, "Renew it soon, then: systemctl reload pwreset", subject)
    return Finding(Part.HTTPS, State.OK, f"valid until {until}", subject=subject)


def _by_name(certificate: x509.Certificate, configuration: Configuration, subject: str) -> Finding:
    held = {name.lower() for name in names_of(certificate)}
    wanted = {urlsplit(configuration.base_url(domain)).hostname or "" for domain in configuration.settings.domains}
    missing = sorted(host for host in wanted if host not in held and f"*.{host.partition('.')[2]}" not in held)
    if missing:
        return Finding(
            Part.HTTPS,
            State.FAILED,
            f"not for {', '.join(missing)}, but for {', '.join(sorted(held)) or 'no name at all'}",
            "Have it issued for the hosts of public_url. (Fine if a proxy in front holds the right one.)",
            subject,
        )
    return Finding(Part.HTTPS, State.OK, f"for {', '.join(sorted(wanted))}", subject=subject)
