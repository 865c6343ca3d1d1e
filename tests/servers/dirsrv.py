"""389 Directory Server for the tests: an instance of its own in a folder, run on loopback as our own child process.

It is built from the package's own templates and not by `dscreate`, which needs root, /etc/dirsrv, /run/dirsrv and
/dev/shm. So it runs as whoever runs the tests. The database is LMDB: as quick to build as it is small. Where that differs
from Berkeley DB lies far below anything a client sees.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ldap
import ldap.modlist
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key, pkcs12
from ldap.dn import escape_dn_chars

from pwreset.demo.authority import Authority
from pwreset.demo.people import Entry, entry, group, ssha
from pwreset.demo.slapd import PATH, POLL_SECONDS, START_TRIES, STOP_SECONDS, _answers, _free_port
from tests.servers.crowd import add_crowd
from tests.servers.dirsrv_plan import (
    ADMIN_DN,
    ADMIN_PASSWORD,
    BASE,
    CONFIG_ACI,
    GROUPS,
    OTHER,
    PEOPLE,
    SETTINGS,
    dn_of,
    entries,
)
from tests.servers.hanging import wait_until_stopped
from tests.servers.slapd import password_of

TEMPLATES = Path("/usr/share/dirsrv/data")
ADDRESS = "127.0.0.1"
WAIT_SECONDS = 20.0
FOLDERS = ("etc/schema", "db", "ldif", "bak", "log", "lock", "run", "tmp")
NEEDED = "389-ds-base libnss3-tools"


class LabDirsrv:
    """A 389 Directory Server with known people, groups, policies and a service account. Use it as a context manager.

    It listens on 127.0.0.1 (ldap:// with StartTLS, and ldaps://). `start` may be called again after `stop` or `kill`:
    data and ports stay the same.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: tuple[int, int] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._large_group = ""
        for name in FOLDERS:
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.tls = Authority("389 Directory Server CA").issue(
            folder / "tls", names=("localhost",), addresses=(ADDRESS,)
        )

    @property
    def ports(self) -> tuple[int, int]:
        """The ports of ldap:// and ldaps://, known after the first start."""
        assert self._ports is not None, "it has not been started"
        return self._ports

    @property
    def uri(self) -> str:
        return f"ldap://{ADDRESS}:{self.ports[0]}"

    @property
    def ldaps_uri(self) -> str:
        return f"ldaps://{ADDRESS}:{self.ports[1]}"

    @property
    def ca_file(self) -> Path:
        return self.tls.ca

    @property
    def log_file(self) -> Path:
        """What it says at its start; more stands in log/errors beside it."""
        return self._folder / "ns-slapd.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Build the instance unless it is built, run it, fill it. Returns when it answers."""
        built = self._dse.exists()
        if not built:
            self._build()
        for _ in range(START_TRIES):
            ports = self._ports or (_free_port(ADDRESS), _free_port(ADDRESS))
            self._listen_on(*ports)
            if self._run(ports):
                self._ports = ports
                break
        else:
            raise RuntimeError(f"ns-slapd does not start: {self.log_file.read_text()[-2000:]}")
        if not built:
            self._fill()

    def stop(self) -> None:
        """End the server and wait for its end."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End the server at once, as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Make it hang: connections are still taken by the kernel, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        wait_until_stopped(self._process.pid)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def admin(self, dn: str = ADMIN_DN, password: str = ADMIN_PASSWORD) -> Iterator[Any]:
        """A connection of Directory Manager, whom neither policy nor access rules hold."""
        connection = ldap.initialize(self.uri)
        connection.timeout = 20.0
        try:
            connection.simple_bind_s(dn, password)
            yield connection
        finally:
            connection.unbind_s()

    def shell(self, commands: str, **environment: str) -> str:
        """Run shell commands as the documents show them."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            env={"PATH": PATH, "LDAPTLS_CACERT": str(self.ca_file), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add(self, one: Entry) -> None:
        """Add an entry, as Directory Manager."""
        attributes = {"objectClass": [name.encode() for name in one.classes]}
        attributes |= {name: [value.encode() for value in values] for name, values in one.attributes.items()}
        with self.admin() as connection:
            connection.add_s(one.dn, ldap.modlist.addModlist(attributes))

    def add_person(self, *, prefix: str = "p", where: str = PEOPLE, **attributes: str | Sequence[str] | None) -> str:
        """Add a person nobody else uses, and return the uid; the password is `password_of(uid)`.

        With the prefix "noaccess" the service account may not write the password.
        """
        uid = str(attributes.pop("uid", None) or f"{prefix}{next(self._numbers):05d}")
        values: dict[str, str | Sequence[str] | None] = {
            "uid": uid,
            "cn": f"Pat Person{uid}",
            "sn": f"Person{uid}",
            "givenName": "Pat",
            "mail": f"{uid}@example.org",
            "mobile": "+33600000000",
            "userPassword": password_of(uid),
        }
        self.add(entry(f"uid={escape_dn_chars(uid)},{where}", ["inetOrgPerson"], **(values | attributes)))
        return uid

    def add_group(self, members: Sequence[str]) -> str:
        """Add a group of these DNs, and return its DN."""
        one = group(f"g{next(self._numbers):05d}", GROUPS, members)
        self.add(one)
        return one.dn

    def add_members(self, dn: str, *members: str) -> None:
        with self.admin() as connection:
            connection.modify_s(dn, [(ldap.MOD_ADD, "member", [member.encode() for member in members])])

    def change(self, dn: str, **attributes: str | Sequence[str] | None) -> None:
        """Replace attributes, as Directory Manager; None deletes one."""
        with self.admin() as connection:
            connection.modify_s(dn, [(ldap.MOD_REPLACE, name, _octets(value)) for name, value in attributes.items()])

    def remove_members(self, dn: str, *members: str) -> None:
        with self.admin() as connection:
            connection.modify_s(dn, [(ldap.MOD_DELETE, "member", [member.encode() for member in members])])

    def set_password(self, dn: str, password: str) -> None:
        """Change a password elsewhere, and wait for the time of it: the server writes it after it has answered."""
        before = self.read(dn).get("pwdUpdateTime")
        self.change(dn, userPassword=password)
        until = time.monotonic() + WAIT_SECONDS
        while self.read(dn).get("pwdUpdateTime") == before:
            assert time.monotonic() < until, "the time of the change never came"
            time.sleep(POLL_SECONDS)

    @contextmanager
    def configured(self, dn: str = "cn=config", **attributes: str) -> Iterator[None]:
        """Change the running server's configuration for a while."""
        before = self.read(dn)
        old: Mapping[str, Sequence[str] | None] = {name: before.get(name) for name in attributes}
        self.change(dn, **attributes)
        try:
            yield
        finally:
            self.change(dn, **old)

    def rename(self, dn: str, rdn: str, parent: str | None = None) -> str:
        """Rename or move an entry, and return its new DN."""
        with self.admin() as connection:
            connection.rename_s(dn, rdn, parent)
        return f"{rdn},{parent or dn.partition(',')[2]}"

    def large_group(self) -> str:
        """The DN of a group of very many people, added when it is first asked for."""
        if not self._large_group:
            with self.admin() as connection:
                self._large_group = self.add_group(add_crowd(connection, "uid", OTHER, "account"))
        return self._large_group

    def read(self, dn: str, *attributes: str) -> dict[str, list[str]]:
        """An entry with its operational attributes."""
        with self.admin() as connection:
            [(_, found)] = connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["*", "+", *attributes])
        return {name: [value.decode(errors="replace") for value in values] for name, values in found.items()}

    def delete(self, dn: str) -> None:
        with self.admin() as connection:
            connection.delete_s(dn)

    def accepts(self, dn: str, password: str) -> bool:
        """Whether a log-in with this password succeeds, and with everything allowed behind it."""
        try:
            with self.admin(dn, password) as connection:
                connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["1.1"])
                return True
        except (ldap.INVALID_CREDENTIALS, ldap.CONSTRAINT_VIOLATION, ldap.UNWILLING_TO_PERFORM):
            return False

    def fail_to_log_in(self, dn: str, times: int) -> None:
        """Log in with a wrong password so many times."""
        for _ in range(times):
            self.accepts(dn, "wrong-password")

    def dn(self, uid: str) -> str:
        return dn_of(uid)

    @property
    def _dse(self) -> Path:
        return self._folder / "etc" / "dse.ldif"

    def _build(self) -> None:
        if not TEMPLATES.is_dir() or shutil.which("certutil", path=PATH) is None:
            raise RuntimeError(f"389 Directory Server is missing: apt install {NEEDED}")
        self._make_certificates()
        (self._folder / "etc" / "schema" / "99user.ldif").write_text("dn: cn=schema\n")
        values = {
            "ds_suffix": BASE,
            "ds_bename": "userroot",
            "ds_user": Path("/proc/self").owner(),
            "ds_port": "0",
            "ds_passwd": ssha(ADMIN_PASSWORD),
            "rootdn": ADMIN_DN,
            "fqdn": "localhost",
            "db_lib": "mdb",
            "ldapi_enabled": "off",
            "ldapi_autobind": "off",
            "ldapi": "run/ldapi",
            "schema_dir": "etc/schema",
            "db_home_dir": "db",
            **{f"{name}_dir": "etc" for name in ("cert", "inst", "config")},
            **{f"{name}_dir": name for name in ("lock", "tmp", "ldif", "bak", "run", "log", "db")},
        }
        text = (TEMPLATES / "template-dse.ldif").read_text().rstrip("\n") + "\n\n"
        text += (TEMPLATES / "template-suffix-db.ldif").read_text()
        for name, value in values.items():
            is_path = name.endswith("_dir") or name == "ldapi"
            text = text.replace(f"%{name}%", str(self._folder / value) if is_path else value)
        # Its collations lie where only root can read them.
        text = _with_plugin(text, "Internationalization Plugin", "off")
        for name in ("MemberOf Plugin", "USN"):
            text = _with_plugin(text, name, "on")
        settings = "".join(f"{name}: {value}\n" for name, value in SETTINGS.items())
        listening = f"nsslapd-listenhost: {ADDRESS}\nnsslapd-securelistenhost: {ADDRESS}\nnsslapd-secureport: 0\n"
        self._dse.write_text(text.replace("dn: cn=config\n", f"dn: cn=config\n{listening}{settings}", 1))

    def _make_certificates(self) -> None:
        """The database of certificates in the form of NSS, with an empty password."""
        etc, bundle = self._folder / "etc", self._folder / "tls" / "server.p12"
        key = load_pem_private_key(self.tls.key.read_bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        certificate = x509.load_pem_x509_certificate(self.tls.certificate.read_bytes())
        bundle.write_bytes(
            pkcs12.serialize_key_and_certificates(b"Server-Cert", key, certificate, None, NoEncryption())
        )
        commands: tuple[list[str | Path], ...] = (
            ["certutil", "-N", "-d", etc, "--empty-password"],
            ["certutil", "-A", "-d", etc, "-n", "CA", "-t", "CT,,", "-a", "-i", self.ca_file],
            ["pk12util", "-d", etc, "-i", bundle, "-W", "", "-K", ""],
        )
        for command in commands:
            subprocess.run(command, env={"PATH": PATH}, capture_output=True, check=True)

    def _listen_on(self, port: int, secure_port: int) -> None:
        text = re.sub(r"(?m)^nsslapd-port:.*$", f"nsslapd-port: {port}", self._dse.read_text())
        self._dse.write_text(re.sub(r"(?m)^nsslapd-secureport:.*$", f"nsslapd-secureport: {secure_port}", text))

    def _run(self, ports: tuple[int, int]) -> bool:
        command: list[str | Path] = [
            "ns-slapd",
            "-d",
            "0",
            "-D",
            self._folder / "etc",
            "-i",
            self._folder / "run" / "pid",
        ]
        # Ended by the kernel together with us, so that none is left behind by a run that is killed.
        guard: list[str | Path] = ["setpriv", "--pdeathsig", "KILL"]
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                [*guard, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": PATH},
                cwd=self._folder,
            )
        if _answers(process, f"ldap://{ADDRESS}:{ports[0]}"):
            self._process = process
            return True
        if process.poll() is None:
            process.kill()
        process.wait()
        return False

    def _fill(self) -> None:
        for one in entries():
            self.add(one)
        self.change("cn=config", aci=CONFIG_ACI)


def _with_plugin(text: str, name: str, enabled: str) -> str:
    """The configuration with this plug-in switched."""
    head, found, rest = text.partition(f"dn: cn={name},cn=plugins,cn=config\n")
    assert found, name
    return head + found + re.sub(r"(?im)^nsslapd-pluginEnabled:.*$", f"nsslapd-pluginEnabled: {enabled}", rest, count=1)


def _octets(value: str | Sequence[str] | None) -> list[bytes] | None:
    if value is None:
        return None
    return [one.encode() for one in ([value] if isinstance(value, str) else value)]
