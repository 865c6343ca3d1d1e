"""The composition root: settings in, running services out. The only place that builds adapters."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pwreset import key_file, logs
from pwreset.delivery.gateways import sms_transport
from pwreset.delivery.mail import MailTransport
from pwreset.delivery.messages import TemplateMessages
from pwreset.delivery.seal import AesGcmSealer
from pwreset.delivery.trial import try_messages
from pwreset.directory.ldap import LdapDirectory
from pwreset.errors import SettingsError, StoreUnavailable
from pwreset.logo import Logo, read_logo
from pwreset.metrics import Metrics
from pwreset.overrides import Flaw
from pwreset.reset.breached import BreachedList, starter_list
from pwreset.reset.budget import DAY, spent
from pwreset.reset.dispatch import Outbox
from pwreset.reset.limits import MemoryCounters, SharedCounters
from pwreset.reset.model import Channel
from pwreset.reset.pace import Quota
from pwreset.reset.ports import Clock, Counters, OneTimePasswords, Transport
from pwreset.reset.services import Services
from pwreset.reset.tokens import Keys, new_key
from pwreset.reset.worker import chain, work
from pwreset.settings import Configuration, Settings
from pwreset.settings.load import radius_variable
from pwreset.store.clock import SystemClock
from pwreset.store.sqlite import SqliteStore
from pwreset.store.sqlite import migrate as migrate_sqlite
from pwreset.web.server import metrics_served, serve
from pwreset.web.trial import try_pages

if TYPE_CHECKING:
    from pwreset.store.postgres import PostgresStore
    from pwreset.store.postgres_connection import Server

log = logs.get("wiring")


@asynccontextmanager
async def services_of(configuration: Configuration, *, exclusive: bool) -> AsyncIterator[Services]:
    """The services of a configuration, closed at the end.

    `exclusive` is for the one process that serves this store; commands beside it open it without. Raises SettingsError,
    StoreVersionError, StartError.
    """
    settings = configuration.settings
    keys = await asyncio.to_thread(load_keys, configuration)
    metrics = Metrics(settings.domains, _channels(settings))
    store, clock = await open_store(configuration, metrics, exclusive=exclusive)
    services = Services(
        configuration=configuration,
        clock=clock,
        store=store,
        directories={
            name: LdapDirectory(
                name, domain, configuration.bind_passwords.get(name), partial(metrics.directory_took, name)
            )
            for name, domain in settings.domains.items()
        },
        transports=transports_of(configuration),
        messages=TemplateMessages(settings),
        sealer=AesGcmSealer(keys),
        keys=keys,
        counters=await _counters(store, clock, configuration, metrics, exclusive=exclusive),
        outbox=Outbox(quotas_of(settings)),
        breached=breached_list(configuration),
        metrics=metrics,
        one_time_passwords=one_time_passwords_of(configuration),
    )
    if exclusive:
        store.on_due(services.outbox.bell.set)
    watch = asyncio.create_task(key_file.watch(configuration.key_file, keys), name="keys")
    try:
        yield services
    finally:
        watch.cancel()
        until = clock.monotonic() + settings.server.shutdown_seconds
        await services.asks.drain(settings.server.shutdown_seconds, services)
        await services.outbox.drain(max(0.0, until - clock.monotonic()))
        if exclusive:
            await _chain_the_rest(services)
        for transport in services.transports.values():
            await transport.close()
        for directory in services.directories.values():
            await directory.close()
        await store.close()


async def _chain_the_rest(services: Services) -> None:
    """What was told last, or the events would lie unprotected until the next start."""
    try:
        await chain(services)
    except StoreUnavailable:
        log.warning("the last audit events are not chained; the next start does it")


async def run(configuration: Configuration, on_ready: Callable[[], None] | None = None) -> None:
    """Serve people and managers, and work the outbox, until told to stop by a signal."""
    refuse_flaws(configuration.settings)
    async with services_of(configuration, exclusive=True) as services, _working(services):
        _spare_the_collector()
        await serve(services, on_ready=lambda _: on_ready() if on_ready is not None else None)


def _spare_the_collector() -> None:
    """What was made until now stays: the garbage collector need not look at it again and again under load."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def run_worker(configuration: Configuration, on_ready: Callable[[], None] | None = None) -> None:
    """Work the outbox only, until told to stop by a signal."""
    refuse_flaws(configuration.settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with services_of(configuration, exclusive=True) as services, _working(services), metrics_served(services):
        if on_ready is not None:
            on_ready()
        await stop.wait()


@asynccontextmanager
async def _working(services: Services) -> AsyncIterator[None]:
    worker = asyncio.create_task(work(services), name="worker")
    try:
        yield
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


def _channels(settings: Settings) -> list[str]:
    """The channels that have an address in the settings."""
    urls = {Channel.MAIL: settings.mail.url, Channel.SMS: settings.sms.url}
    return [channel.value for channel, url in urls.items() if url is not None]


def transports_of(configuration: Configuration) -> dict[Channel, Transport]:
    """The transports that have an address in the settings."""
    settings = configuration.settings
    transports: dict[Channel, Transport] = {}
    if settings.mail.url is not None:
        transports[Channel.MAIL] = MailTransport(settings.mail, configuration.mail_password, _logos(settings))
    if settings.sms.url is not None:
        transports[Channel.SMS] = sms_transport(settings.sms, configuration.sms_password)
    return transports


def one_time_passwords_of(configuration: Configuration) -> dict[str, OneTimePasswords]:
    """The servers of one-time passwords of the domains that have them. Raises SettingsError."""
    found: dict[str, OneTimePasswords] = {}
    for name, domain in configuration.settings.domains.items():
        if "radius" not in domain.mfa.factors:
            continue
        secret = configuration.radius_secrets.get(name)
        if not secret:
            raise SettingsError(f"domains.{name}.mfa.radius.secret_file: is missing, and so is {radius_variable(name)}")
        from pwreset.radius.client import RadiusServers

        found[name] = RadiusServers(name, domain.mfa.radius, secret)
    return found


def quotas_of(settings: Settings) -> dict[Channel, Quota]:
    """What the relay and the gateway are asked at most."""
    return {
        Channel.MAIL: Quota(settings.mail.concurrency, settings.mail.per_minute / 60),
        Channel.SMS: Quota(settings.sms.concurrency, settings.sms.per_second),
    }


def breached_list(configuration: Configuration) -> BreachedList:
    """The list of passwords that became known. Raises SettingsError."""
    file = configuration.settings.password.breached_file
    if file is None:
        return starter_list()
    path = configuration.path.parent / file
    try:
        return BreachedList.open(path)
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"password.breached_file: {path}: {words}") from error


