"""Sending links from the shell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pwreset.commands.running import DEFAULT_CONFIG, ConfigPath, Json, operator, print_json, with_services

if TYPE_CHECKING:
    from pwreset.reset.services import Services


def send(
    user: Annotated[str, Parameter(help="The person's log-in name.")],
    *,
    domain: Annotated[str | None, Parameter(help="The domain; else the default one.")] = None,
    mode: Annotated[str | None, Parameter(help="MAIL, SMS, MAILSMS or NONE; else `links.delivery_mode`.")] = None,
    lifetime_hours: Annotated[int | None, Parameter(help="1 to 720; else `links.lifetime_hours`.")] = None,
    comments: Annotated[str | None, Parameter(help="A note shown in the message.")] = None,
    as_json: Json = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Send one person a link, as the Manager API does, and print the link."""

    async def ask(services: Services) -> None:
        from pwreset.reset.model import SendRequest
        from pwreset.reset.send import send as send_link

        sent = await send_link(
            SendRequest(
                username=user,
                domain=domain,
                mode=mode,
                lifetime_hours=lifetime_hours,
                comments=comments,
                asker=operator(),
                scope=None,
                wait_until=services.clock.monotonic() + services.settings.delivery.wait_seconds,
            ),
            services,
        )
        if as_json:
            print_json({"link": sent.link.reveal(), "id": sent.request_id, "failures": list(sent.failures)})
        else:
            print(sent.link.reveal())  # noqa: T201
            for reason in sent.failures:
                print(f"pwreset: not on every channel: {reason}", file=sys.stderr)  # noqa: T201

    with_services(config, ask)
