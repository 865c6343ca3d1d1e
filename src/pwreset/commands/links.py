"""Looking at reset requests, and revoking them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from pwreset.commands.running import DEFAULT_CONFIG, ConfigPath, Json, operator, print_json, with_services

if TYPE_CHECKING:
    from pwreset.reset.requests import RequestView
    from pwreset.reset.services import Services


def requests(
    request_id: Annotated[str | None, Parameter(help="Show this one with its messages.")] = None,
    *,
    domain: Annotated[str | None, Parameter(help="Only this domain.")] = None,
    user: Annotated[str | None, Parameter(help="Only this person's.")] = None,
    state: Annotated[
        Literal["pending", "claimed", "used", "revoked", "expired"] | None, Parameter(help="Only those in this state.")
    ] = None,
    limit: Annotated[int, Parameter(help="At most so many, newest first.")] = 50,
    as_json: Json = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """List reset requests, or show one with what became of its messages. Never shows a link."""

    async def look(services: Services) -> None:
        from pwreset.reset.model import RequestFilter
        from pwreset.reset.requests import get_request, list_requests

        if request_id is not None:
            views: tuple[RequestView, ...] = (await get_request(request_id, None, services),)
        else:
            wanted = RequestFilter(frozenset([domain]) if domain else None, user, state, limit)
            views = await list_requests(wanted, None, services)
        _print_requests(views, as_json=as_json)

    with_services(config, look)


def revoke(
    request_id: Annotated[str, Parameter(help="The id, as `pwreset requests` shows it.")],
    *,
    as_json: Json = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Revoke a link and give up what still waits to be sent for it."""

    async def act(services: Services) -> None:
        from pwreset.reset.requests import revoke_request

        _print_requests((await revoke_request(request_id, operator(), None, services),), as_json=as_json)

    with_services(config, act)


def _print_requests(views: tuple[RequestView, ...], *, as_json: bool) -> None:
    from pwreset.reset.requests import plain

    if as_json:
        print_json([plain(view) for view in views])
        return
    for view in views:
        request = view.request
        print(  # noqa: T201
            f"{request.id}  {view.state:8}  {request.created_at:%Y-%m-%d %H:%M}  until {request.expires_at:%Y-%m-%d %H:%M}"
            f"  {request.domain}\\{request.user_login}  {request.mode.value}  by {request.asked_by}"
        )
        for delivery in view.deliveries:
            detail = f"  {delivery.detail}" if delivery.detail else ""
            report = delivery.report
            told = f"; {report.state.value} at {report.at:%Y-%m-%d %H:%M} ({report.detail})" if report else ""
            print(  # noqa: T201
                f"    {delivery.message.value} by {delivery.recipient.channel.value} to {delivery.recipient.address}:"
                f" {delivery.state.value} after {delivery.attempts} attempts{detail}{told}"
            )
