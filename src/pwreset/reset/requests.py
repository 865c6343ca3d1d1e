"""Use cases of those who look after links: get one, list them, revoke one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pwreset.errors import NotManagerOfDomain, RequestNotFound
from pwreset.reset import audit
from pwreset.reset.model import Asker, Delivery, RequestFilter, RequestState, ResetRequest

if TYPE_CHECKING:
    from pwreset.reset.services import Services

Scope = frozenset[str] | None  # the domains one may act on; None: all
EXPIRED = "expired"
HIGHEST_LIMIT = 500


@dataclass(frozen=True, slots=True)
class RequestView:
    """A reset request with its deliveries (bodies never shown); `state` is also "expired"."""

    request: ResetRequest
    deliveries: tuple[Delivery, ...]
    state: str


async def get_request(request_id: str, scope: Scope, services: Services) -> RequestView:
    """One request. Raises RequestNotFound, also when it lies outside the scope."""
    request = await services.store.get(request_id)
    if request is None or (scope is not None and request.domain not in scope):
        raise RequestNotFound(request_id[:64])
    return _view(request, await services.store.deliveries(request.id), services.clock.now())


async def list_requests(wanted: RequestFilter, scope: Scope, services: Services) -> tuple[RequestView, ...]:
    """Requests, newest first, within the scope; deliveries are left empty. Raises NotManagerOfDomain, DomainUnknown."""
    domains = frozenset(services.domain_name(domain) for domain in wanted.domains) if wanted.domains else scope
    if scope is not None and domains is not None and (outside := sorted(domains - scope)):
        raise NotManagerOfDomain(outside[0])
    now = services.clock.now()
    within = replace(wanted, domains=domains, limit=min(wanted.limit, HIGHEST_LIMIT))
    return tuple(_view(request, (), now) for request in await services.store.list(within, now))


async def revoke_request(request_id: str, asker: Asker, scope: Scope, services: Services) -> RequestView:
    """Revoke a link and abandon what still waits. A link used or revoked already stays so.

    Raises RequestNotFound.
    """
    view = await get_request(request_id, scope, services)
    now = services.clock.now()
    revoked = audit.by_asker(
        audit.Event.REQUEST_REVOKED,
        now,
        asker,
        domain=view.request.domain,
        user=view.request.user_login,
        request_id=request_id,
        reason="revoked-by-hand",
    )
    await services.store.revoke(request_id, now, "revoked-by-hand", [revoked])
    return await get_request(request_id, scope, services)


def _view(request: ResetRequest, deliveries: tuple[Delivery, ...], now: datetime) -> RequestView:
    expired = request.state is RequestState.PENDING and request.expires_at <= now
    return RequestView(request, deliveries, EXPIRED if expired else request.state.value)


def plain(view: RequestView) -> dict[str, object]:
    """A request as names and plain values, for programs. No token, no digest, no message."""
    request = view.request
    shown: dict[str, object] = {
        "id": request.id,
        "state": view.state,
        "domain": request.domain,
        "username": request.user_login,
        "name": request.user_name,
        "mode": request.mode.value,
        "asked_by": request.asked_by,
        "created_at": request.created_at,
        "expires_at": request.expires_at,
        "settled_at": request.settled_at,
        "reason": request.settled_why,
    }
    if view.deliveries:
        shown["deliveries"] = [
            {
                "channel": delivery.recipient.channel.value,
                "recipient": delivery.recipient.address,
                "message": delivery.message.value,
                "state": delivery.state.value,
                "attempts": delivery.attempts,
                "detail": delivery.detail,
                "report": delivery.report.state.value if delivery.report else None,
                "reported_at": delivery.report.at if delivery.report else None,
                "report_detail": delivery.report.detail if delivery.report else "",
            }
            for delivery in view.deliveries
        ]
    return shown
