"""The methods of the Manager API. The only place that knows the wire's words `method` and `expires`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pwreset
from pwreset.errors import AskRefused, PwresetError, TooManyFailures, Unavailable
from pwreset.reset.model import Asker, Delivery, Manager, RequestFilter, SendRequest
from pwreset.reset.requests import HIGHEST_LIMIT, RequestView, get_request, list_requests, revoke_request
from pwreset.reset.send import send
from pwreset.reset.services import Services
from pwreset.settings import Domain
from pwreset.web.health import Health, servers_of
from pwreset.web.openrpc import (
    DISCOVER,
    GET_REQUEST,
    LIST_REQUESTS,
    REVOKE_REQUEST,
    SEND_REQUEST,
    SERVER_STATUS,
    STATES,
    document,
)
from pwreset.web.params import Params, refused
from pwreset.web.rpc import INVALID_PARAMS, Dispatcher, Failure, Headers, Method, Outcome

REASON = "Pwreset-Reason"
REQUEST = "Pwreset-Request"
_DEFAULT_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and until when (monotonic) all calls of this HTTP request together may wait for deliveries."""

    manager: Manager
    asker: Asker
    wait_until: float


class ManagerApi:
    """The methods, bound to the services."""

    def __init__(self, services: Services, health: Health) -> None:
        self._services = services
        self._health = health
        self._false = services.settings.manager_api.failures == "false"
        self.dispatcher: Dispatcher[Caller] = Dispatcher(
            (
                Method(SEND_REQUEST.name, self.send_request),
                Method(SERVER_STATUS.name, self.server_status),
                Method(GET_REQUEST.name, _mapped(self.get_request)),
                Method(LIST_REQUESTS.name, _mapped(self.list_requests)),
                Method(REVOKE_REQUEST.name, _mapped(self.revoke_request)),
                Method(DISCOVER.name, self.discover),
            ),
            services.metrics.called,
        )

    async def send_request(self, raw: object, caller: Caller) -> Outcome:
        """The link; `false` on error, with the reason in a header."""
        ask = _read_ask(raw, caller, self._services.settings.domains)
        try:
            sent = await send(ask, self._services)
        except AskRefused as error:
            reason = ((REASON, error.reason),)
            if self._false:
                return Outcome(result=False, headers=reason)
            raise Failure(error.look.rpc_code, str(error), reason) from error
        except PwresetError as error:
            raise as_failure(error) from error
        headers: Headers = ((REQUEST, sent.request_id),)
        if sent.failures:
            headers = (*headers, (REASON, ", ".join(sent.failures)))
        return Outcome(sent.link.reveal(), headers)

    async def server_status(self, raw: object, _caller: Caller) -> Outcome:
        """Version and status; the parts that are asked for."""
        params = Params(raw, SERVER_STATUS.names)
        servers = params.optional_flag("servers")
        webapps = params.optional_flag("webapps")
        websrvs = params.optional_flag("websrvs")
        params.refuse_others()
        now = await self._health.status()
        told: dict[str, object] = {"version": pwreset.__version__, "status": now.ready}
        ours = {"version": pwreset.__version__, "status": "Ok" if now.ready else "Failed"}
        if servers:
            told["servers"] = servers_of(now)
        if webapps:
            told["webapps"] = {"PwReset": ours}
        if websrvs:
            told["websrvs"] = {"Manager": ours}
        return Outcome(told)

    async def get_request(self, raw: object, caller: Caller) -> Outcome:
        """One reset request with its deliveries."""
        request_id = _read_id(raw)
        view = await get_request(request_id, caller.manager.scope, self._services)
        return Outcome({**_told(view), "deliveries": [_told_delivery(delivery) for delivery in view.deliveries]})

    async def list_requests(self, raw: object, caller: Caller) -> Outcome:
        """Reset requests, newest first; `cursor` is there when there may be more."""
        wanted = _read_filter(raw)
        views = await list_requests(wanted, caller.manager.scope, self._services)
        told: dict[str, object] = {"requests": [_told(view) for view in views]}
        if len(views) == wanted.limit:
            told["cursor"] = str(views[-1].request.sequence)
        return Outcome(told)

    async def revoke_request(self, raw: object, caller: Caller) -> Outcome:
        """The reset request as it is after the link was revoked."""
        request_id = _read_id(raw)
        view = await revoke_request(request_id, caller.asker, caller.manager.scope, self._services)
        return Outcome(_told(view))

    async def discover(self, raw: object, _caller: Caller) -> Outcome:
        """The OpenRPC document."""
        Params(raw, DISCOVER.names).refuse_others()
        return Outcome(document(self._services.settings.public_url))


