"""Reading and proving the audit trail."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from pwreset.commands.running import DEFAULT_CONFIG, ConfigPath, with_services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pwreset.reset.model import AuditEvent
    from pwreset.reset.ports import Store
    from pwreset.reset.services import Services

PAGE = 1000

audit_app = App(name="audit", help="Read and prove the audit trail.")


@audit_app.command(name="show")
def show_audit(
    *,
    after: Annotated[int, Parameter(help="Begin behind this sequence number.")] = 0,
    limit: Annotated[int, Parameter(help="At most so many.")] = 1000,
    typed: Annotated[
        str | None,
        Parameter(help="Only asks on the public page with this user name, which the trail knows by a mark alone."),
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Print audit events, oldest first, one JSON object a line."""
    from pwreset.reset.asked import marks_of

    async def look(services: Services) -> None:
        marks = None if typed is None else marks_of(typed, services)
        async for event in events_of(services.store, after, limit, marks):
            print(msgspec.json.encode(event).decode())  # noqa: T201

    with_services(config, look)


async def events_of(
    store: Store, after: int, limit: int, marks: frozenset[str] | None = None
) -> AsyncIterator[AuditEvent]:
    """At most `limit` events behind the sequence `after`, page by page; with marks, of asks with these names alone."""
    left, behind = limit, after
    while left > 0 and (page := await store.audit(behind, PAGE)):
        shown = [event for event in page if marks is None or event.facts.get("typed") in marks][:left]
        for event in shown:
            yield event
        left, behind = left - len(shown), page[-1].sequence


@audit_app.command
def verify(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Prove that no chained audit event was edited or cut out. Ends with 1 and the place where one was."""

    async def look(services: Services) -> None:
        broken = await services.store.verify_audit(services.keys.audit_keys())
        print("the audit trail is whole" if broken is None else f"the audit trail is broken: {broken}")  # noqa: T201
        if broken is not None:
            sys.exit(1)

    with_services(config, look)
