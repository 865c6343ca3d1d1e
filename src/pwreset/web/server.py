"""The HTTPS server: listens, serves until it is told to stop, and lets calls under way end."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from pwreset import logs
from pwreset.errors import StartError
from pwreset.reset.services import Services
from pwreset.settings import Server
from pwreset.web.app import Application
from pwreset.web.health import Health
from pwreset.web.listener import Listener, is_loopback, open_socket
from pwreset.web.tls import server_context

log = logs.get("server")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the service listens, once it does: host and port. What has no address of its own is on `main`."""

    main: tuple[str, int]
    manager: tuple[str, int]
    metrics: tuple[str, int]
    tls: bool


async def serve(
    services: Services,
    *,
    on_ready: Callable[[Listening], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve people's pages and the Manager API until SIGTERM, SIGINT or `stop`.

    SIGHUP reads the certificate again. `on_ready` is called once connections are accepted. Raises StartError when a
    port is taken, a certificate does not load, or plain HTTP would be served to a network.
    """
    settings = services.settings.server
    stop = stop or asyncio.Event()
    _raise_file_limit()
    with contextlib.ExitStack() as undo:
        by_part = _listeners(services, undo)
        listeners = list(by_part.values())
        await _listen(listeners, settings)
        renew = asyncio.Event()
        undo.enter_context(_signals(stop, renew))
        async with _background(_renew(renew, listeners, settings), _tell_time(listeners)):
            main = by_part["main"]
            listening = Listening(
                main=main.address,
                manager=by_part.get("manager", main).address,
                metrics=by_part.get("metrics", main).address,
                tls=settings.tls_certificate is not None,
            )
            log.info("listening", main=listening.main, manager=listening.manager, tls=listening.tls)
            if on_ready is not None:
                on_ready(listening)
            await stop.wait()
            log.info("stopping")
            await asyncio.gather(*(listener.stop() for listener in listeners))


def _listeners(services: Services, undo: contextlib.ExitStack) -> dict[str, Listener]:
    """The `main` address, and what `manager` and `metrics` have of their own. Raises StartError."""
    health = Health(services)
    settings = services.settings
    own, figures, client_ca = settings.manager_api.bind, settings.metrics.bind, settings.manager_api.client_ca
    main = Application(services, health, manager=own is None, people=True, metrics=figures is None)
    plan = {"main": (settings.server.bind, main, client_ca if own is None else None)}
    if own is not None:
        plan["manager"] = own, Application(services, health, manager=True, people=False), client_ca
    if figures is not None:
        plan["metrics"] = figures, _figures_alone(services), None
    listeners = {}
    for part, (bind, app, asked_for) in plan.items():
        listening = open_socket(bind)
        undo.callback(listening.close)
        # Figures may go in the clear: no secret stands in them, and none comes with the request for them.
        if part != "metrics" and not is_loopback(listening):
            _refuse_plain_http(bind, settings.server)
        listeners[part] = Listener(listening, app, settings.server, asked_for)
    return listeners


async def _listen(listeners: list[Listener], settings: Server) -> None:
    """Accept connections with the certificates as they are on disk. Raises StartError, and then nothing is changed."""
    contexts = [server_context(settings, listener.client_ca) for listener in listeners]
    for listener, context in zip(listeners, contexts, strict=True):
        await listener.listen(context)


def _figures_alone(services: Services) -> Application:
    return Application(services, Health(services), manager=False, people=False, metrics=True)


@contextlib.asynccontextmanager
async def metrics_served(services: Services) -> AsyncIterator[tuple[str, int] | None]:
    """`/metrics` alone on `metrics.worker_bind`, if it is set; where it listens. Raises StartError."""
    bind, settings = services.settings.metrics.worker_bind, services.settings.server
    if bind is None:
        yield None
        return
    with contextlib.closing(open_socket(bind)) as listening:
        listener = Listener(listening, _figures_alone(services), settings)
        await _listen([listener], settings)
        try:
            async with _background(_tell_time([listener])):
                log.info("listening", metrics=listener.address)
                yield listener.address
        finally:
            await listener.stop()


def _refuse_plain_http(bind: str, server: Server) -> None:
    if server.tls_certificate is None and not server.trusted_proxies:
        raise StartError(
            f"{bind} can be reached from a network and needs server.tls_certificate and server.tls_key; plain HTTP is"
            ' for loopback (bind = "127.0.0.1:8443") and for reverse proxies listed in server.trusted_proxies'
        )


@contextlib.contextmanager
def _signals(stop: asyncio.Event, renew: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    wanted = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: renew}
    for number, event in wanted.items():
        loop.add_signal_handler(number, event.set)
    try:
        yield
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _background(*jobs: object) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(job) for job in jobs]  # type: ignore[call-overload]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _renew(wanted: asyncio.Event, listeners: list[Listener], settings: Server) -> None:
    """Read the certificate again whenever asked; one that does not load leaves the old one in use."""
    while True:
        await wanted.wait()
        wanted.clear()
        try:
            await _listen(listeners, settings)
        except StartError as error:
            log.error("certificate not renewed", why=str(error))  # noqa: TRY400 - the sentence says it all
            continue
        log.info("certificate read again")


async def _tell_time(listeners: list[Listener]) -> None:
    while True:
        await asyncio.sleep(1)
        for listener in listeners:
            listener.tell_time()


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets us: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