def as_failure(error: PwresetError) -> Failure:
    """An expected failure as JSON-RPC has it; what may work later says when to try again."""
    words = str(error)
    if isinstance(error, (Unavailable, TooManyFailures)):
        seconds = max(1, round(error.retry_after.total_seconds()))
        words = f"{words.removesuffix('; try again later')}; try again in {seconds} seconds"
    return Failure(error.look.rpc_code, words)


def _mapped(
    run: Callable[[object, Caller], Awaitable[Outcome]],
) -> Callable[[object, Caller], Awaitable[Outcome]]:
    """A method whose expected failures are proper errors, never `false`."""

    async def mapped(raw: object, caller: Caller) -> Outcome:
        try:
            return await run(raw, caller)
        except AskRefused as error:  # an unknown domain is here a parameter like any other
            raise Failure(INVALID_PARAMS, str(error)) from error
        except PwresetError as error:
            raise as_failure(error) from error

    return mapped


def _read_ask(raw: object, caller: Caller, domains: Mapping[str, Domain]) -> SendRequest:
    params = Params(raw, SEND_REQUEST.names)
    ask = SendRequest(
        username=params.text("username"),
        domain=params.optional_text("domain"),
        mode=params.optional_text("method"),
        lifetime_hours=params.optional_whole("expires"),
        comments=params.optional_text("comments"),
        asker=caller.asker,
        scope=caller.manager.scope,
        wait_until=caller.wait_until,
    )
    mfa = params.optional_flag("mfa") or False
    if mfa and not any(domain.mfa.factors for domain in domains.values()):
        raise refused("mfa", "not supported")  # never ignored: the caller believes that the link asks for more
    params.refuse_others()
    return replace(ask, mfa=mfa)


def _read_id(raw: object) -> str:
    params = Params(raw, GET_REQUEST.names)
    request_id = params.text("id")
    params.refuse_others()
    return request_id


def _read_filter(raw: object) -> RequestFilter:
    params = Params(raw, LIST_REQUESTS.names)
    domain = params.optional_text("domain")
    username = params.optional_text("username")
    state = params.optional_text("state")
    if state is not None and state not in STATES:
        raise refused("state", f"not one of {', '.join(STATES)}")
    limit = params.optional_whole("limit")
    if limit is not None and not 1 <= limit <= HIGHEST_LIMIT:
        raise refused("limit", f"not between 1 and {HIGHEST_LIMIT}")
    cursor = params.optional_text("cursor")
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):  # noqa: PLR2004 - fits 64 bits
        raise refused("cursor", "not a cursor of ours")
    params.refuse_others()
    return RequestFilter(
        domains=frozenset([domain]) if domain is not None else None,
        user=username,
        state=state,
        limit=limit or _DEFAULT_LIMIT,
        before=int(cursor) if cursor is not None else None,
    )


def _told(view: RequestView) -> dict[str, object]:
    """A reset request for managers: neither token nor digest."""
    request = view.request
    return {
        "id": request.id,
        "domain": request.domain,
        "username": request.user_login,
        "name": request.user_name,
        "state": view.state,
        "method": request.mode.value,
        "created": _time(request.created_at),
        "expires": _time(request.expires_at),
        "settled": _time(request.settled_at),
        "reason": request.settled_why,
        "origin": request.origin.value,
        "manager": request.asked_by,
        "address": request.asked_from,
        "recipients": [
            {"channel": recipient.channel.value, "address": recipient.address} for recipient in request.sent_to
        ],
        **({"factor": request.demand.factor.value} if request.demand is not None else {}),
    }


def _told_delivery(delivery: Delivery) -> dict[str, object]:
    return {
        "channel": delivery.recipient.channel.value,
        "address": delivery.recipient.address,
        "message": delivery.message.value,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "settled": _time(delivery.settled_at),
        "detail": delivery.detail,
        "report": delivery.report.state.value if delivery.report else None,
        "reported": _time(delivery.report.at) if delivery.report else None,
    }


def _time(at: datetime | None) -> str | None:
    """RFC 3339, UTC, whole seconds."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z") if at else None
