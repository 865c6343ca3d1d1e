"""The commands. Each reads the settings, asks one use case, prints the answer and ends with a documented exit code.

Exit codes: 0 done, and for failures those of `pwreset.errors.LOOKS` (after sysexits.h); `check` ends with 1 when
something does not work.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
import time
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from cyclopts import App, Parameter

from pwreset import __version__, logs
from pwreset.errors import PwresetError
from pwreset.settings import Configuration, load

if TYPE_CHECKING:
    from pwreset.reset.model import Asker
    from pwreset.reset.requests import RequestView
    from pwreset.reset.services import Services

T = TypeVar("T")

app = App(
    name="pwreset",
    help="Password reset links for the people in an LDAP directory.",
    version=__version__,
    help_format="plaintext",
)
config_app = App(name="config", help="Make, show and explain the settings file.")
audit_app = App(name="audit", help="Read and prove the audit trail.")
app.command(config_app)
app.command(audit_app)

ConfigPath = Annotated[
    Path,
    Parameter(name=["--config", "-c"], env_var="PWRESET_CONFIG", help="The settings file."),
]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON, for programs.")]
DEFAULT_CONFIG = Path("/etc/pwreset/pwreset.toml")


def main() -> None:
    """Run a command; an expected failure is one sentence on standard error and an exit code."""
    try:
        app()
    except PwresetError as error:
        print(f"pwreset: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.look.exit_code)
    except BrokenPipeError:
        # Whoever read our output has had enough (`pwreset requests | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


@app.command
def serve(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Serve the Manager API and people's pages, and carry messages out, until stopped (SIGTERM).

    SIGHUP loads the certificate anew.
    """
    from pwreset.wiring import run

    _run(run(_configuration(config), on_ready=_tell_systemd))


