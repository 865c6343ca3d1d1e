"""Use cases of those who look after links: get one, list them, revoke one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pwreset.reset.model import Asker, Delivery, RequestFilter, ResetRequest

if TYPE_CHECKING:
    from pwreset.reset.services import Services

Scope = frozenset[str] | None  # the domains one may act on; None: all


@dataclass(frozen=True, slots=True)
class RequestView:
    """A reset request with its deliveries (bodies never shown); `state` is also "expired"."""

    request: ResetRequest
    deliveries: tuple[Delivery, ...]
    state: str


async def get_request(request_id: str, scope: Scope, services: Services) -> RequestView:
    """One request. Raises RequestNotFound, also when it lies outside the scope."""
    raise NotImplementedError


async def list_requests(wanted: RequestFilter, scope: Scope, services: Services) -> tuple[RequestView, ...]:
    """Requests, newest first, within the scope; deliveries are left empty. Raises NotManagerOfDomain, DomainUnknown."""
    raise NotImplementedError


async def revoke_request(request_id: str, asker: Asker, scope: Scope, services: Services) -> RequestView:
    """Revoke a link and abandon what still waits. A link used or revoked already stays so.

    Raises RequestNotFound.
    """
    raise NotImplementedError
