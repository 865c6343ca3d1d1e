"""The second factor of each domain: its RADIUS servers, and whether a code has a way to travel."""

from __future__ import annotations

from pwreset.radius.client import Address
from pwreset.reset.findings import Finding, Part, State
from pwreset.reset.model import Channel
from pwreset.reset.services import Services

SHORTEST_SECRET = 16  # RFC 2865, 3: "preferable that the secret be at least 16 octets"
IN_THE_OPEN = (
    "RADIUS over UDP hides passwords with MD5 and one shared secret: keep it on loopback, in a private network or in a"
    " tunnel, such as WireGuard or a RadSec proxy on this machine."
)


async def of_second_factors(services: Services) -> list[Finding]:
    """All findings on second factors; none where no domain has any."""
    findings: list[Finding] = []
    for name, domain in services.settings.domains.items():
        if "code" in domain.mfa.factors:
            findings += _of_code(name, services)
        if (servers := services.one_time_passwords.get(name)) is not None:
            for seen in await servers.health():
                findings.append(
                    _finding(
                        State.OK if seen.ok else State.FAILED,
                        seen.detail or "answers as itself",
                        seen.advice,
                        seen.name,
                        name,
                    )
                )
            findings += _of_protection(name, services)
    return findings


def _of_code(name: str, services: Services) -> list[Finding]:
    missing = [channel for channel in Channel if channel not in services.transports]
    if not missing:
        return [_finding(State.OK, "a code can go by mail and by SMS", domain=name)]
    words = " and ".join(f"{channel.value}.url" for channel in missing)
    advice = (
        "A code goes over another channel than the link: with one channel, only links of the mode NONE can have one."
    )
    return [_finding(State.WARNING, f"code is among the factors, but not set: {words}", advice, domain=name)]


def _of_protection(name: str, services: Services) -> list[Finding]:
    findings = [
        _finding(State.WARNING, "is neither on this machine nor in a private network", IN_THE_OPEN, server, name)
        for server in services.settings.domains[name].mfa.radius.servers
        if not Address.read(server).near
    ]
    secret = services.configuration.radius_secrets.get(name)
    if secret is not None and len(secret.reveal()) < SHORTEST_SECRET:
        advice = f"Share a random one of {SHORTEST_SECRET} characters and more: openssl rand -hex 24"
        findings.append(
            _finding(State.WARNING, "the secret shared with the RADIUS servers is short", advice, domain=name)
        )
    return findings


def _finding(state: State, detail: str, advice: str = "", subject: str = "", domain: str = "") -> Finding:
    return Finding(Part.SECOND_FACTOR, state, detail, advice, subject, domain)
