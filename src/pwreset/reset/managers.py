"""Use case: a manager logs in (SECURITY, rule 9).

He is found and his membership read first, with the service account; only a manager's DN is ever bound. So nobody can
use the Manager API to lock other people's accounts or to test their passwords.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from pwreset.errors import BadCredentials, DomainMissing, DomainUnknown, TooManyFailures, UserAmbiguous, UserUnknown
from pwreset.logs import correlation
from pwreset.reset.audit import Event
from pwreset.reset.gates import Gates
from pwreset.reset.model import AuditEvent, Manager
from pwreset.reset.ports import BindOutcome, Limit
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

ACCOUNT_WINDOW = timedelta(minutes=15)
ADDRESS_WINDOW = timedelta(minutes=1)
DAY = timedelta(days=1)
TRUST = timedelta(days=30)  # how long an address and account that succeeded are exempt from what strangers use up
FAILURES_OF_THE_EXEMPT = 1
REMEMBERED_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Credentials:
    r"""What a caller presented: `DOMAIN\user`, `user@suffix`, `user` or a DN, and a password.

    DOMAIN is a name of the settings, or the directory's own (NetBIOS); the suffix too (DNS).
    """

    login: str
    password: Secret


@dataclass(frozen=True, slots=True)
class _Name:
    """A login, read: which domain it belongs to and what is looked up there."""

    domain: str
    login: str


class LogIns:
    """What is remembered of successful log-ins: in this process's memory only, under a key that dies with it."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._managers: OrderedDict[bytes, tuple[Manager, datetime]] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self.gates = Gates()

    def lock(self, login: str) -> asyncio.Lock:
        """Log-ins under one name go one by one, so that the second is remembered from the first."""
        return self._locks.setdefault(("login", login.casefold()), asyncio.Lock())

    def entry_lock(self, dn: str) -> asyncio.Lock:
        """Log-ins of one entry go one by one, so that failures are counted before the next one is tried.

        Another lock than the login's, also when the login is the DN: it is taken while that one is held.
        """
        return self._locks.setdefault(("entry", dn.casefold()), asyncio.Lock())

    def recall(self, credentials: Credentials, now: datetime) -> Manager | None:
        """The manager with these credentials, if they succeeded lately."""
        manager, until = self._managers.get(self._trace(credentials), (None, now))
        return manager if until > now else None

    def remember(self, credentials: Credentials, manager: Manager, until: datetime) -> None:
        """These credentials are good until then."""
        self._managers[self._trace(credentials)] = (manager, until)
        if len(self._managers) > REMEMBERED_AT_MOST:
            self._managers.popitem(last=False)

    def trusts(self, address: str, account: str, now: datetime) -> bool:
        """Whether this account has logged in from this address lately."""
        return self._trusted.get((address, account), now) > now

    def trust(self, address: str, account: str, until: datetime) -> None:
        """This account has just logged in from this address."""
        self._trusted[address, account] = until
        if len(self._trusted) > REMEMBERED_AT_MOST:
            self._trusted.popitem(last=False)

    def distrust(self, address: str, account: str) -> None:
        """This account has just failed to log in from this address."""
        self._trusted.pop((address, account), None)

    def _trace(self, credentials: Credentials) -> bytes:
        login = credentials.login.encode(errors="surrogatepass")
        password = credentials.password.reveal().encode(errors="surrogatepass")
        return hmac.digest(self._key, len(login).to_bytes(4, "big") + login + password, "sha256")


async def log_in(credentials: Credentials, address: str, services: Services) -> Manager:
    """The manager with these credentials.

    Raises BadCredentials (unknown, wrong or no manager: one answer), TooManyFailures (the directory was not asked),
    DirectoryUnavailable, DirectoryMisconfigured.
    """
    known = services.log_ins.recall(credentials, services.clock.now())
    if known is not None:
        return known
    async with services.log_ins.lock(credentials.login):
        known = services.log_ins.recall(credentials, services.clock.now())
        return known or await _log_in(credentials, address, services)


async def _log_in(credentials: Credentials, address: str, services: Services) -> Manager:
    if services.log_ins.trusts(address, credentials.login.casefold(), services.clock.now()):
        return await _try(credentials, address, services, trusted=True)
    key, limit = _by_address(address, services)
    async with services.log_ins.gates.through(key, limit, services):
        return await _try(credentials, address, services, trusted=False)


async def _try(credentials: Credentials, address: str, services: Services, *, trusted: bool) -> Manager:
    """Ask the directory. `trusted`: exempt from what strangers have used up of the account's limit."""
    now = services.clock.now()
    try:
        name, dn, scope = await _identify(credentials.login, services)
    except (BadCredentials, DomainUnknown, DomainMissing, UserUnknown, UserAmbiguous):
        await _failed(credentials, address, "not-a-manager", services)
        raise BadCredentials from None
    async with services.log_ins.entry_lock(dn), services.counters.alone(f"login:{dn.casefold()}"):
        by_account, beyond = account_limits(dn, services), _beyond(dn)
        for window in (beyond,) if trusted else by_account:
            _refuse_if_limited(await services.counters.peek(*window, now))
        outcome = BindOutcome.WRONG
        if credentials.password:
            outcome = await services.directories[name.domain].bind(dn, credentials.password)
        if outcome is BindOutcome.WRONG:
            services.log_ins.distrust(address, credentials.login.casefold())
            waits = [await services.counters.take(*window, now) for window in by_account]
            if any(wait is not None for wait in waits):
                await services.counters.take(*beyond, now)
            await _failed(credentials, address, "wrong-password", services)
            raise BadCredentials
        for key, _ in (*by_account, beyond):
            await services.counters.forget(key)
    if outcome is BindOutcome.EXPIRED:
        # The directory would let him do nothing before he has changed it; nor do we. It was no guess, so his account's
        # counters do not have it; his address's does.
        await _failed(credentials, address, "password-expired", services)
        raise BadCredentials
    return await _succeeded(credentials, Manager(dn, credentials.login, name.domain, scope), address, services)


