"""`pwreset demo`: everything on this machine, through the real code paths, thrown away at the end.

A private slapd with a few people, a mail and SMS catcher with an inbox page, and the service itself with a settings file
like any other: LDAP, SMTP and the SMS gateway's HTTP all go over sockets.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pwreset import logs
from pwreset.demo.authority import Authority
from pwreset.demo.catcher import Catcher
from pwreset.demo.directory import DEMO_DOMAIN, MANAGER_LOGIN, demo_directory
from pwreset.errors import StartError
from pwreset.settings import load
from pwreset.wiring import run

ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class DemoPlaces:
    """Where the demo can be met: addresses to open, and the manager's password."""

    pages: str
    inbox: str
    directory: str
    ca_file: Path
    settings: Path
    manager: str
    manager_password: str


async def run_demo(port: int, keep: Path | None) -> None:
    """Start everything, tell where it is, and serve until stopped. Raises StartError when something is missing."""
    if shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/usr/libexec") is None:
        raise StartError("the demo needs slapd, OpenLDAP's server; on Debian: apt install slapd (or: make demo)")
    with _folder(keep) as folder:
        async with _places(port, folder) as places:
            await _serve(places)


async def _serve(places: DemoPlaces) -> None:
    configuration = load(places.settings)
    logs.set_up(configuration.settings.log.level, configuration.settings.log.format)
    await run(configuration, on_ready=lambda: _tell(places))


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="pwreset-demo-") as folder:
        yield Path(folder)


@asynccontextmanager
async def _places(port: int, folder: Path) -> AsyncIterator[DemoPlaces]:
    """The directory, the catcher and a settings file that ties them together."""
    manager_password = secrets.token_urlsafe(12)
    tls = Authority("pwreset demo").issue(folder / "tls")
    port = port or _free_port()
    with demo_directory(folder / "slapd", manager_password) as directory:
        async with Catcher() as catcher:
            settings = folder / "pwreset.toml"
            secret = folder / "bind-password"
            _write_private(secret, directory.service_password)
            _write_private(
                settings,
                SETTINGS.format(
                    port=port,
                    certificate=tls.certificate,
                    key=tls.key,
                    store=folder / "pwreset.db",
                    smtp=catcher.smtp_url,
                    sms=catcher.sms_url,
                    domain=DEMO_DOMAIN,
                    ldap=directory.ldaps_uri,
                    ca=directory.ca_file,
                    suffix=directory.suffix,
                    bind_dn=directory.service_dn,
                    secret=secret,
                ),
            )
            yield DemoPlaces(
                pages=f"https://localhost:{port}",
                inbox=catcher.inbox_url,
                directory=directory.ldaps_uri,
                ca_file=tls.ca,
                settings=settings,
                manager=f"{DEMO_DOMAIN}\\{MANAGER_LOGIN}",
                manager_password=manager_password,
            )


SETTINGS = """\
# The settings of this demo: a real settings file, as `pwreset serve --config` takes it.
public_url = "https://localhost:{port}"
default_domain = "{domain}"

[server]
bind = "127.0.0.1:{port}"
tls_certificate = "{certificate}"
tls_key = "{key}"

[store]
url = "sqlite://{store}"

[links]
delivery_mode = "MAILSMS"

[mail]
url = "{smtp}"
sender = "Example Corp Help Desk <helpdesk@example.org>"

[sms]
url = "{sms}"
sender = "Example"

[manager_api]
allowed_networks = ["127.0.0.0/8", "::1/128"]

[log]
level = "warning"
format = "text"

[domains.{domain}]
uris = ["{ldap}"]
ca_file = "{ca}"
bind_dn = "{bind_dn}"
bind_password_file = "{secret}"
base_dn = "ou=people,{suffix}"
title = "Example Corp"
public = true
change_page = true
login_attributes = ["uid", "cn", "mail"]
managers = ["cn=pwreset-managers,ou=groups,{suffix}"]
protected = ["cn=directory-admins,ou=groups,{suffix}"]
help_text = "Help desk: +33 1 23 45 67 89"
"""


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _tell(places: DemoPlaces) -> None:
    sys.stdout.write(TOLD.format(places=places, pages=f"{places.pages}/"))
    sys.stdout.flush()


TOLD = """
pwreset is running, for you alone, on 127.0.0.1. Open:

  1  {places.inbox:<32} the inbox: every mail and SMS ends up here
  2  {pages:<32} the pages people see (the certificate was made just now)
  3  {places.directory:<32} the directory: Jane Doe and a few others

Now be the help desk. Paste this to send Jane Doe a link:

  curl --cacert {places.ca_file} \\
    --user '{places.manager}:{places.manager_password}' \\
    --json '{{"jsonrpc":"2.0","method":"PwReset.Send_Request","id":0,"params":{{"username":"Jane Doe","method":"MAILSMS","expires":72,"comments":"As you asked on the phone"}}}}' \\
    {places.pages}/manag/

Then be Jane: open the inbox, follow the link, set a password. It must have 15 characters.
Or ask for a link yourself, without the help desk: {places.pages}/forgot
Who knows the password changes it without a link:  {places.pages}/change
Settings: {places.settings}
Stop with Ctrl-C; everything is thrown away then.

"""
