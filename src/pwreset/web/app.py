"""The ASGI application: who is asking, which part answers, one log line per request, and never a stack to a client.

/manag/, /manag        web.manager_endpoint   (a raw endpoint: it is the quick path)
/healthz, /readyz      web.health
/metrics               web.scrape
/report/***            web.reports
all else               web.pages, routed by Starlette
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from time import perf_counter

from starlette.routing import BaseRoute, Route, Router
from starlette.types import Message, Receive, Scope, Send

from pwreset import logs
from pwreset.errors import Overloaded
from pwreset.logs import correlation
from pwreset.reset.reports import PATH as REPORT
from pwreset.reset.services import Services
from pwreset.web import pages
from pwreset.web.access import Origins
from pwreset.web.answer import Answer, plain_answer
from pwreset.web.health import Health, is_alive
from pwreset.web.manager import as_failure
from pwreset.web.manager_endpoint import PATHS, ClientGone, ManagerEndpoint, refuse
from pwreset.web.reports import ROUTE as REPORT_ROUTE
from pwreset.web.reports import Reports
from pwreset.web.rpc import INVALID_REQUEST, Failure, internal_error
from pwreset.web.scrape import PATH as METRICS
from pwreset.web.scrape import Scrape

REQUEST_ID = b"x-request-id"
HEALTH = frozenset({"/healthz", "/readyz"})
OPERATORS = HEALTH | {METRICS}
OURS = PATHS | OPERATORS
NO_ANSWER = 499  # for the log alone: the client hung up before it was answered

log = logs.get("web")


class Application:
    """Everything that is served on one address."""

    def __init__(
        self, services: Services, health: Health, *, manager: bool, people: bool, metrics: bool = False
    ) -> None:
        self._origins = Origins(services.settings.server.trusted_proxies)
        self._health = health
        self._manager = ManagerEndpoint(services, health) if manager else None
        self._scrape = Scrape(services) if metrics else None
        self._reports = Reports(services) if people else None
        self._metrics = services.metrics
        routes: list[BaseRoute] = [*pages.routes(services)] if people else []
        self._router = Router(routes, redirect_slashes=False, default=pages.not_found(services) if people else _nothing)
        self._templates = {id(route.endpoint): _template(route.path) for route in routes if isinstance(route, Route)}
        self._most = services.settings.server.max_connections
        self._under_way = 0
        self._log = log.bind()  # bound once: to bind anew for each line takes longer than the line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises nothing but for a cancelled task."""
        if scope["type"] != "http":
            return
        request = _Request(send)
        peer = scope["client"][0] if scope["client"] else ""
        address = self._origins.address_of(peer, scope["headers"])
        safe = self._origins.is_safe(scope["scheme"], peer, scope["headers"])
        self._under_way += 1
        try:
            answer = await self._answer(scope, receive, request.pass_on, address, safe=safe)
            if answer is not None:
                await request.answer(answer)
        except ClientGone:
            request.status = NO_ANSWER
        except asyncio.CancelledError:  # the service stops, and the time for calls under way is over
            await request.answer(_busy(scope["path"]))
            raise
        except Exception as error:
            log.error("request failed", exc_info=error)  # noqa: TRY400
            await request.answer(_apology(scope["path"]))
        finally:
            self._under_way -= 1
            self._tell(scope, request, address)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, address: str, *, safe: bool) -> Answer | None:
        """The answer, or None when the router has sent it."""
        path = scope["path"]
        if path in OPERATORS and (answer := await self._answer_operator(scope, address)) is not None:
            return answer
        if self._under_way > self._most:
            return _busy(path)
        if path in PATHS:
            return await self._answer_manager(scope, receive, address, safe=safe)
        if self._reports is not None and self._reports.take(path, address):
            return await self._reports.answer(scope, receive, address)
        if not safe:
            return plain_answer(403, "HTTPS is required.")
        scope["client"] = (address, 0)
        await self._router(scope, receive, send)
        return None

    async def _answer_operator(self, scope: Scope, address: str) -> Answer | None:
        """How the service is doing, told even when it has too much to do; None when that was not asked."""
        path = scope["path"]
        if path in HEALTH:
            return is_alive() if path == "/healthz" else await self._health.is_ready(address)
        if path == METRICS and self._scrape is not None and self._scrape.allows(address):
            return await self._scrape.answer(scope["method"])
        return None

    async def _answer_manager(self, scope: Scope, receive: Receive, address: str, *, safe: bool) -> Answer:
        if self._manager is None:
            return refuse(404, Failure(INVALID_REQUEST, "The Manager API is not served here"))
        return await self._manager.answer(scope, receive, address, safe=safe)

    def _tell(self, scope: Scope, request: _Request, address: str) -> None:
        path = scope["path"]
        route = path if path in OURS else self._templates.get(id(scope.get("endpoint")), "unknown")
        if path.startswith(REPORT):
            route = REPORT_ROUTE
        seconds = perf_counter() - request.started
        self._metrics.answered(route, request.status, seconds)
        if self._log.is_enabled_for(logging.INFO):
            self._log.info(
                "request",
                method=scope["method"],
                path=route,
                status=request.status,
                milliseconds=round(seconds * 1000, 1),
                address=address,
            )


class _Request:
    """One request under way: gives it its id, and notes the status it is answered with."""

    __slots__ = ("_header", "_send", "started", "status")

    def __init__(self, send: Send) -> None:
        self.started = perf_counter()
        self.status = 0
        request_id = secrets.token_hex(8)
        correlation.set(request_id)
        self._header = (REQUEST_ID, request_id.encode())
        self._send = send

    async def answer(self, answer: Answer) -> None:
        """Send an answer, unless one has begun already."""
        if self.status:
            return
        self.status = answer.status
        await answer.send(self._send, self._header)

    async def pass_on(self, message: Message) -> None:
        """Send a part of the router's answer; its head gets the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), self._header]
        await self._send(message)


def _template(path: str) -> str:
    """A route's path with its parameters blotted out: `/r/***`. Only this is logged, never what was asked for."""
    return "/".join("***" if part.startswith("{") else part for part in path.split("/"))


def _apology(path: str) -> Answer:
    """What a client sees of a bug: the request's id, by which the log line is found."""
    if path in PATHS:
        return refuse(500, internal_error())
    return plain_answer(500, f"Something went wrong here. Please try again later. (Request {correlation.get()})")


def _busy(path: str) -> Answer:
    if path in PATHS:
        answer = refuse(503, as_failure(Overloaded()))
    else:
        answer = plain_answer(503, "Too many people are here at once. Please try again in a moment.")
    answer.headers = [*answer.headers, (b"retry-after", b"1")]
    return answer


async def _nothing(_scope: Scope, _receive: Receive, send: Send) -> None:
    await plain_answer(404, "There is nothing here.").send(send)
