"""Sending links from the shell."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pwreset.commands.running import DEFAULT_CONFIG, ConfigPath, Json, operator, print_json, with_services
from pwreset.errors import CommandLineWrong

if TYPE_CHECKING:
    from pwreset.reset.services import Services


def send(
    user: Annotated[str | None, Parameter(help="The person's log-in name.")] = None,
    *,
    source: Annotated[
        Path | None,
        Parameter(
            name="--from",
            help="Instead of one person all of a CSV file with the column user, and if wanted domain, mode,"
            " lifetime_hours, comments.",
        ),
    ] = None,
    wanted: Annotated[
        str | None,
        Parameter(name="--filter", help="Instead of one person all that an LDAP filter finds in the domain."),
    ] = None,
    domain: Annotated[str | None, Parameter(help="The domain; else the default one.")] = None,
    mode: Annotated[str | None, Parameter(help="MAIL, SMS, MAILSMS or NONE; else `links.delivery_mode`.")] = None,
    lifetime_hours: Annotated[int | None, Parameter(help="1 to 720; else `links.lifetime_hours`.")] = None,
    comments: Annotated[str | None, Parameter(help="A note shown in the message.")] = None,
    mfa: Annotated[
        bool, Parameter(negative=(), help="Demand a second factor when the link is opened (`domains.<NAME>.mfa`).")
    ] = False,
    rate: Annotated[float | None, Parameter(help="Of many: links a second; else `limits.bulk_per_second`.")] = None,
    report: Annotated[
        Path | None, Parameter(help="Of many: the CSV file that says what became of each line; mode 0600.")
    ] = None,
    sending: Annotated[
        str | None,
        Parameter(
            help="Of many: a name; nobody gets two links of one name. Else the list or filter is the name, so the same"
            " command again goes on where it was, and sends nothing twice."
        ),
    ] = None,
    dry_run: Annotated[
        bool, Parameter(negative=(), help="Of many: check the list and find each person, but send nothing.")
    ] = False,
    as_json: Json = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Send one person a link, as the Manager API does, and print the link; or send many people theirs.

    Many are sent by --from or --filter; the running `pwreset serve` carries the messages out. Interrupted, the same
    command goes on. Ends with 1 when somebody got no link.
    """
    if sum(given is not None for given in (user, source, wanted)) != 1:
        raise CommandLineWrong("name one person, or a list with --from, or a filter with --filter")
    if user is None:
        from pwreset.commands.bulk import BulkAsk, send_many
        from pwreset.commands.people import ForAll

        for_all = ForAll(domain, mode, lifetime_hours, comments, mfa=mfa)
        pace = 0.0 if dry_run and rate is None else rate  # what sends nothing need not go slowly
        many = BulkAsk(source, wanted, for_all, sending, pace, report, dry_run, as_json)

        async def ask_many(services: Services) -> None:
            sys.exit(await send_many(many, services))

        with_services(config, ask_many)
        return
    if dry_run or rate is not None or report is not None or sending is not None:
        raise CommandLineWrong("--rate, --report, --sending and --dry-run are for many people")

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
                mfa=mfa,
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