@app.command
def worker(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Only carry messages out and clear up, without serving. Not beside `serve` on the same SQLite store."""
    from pwreset.wiring import run_worker

    _run(run_worker(_configuration(config), on_ready=_tell_systemd))


@app.command
def demo(
    *,
    port: Annotated[int, Parameter(help="Port of the pages and the Manager API; 0 takes a free one.")] = 8443,
    keep: Annotated[
        Path | None, Parameter(help="A folder to keep the demo's data in; else it is thrown away at the end.")
    ] = None,
) -> None:
    """Try everything on this machine: a private directory with a few people, an inbox for mails and SMS.

    Listens on 127.0.0.1 only. Needs slapd (Debian: apt install slapd); ends with Ctrl-C.
    """
    from pwreset.demo.run import run_demo

    _run(run_demo(port, keep))


@app.command
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
                asker=_operator(),
                scope=None,
                wait_until=services.clock.monotonic() + services.settings.delivery.wait_seconds,
            ),
            services,
        )
        if as_json:
            _print_json({"link": sent.link.reveal(), "id": sent.request_id, "failures": list(sent.failures)})
        else:
            print(sent.link.reveal())  # noqa: T201
            for reason in sent.failures:
                print(f"pwreset: not on every channel: {reason}", file=sys.stderr)  # noqa: T201

    _with_services(config, ask)


@app.command
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

    _with_services(config, look)


@app.command
def revoke(
    request_id: Annotated[str, Parameter(help="The id, as `pwreset requests` shows it.")],
    *,
    as_json: Json = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Revoke a link and give up what still waits to be sent for it."""

    async def act(services: Services) -> None:
        from pwreset.reset.requests import revoke_request

        _print_requests((await revoke_request(request_id, _operator(), None, services),), as_json=as_json)

    _with_services(config, act)


@app.command
def check(
    *,
    user: Annotated[
        str | None, Parameter(help="A test person's log-in: whether our account may write his password is tried.")
    ] = None,
    as_json: Json = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Look at everything pwreset depends on: what works, what does not, and what to do about it.

    Changes nothing and sends nothing. Ends with 1 when something does not work.
    """
    from pwreset.check import check_all, print_findings

    findings = _run(check_all(config, user))
    if as_json:
        _print_json([{"part": f.part, "ok": f.ok, "detail": f.detail, "advice": f.advice} for f in findings])
    else:
        print_findings(findings)
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@app.command
def migrate(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Bring the store to this version's form. `serve` does it by itself at its start."""
    from pwreset.wiring import load_keys, migrate_store

    configuration = _configuration(config)
    load_keys(configuration)
    before, after = migrate_store(configuration)
    print(f"store version {after}" + ("" if before == after else f" (was {before})"))  # noqa: T201


@app.command
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

    _with_services(config, act)


@config_app.command
def init(
    path: Annotated[Path, Parameter(help="Where to write it.")] = DEFAULT_CONFIG,
) -> None:
    """Write a settings file to start from, with mode 0600. An existing file is left alone."""
    from pwreset.errors import SettingsError
    from pwreset.settings.reference import starter

    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(starter())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    print(f"{path} written; edit it, then run: pwreset check --config {path}")  # noqa: T201


@config_app.command
def show(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Print the settings in force, defaults included, as JSON. What may hold a secret is shown as ***."""
    from pwreset.settings.reference import shown

    _print_json(shown(_configuration(config).settings))


@config_app.command
def reference() -> None:
    """Print every setting with its default and meaning, as a commented settings file."""
    from pwreset.settings.reference import toml_reference

    print(toml_reference())  # noqa: T201


@audit_app.command(name="show")
def show_audit(
    *,
    after: Annotated[int, Parameter(help="Begin behind this sequence number.")] = 0,
    limit: Annotated[int, Parameter(help="At most so many.")] = 1000,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Print audit events, oldest first, one JSON object a line."""

    async def look(services: Services) -> None:
        for event in await services.store.audit(after, limit):
            print(msgspec.json.encode(event).decode())  # noqa: T201

    _with_services(config, look)


@audit_app.command
def verify(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Prove that no chained audit event was edited or cut out. Ends with 1 and the place where one was."""

    async def look(services: Services) -> None:
        broken = await services.store.verify_audit([key.derive("audit chain") for key in services.keys.keys])
        print("the audit trail is whole" if broken is None else f"the audit trail is broken: {broken}")  # noqa: T201
        if broken is not None:
            sys.exit(1)

    _with_services(config, look)


def _configuration(path: Path) -> Configuration:
    configuration = load(path)
    logs.set_up(configuration.settings.log.level, configuration.settings.log.format)
    return configuration


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        sys.exit(130)


def _with_services(config: Path, work: Any) -> None:
    """Run one piece of work beside the server, logging warnings only."""
    from pwreset.wiring import services_of

    configuration = load(config)
    logs.set_up("warning", "text")

    async def whole() -> None:
        async with services_of(configuration, exclusive=False) as services:
            await work(services)

    _run(whole())


def _operator() -> Asker:
    from pwreset.reset.model import Asker, Origin
    from pwreset.reset.tokens import new_id

    return Asker(Origin.OPERATOR, getpass.getuser(), "local", new_id())


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())  # noqa: T201


def _print_requests(views: tuple[RequestView, ...], *, as_json: bool) -> None:
    from pwreset.reset.requests import plain

    if as_json:
        _print_json([plain(view) for view in views])
        return
    for view in views:
        request = view.request
        print(  # noqa: T201
            f"{request.id}  {view.state:8}  {request.created_at:%Y-%m-%d %H:%M}  until {request.expires_at:%Y-%m-%d %H:%M}"
            f"  {request.domain}\\{request.user_login}  {request.mode.value}  by {request.asked_by}"
        )
        for delivery in view.deliveries:
            detail = f"  {delivery.detail}" if delivery.detail else ""
            print(  # noqa: T201
                f"    {delivery.message.value} by {delivery.recipient.channel.value} to {delivery.recipient.address}:"
                f" {delivery.state.value} after {delivery.attempts} attempts{detail}"
            )


def _tell_systemd() -> None:
    """Tell the service manager that we are ready (sd_notify(3)), where there is one."""
    import socket

    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect("\0" + address[1:] if address.startswith("@") else address)
        notify.sendall(f"READY=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}".encode())
