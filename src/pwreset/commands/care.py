"""Looking after an installation: checking it, upgrading its store, clearing up."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pwreset.commands.running import (
    DEFAULT_CONFIG,
    ConfigPath,
    Json,
    configuration_of,
    print_json,
    run_async,
    with_services,
)

if TYPE_CHECKING:
    from pwreset.reset.services import Services


def check(
    *,
    user: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            help="A test person's log-in, on whom our account's rights are tried; repeat it for more, write `DOMAIN\\user` for another domain than the default one. Without it somebody is picked in each domain.",
        ),
    ] = None,
    strict: Annotated[bool, Parameter(negative=(), help="Let a warning count as a failure.")] = False,
    as_json: Json = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Look at everything pwreset depends on: what works, what does not, and what to do about it.

    Changes nothing and sends nothing. Ends with 1 when something does not work. What `--json` prints is told in the
    reference of findings.
    """
    from pwreset import logs
    from pwreset.check import check_all
    from pwreset.check.report import exit_code, plain, print_findings

    # What would be logged is among the findings, in better words.
    logs.set_up("error", "text")
    findings = run_async(check_all(config, user or ()))
    if as_json:
        print_json(plain(findings))
    else:
        print_findings(findings)
    sys.exit(exit_code(findings, strict=strict))


def migrate(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Bring the store to this version's form. `serve` does it by itself at its start."""
    from pwreset.wiring import load_keys, migrate_store

    configuration = configuration_of(config)
    load_keys(configuration)
    before, after = migrate_store(configuration)
    print(f"store version {after}" + ("" if before == after else f" (was {before})"))  # noqa: T201


def purge(
    *,
    older_than_days: Annotated[int | None, Parameter(help="Else the setting `store.keep_days`.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Delete settled and expired requests, their messages, and audit events that are old enough."""

    async def act(services: Services) -> None:
        days = older_than_days if older_than_days is not None else services.settings.store.keep_days
        gone = await services.store.purge(services.clock.now() - timedelta(days=days))
        print(", ".join(f"{count} {what}" for what, count in gone.items()))  # noqa: T201

    with_services(config, act)