async def open_store(
    configuration: Configuration, metrics: Metrics, *, exclusive: bool
) -> tuple[SqliteStore | PostgresStore, Clock]:
    """The store of `store.url`, and the clock that goes with it. Raises SettingsError, StoreVersionError, StartError."""
    if _is_postgres(configuration):
        from pwreset.store.postgres import PostgresStore

        shared = await PostgresStore.open(_postgres(configuration), measure=metrics.store_took)
        return shared, shared.clock
    clock = SystemClock()
    file = store_file(configuration)
    return await SqliteStore.open(file, clock, exclusive=exclusive, measure=metrics.store_took), clock


async def _counters(
    store: SqliteStore | PostgresStore,
    clock: Clock,
    configuration: Configuration,
    metrics: Metrics,
    *,
    exclusive: bool,
) -> Counters:
    """Those of all nodes; or, where one process serves the store, its own, which the store keeps for the next start.

    Commands beside that process count for themselves: only one may write down what is counted.
    """
    if not isinstance(store, SqliteStore):
        return SharedCounters(store.counters, metrics.limit_hit)
    counters = MemoryCounters(tell=metrics.limit_hit, are_kept=exclusive)
    if exclusive:
        await store.keep(counters)
    sent = await store.sms_since(clock.now() - DAY)
    for key, times in spent(sent, configuration.settings.limits).items():
        counters.restore(key, times)
    return counters


def migrate_store(configuration: Configuration) -> tuple[int, int]:
    """Make or upgrade the store: its versions before and after. Raises what opening it raises."""
    if _is_postgres(configuration):
        from pwreset.store.postgres import migrate

        return migrate(_postgres(configuration))
    return migrate_sqlite(store_file(configuration))


def _is_postgres(configuration: Configuration) -> bool:
    return configuration.settings.store.url.startswith(("postgresql:", "postgres:"))


def _postgres(configuration: Configuration) -> Server:
    return server_at(configuration.settings.store.url, configuration)


def server_at(url: str, configuration: Configuration) -> Server:
    """The database at this address, reached as the settings say. Raises SettingsError."""
    from pwreset.store.postgres_connection import read_server

    store = configuration.settings.store
    ca_file = None if store.ca_file is None else str(configuration.path.parent / store.ca_file)
    return read_server(url, configuration.store_password, ca_file)


def store_file(configuration: Configuration) -> Path:
    """The SQLite file of `store.url`. Raises SettingsError for other engines."""
    parts = urlsplit(configuration.settings.store.url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path:
        raise SettingsError("store.url: must be sqlite:///PATH or postgresql://USER@HOST:PORT/DATABASE")
    return Path(parts.path)


def name_of_store(configuration: Configuration) -> str:
    """How the store is called where people read of it. Raises SettingsError."""
    return _postgres(configuration).name if _is_postgres(configuration) else str(store_file(configuration))


def _store_exists(configuration: Configuration) -> bool:
    """Raises StoreUnavailable when that cannot be told."""
    if _is_postgres(configuration):
        from pwreset.store.postgres import exists

        return exists(_postgres(configuration))
    return store_file(configuration).exists()


def load_keys(configuration: Configuration) -> Keys:
    """The keys of the key file, which is made with the store at the first start.

    Raises SettingsError when it is unreadable, readable by others, or missing beside a store that needs it,
    StoreUnavailable when that cannot be told.
    """
    path = configuration.key_file
    if not path.exists():
        if _store_exists(configuration):
            raise SettingsError(
                f"{path}: the key file is missing, and the store {configuration.settings.store.url} cannot be used without it: its links and waiting "
                "messages open with no other. Restore it from its backup, or move the store away to start anew."
            )
        key_file.make(path, Keys((new_key(),)))
    return key_file.read(path)


def flaws_of(settings: Settings) -> list[Flaw]:
    """What is wrong with the operator's own templates, texts and logos."""
    return [*try_messages(settings), *try_pages(settings)]


def refuse_flaws(settings: Settings) -> None:
    """Raise SettingsError when an operator's template cannot be used: now, rather than when a person needs it."""
    if flaws := flaws_of(settings):
        raise SettingsError("\n".join(map(str, flaws)))


def _logos(settings: Settings) -> dict[str, Logo]:
    """The logos of the domains that have one. Raises SettingsError when one cannot be used."""
    return {name: read_logo(domain.brand.logo) for name, domain in settings.domains.items() if domain.brand.logo}
