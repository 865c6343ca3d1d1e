"""`pwreset check`: everything the service depends on, tried for real; what works, what does not, what to do.

https       the certificate that people and callers see
domains     each directory, its rules, managers and protected people
second_factor  its RADIUS servers, and whether a code has a way to travel
transports  the relay and the gateway
store       a store that cannot be used at all
peers       what another server's certificate says, so that a wrong one can be told exactly
report      for people, and for programs
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from pwreset.check.domains import in_domain, people_by_domain
from pwreset.check.https import of_https
from pwreset.check.second_factor import of_second_factors
from pwreset.check.store import of_store_that_is_away
from pwreset.check.transports import of_transports
from pwreset.errors import PwresetError, SettingsError, StoreUnavailable
from pwreset.reset.findings import Finding, Part, State
from pwreset.reset.services import Services
from pwreset.settings import Configuration, load
from pwreset.wiring import flaws_of, services_of


async def check_all(path: Path, usernames: Sequence[str]) -> list[Finding]:
    """Try every part that can be tried; rights on these people. Never raises an expected failure: it becomes a finding."""
    try:
        configuration = load(path)
    except PwresetError as error:
        return [_unusable(error)]
    findings = [Finding(Part.SETTINGS, State.OK, "loaded", subject=str(path)), *_of_templates(configuration)]
    findings += of_https(configuration)
    try:
        async with services_of(configuration, exclusive=False) as services:
            findings += [finding async for finding in _of_parts(services, usernames)]
    except SettingsError as error:
        findings.append(_unusable(error))
    except StoreUnavailable as error:
        findings.append(of_store_that_is_away(configuration, error))
    except PwresetError as error:
        findings.append(
            Finding(Part.STORE, State.FAILED, str(error), "Nothing behind it was tried. See the reference of errors.")
        )
    return findings


async def _of_parts(services: Services, usernames: Sequence[str]) -> AsyncIterator[Finding]:
    store = await services.store.health()
    yield Finding(
        Part.STORE, State.OK if store.ok else State.FAILED, store.detail or "writes", store.advice, store.name
    )
    people = people_by_domain(usernames, services)
    domains = await asyncio.gather(*(in_domain(name, people.get(name, ()), services) for name in services.directories))
    for findings in domains:
        for finding in findings:
            yield finding
    for finding in await of_second_factors(services):
        yield finding
    for finding in await of_transports(services):
        yield finding


def _of_templates(configuration: Configuration) -> list[Finding]:
    """The operator's own templates, texts and logos, rendered with sample data; nothing where there are none."""
    settings = configuration.settings
    if not any(one.templates or settings.templates or one.brand.logo for one in settings.domains.values()):
        return []
    advice = "Mend it: the service does not start with it."
    flaws = [
        Finding(Part.SETTINGS, State.FAILED, flaw.words, advice, f"{flaw.file}:{flaw.line}")
        for flaw in flaws_of(settings)
    ]
    return flaws or [Finding(Part.SETTINGS, State.OK, "own templates and texts: all rendered with sample data")]


def _unusable(error: PwresetError) -> Finding:
    return Finding(Part.SETTINGS, State.FAILED, str(error), "Mend this first; nothing behind it was tried.")