async def _identify(login: str, services: Services) -> tuple[_Name, str, frozenset[str]]:
    """The manager's domain, DN and scope, read with the service account. Raises what makes him none."""
    name, dn = await _find(await _read(login, services), services)
    scope = frozenset([domain async for domain in _scope(name.domain, dn, services)])
    if not scope:
        raise BadCredentials
    return name, dn, scope


async def _find(names: tuple[_Name, ...], services: Services) -> tuple[_Name, str]:
    """The first of these that is there. Raises UserUnknown, UserAmbiguous."""
    for name in names[:-1]:
        with contextlib.suppress(UserUnknown):
            return name, await services.directories[name.domain].manager_dn(name.login)
    return names[-1], await services.directories[names[-1].domain].manager_dn(names[-1].login)


async def _read(login: str, services: Services) -> tuple[_Name, ...]:
    """Which domain a login belongs to. Never guessed: a help desk of one domain must not act on another.

    Several only where they are parts of one directory, in which the name means one account. Raises BadCredentials,
    DomainMissing, DirectoryUnavailable, DirectoryMisconfigured.
    """
    if "=" in login:
        for domain, directory in services.directories.items():
            if directory.contains(login):
                return (_Name(domain, login),)
    if "\\" in login:
        domain, _, user = login.partition("\\")
        try:
            return (_Name(services.domain_name(domain), user),)
        except DomainUnknown:
            return await _called(domain, login, services)
    if "@" in login:
        user, _, suffix = login.rpartition("@")
        for domain, settings in services.settings.domains.items():
            if suffix.casefold() in (known.casefold() for known in settings.login_suffixes):
                return (_Name(domain, user),)
        return await _called(suffix, login, services)
    return (_Name(services.domain_name(None), login),)


async def _called(name: str, login: str, services: Services) -> tuple[_Name, ...]:
    """The domains that their directory itself calls so. Raises BadCredentials, DirectoryUnavailable ..."""
    domains = [domain for domain, directory in services.directories.items() if name and await directory.goes_by(name)]
    # The same name in two forests is two names.
    if not domains or len({_servers(domain, services) for domain in domains}) > 1:
        raise BadCredentials
    return tuple(_Name(domain, login) for domain in domains)


async def _scope(home: str, dn: str, services: Services) -> AsyncIterator[str]:
    """The domains that list this DN. Only those on the same servers: elsewhere the same DN is somebody else."""
    servers = _servers(home, services)
    for domain, directory in services.directories.items():
        if _servers(domain, services) == servers and await directory.is_manager(dn):
            yield domain


def _servers(domain: str, services: Services) -> frozenset[str]:
    return frozenset(uri.rstrip("/").casefold() for uri in services.settings.domains[domain].uris)


def _by_address(address: str, services: Services) -> tuple[str, Limit]:
    return f"login-address:{address}", Limit(
        services.settings.limits.failed_logins_per_address_per_minute, ADDRESS_WINDOW
    )


def account_limits(dn: str, services: Services) -> tuple[tuple[str, Limit], ...]:
    """The entry's counters, whichever of its names and of its domains a log-in comes through.

    The second stops who guesses slowly: many directories count failures until the next success.
    """
    limits, entry = services.settings.limits, dn.casefold()
    return (
        (f"login-account:{entry}", Limit(limits.failed_logins_per_account, ACCOUNT_WINDOW)),
        (f"login-account-day:{entry}", Limit(limits.failed_logins_per_account_per_day, DAY)),
    )


def _beyond(dn: str) -> tuple[str, Limit]:
    """Failures of the exempt beyond the account's limit: several addresses with an outdated password are possible."""
    return f"login-exempt:{dn.casefold()}", Limit(FAILURES_OF_THE_EXEMPT, ACCOUNT_WINDOW)


def _refuse_if_limited(wait: timedelta | None) -> None:
    if wait is not None:
        raise TooManyFailures(wait)


async def _failed(credentials: Credentials, address: str, reason: str, services: Services) -> None:
    now = services.clock.now()
    services.metrics.logged_in(reason)
    await services.counters.take(*_by_address(address, services), now)
    await services.store.record([_event(Event.LOGIN_REFUSED, credentials.login[:256], address, now, reason=reason)])


async def _succeeded(credentials: Credentials, manager: Manager, address: str, services: Services) -> Manager:
    now = services.clock.now()
    services.log_ins.trust(address, credentials.login.casefold(), now + TRUST)
    until = now + timedelta(seconds=services.settings.manager_api.remember_seconds)
    services.log_ins.remember(credentials, manager, until)
    services.metrics.logged_in("succeeded")
    await services.store.record([_event(Event.LOGIN_SUCCEEDED, manager.dn, address, now)])
    return manager


def _event(event: Event, who: str, address: str, at: datetime, **facts: str) -> AuditEvent:
    return AuditEvent(
        name=event.event_name,
        at=at,
        actor=f"manager:{who}",
        address=address,
        correlation=correlation.get(),
        facts={**facts},
    )
