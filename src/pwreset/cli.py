"""The commands. Each reads the settings, asks one use case, prints the answer and ends with a documented exit code.

Exit codes: 0 done, and for failures those of `pwreset.errors.LOOKS` (after sysexits.h); `check` ends with 1 when
something does not work.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pwreset import __version__
from pwreset.commands import care, links, sending
from pwreset.commands.breached import breached_app
from pwreset.commands.keys import keys_app
from pwreset.commands.running import DEFAULT_CONFIG, ConfigPath, configuration_of, run_async
from pwreset.commands.settings_file import config_app
from pwreset.commands.store import store_app
from pwreset.commands.trail import audit_app
from pwreset.errors import PwresetError

app = App(
    name="pwreset",
    help="Password reset links for the people in an LDAP directory.",
    version=__version__,
    help_format="plaintext",
)
app.command(config_app)
app.command(audit_app)
app.command(keys_app)
app.command(store_app)
app.command(breached_app)
for command in (sending.send, links.requests, links.revoke, care.check, care.migrate, care.purge):
    app.command(command)


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

    run_async(run(configuration_of(config), on_ready=_tell_systemd))


@app.command
def worker(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Only carry messages out and clear up, without serving. Not beside `serve` on the same SQLite store."""
    from pwreset.wiring import run_worker

    run_async(run_worker(configuration_of(config), on_ready=_tell_systemd))


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

    run_async(run_demo(port, keep))


def _tell_systemd() -> None:
    """Tell the service manager that we are ready (sd_notify(3)), where there is one."""
    import socket

    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect("\0" + address[1:] if address.startswith("@") else address)
        notify.sendall(f"READY=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}".encode())
