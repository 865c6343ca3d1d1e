"""A private OpenLDAP server: built in a folder, run on loopback as our own child process, stopped by its own pid.

For the demo and for tests. It needs Debian's slapd package and no rights: neither root nor the system's own slapd
service is touched.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import ldap

from pwreset.demo.authority import Authority, TlsFiles
from pwreset.demo.people import Entry, to_ldif, with_member_of
from pwreset.errors import SettingsError

SCHEMAS = ("core", "cosine", "nis", "inetorgperson")
SCHEMA_FOLDER = Path("/etc/ldap/schema")
MODULE_FOLDER = Path("/usr/lib/ldap")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
START_TRIES = 20
START_SECONDS = 30.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.02
CONFIG_DN = "cn=admin,cn=config"


@dataclass(frozen=True, slots=True)
class DirectoryPlan:
    """What the directory is to be.

    `access` and `limits` are values of olcAccess and olcLimits (slapd-config(5)), in order. `default_policy` is the DN of
    the password policy of people without their own.
    """

    suffix: str
    entries: Sequence[Entry]
    access: Sequence[str]
    default_policy: str
    root_password: str
    config_password: str
    limits: Sequence[str] = ()
    use_lockout: bool = False
    durable: bool = True
    require_tls: bool = False

    @property
    def root_dn(self) -> str:
        """The account that no policy and no access rule holds back. Not for the service: it skips the policies."""
        return f"cn=admin,{self.suffix}"


class PrivateSlapd:
    """A slapd of its own in `folder`. Use it as a context manager, or call `start` and `stop`.

    It listens on `address` (ldap:// with StartTLS, and ldaps://) and with ldaps:// on `more_addresses` too. `start` may
    be called again after `stop` or `kill`: it keeps its data and its ports. Call it from a thread that lives as long as
    the server is wanted: the kernel ends the server together with that thread, so that none is left behind by a
    process that is killed.
    """

    def __init__(
        self,
        folder: Path,
        plan: DirectoryPlan,
        tls: TlsFiles | None = None,
        address: str = "127.0.0.1",
        more_addresses: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._address = address
        self._more_addresses = tuple(more_addresses)
        self._ports: tuple[int, int] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.tls = tls or Authority("Private directory CA").issue(folder / "tls", addresses=(address,))

    @property
    def plan(self) -> DirectoryPlan:
        """What it was built from."""
        return self._plan

    @property
    def ports(self) -> tuple[int, int]:
        """The ports of ldap:// and ldaps://, known after the first start."""
        if self._ports is None:
            raise RuntimeError("the directory has not been started")
        return self._ports

    @property
    def uri(self) -> str:
        """The ldap:// address, for StartTLS."""
        return f"ldap://{self._address}:{self.ports[0]}"

    @property
    def ldaps_uri(self) -> str:
        """The ldaps:// address."""
        return f"ldaps://{self._address}:{self.ports[1]}"

    @property
    def ca_file(self) -> Path:
        """The CA certificate that vouches for it."""
        return self.tls.ca

    @property
    def log_file(self) -> Path:
        """What slapd says."""
        return self._folder / "slapd.log"

    @property
    def pid(self) -> int:
        """The running server's process id."""
        if self._process is None:
            raise RuntimeError("the directory does not run")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Build the directory unless it is built, and run it. Returns when it answers. Raises SettingsError."""
        if not (self._folder / "built").exists():
            self._build()
        for _ in range(START_TRIES):
            ports = self._ports or (_free_port(self._address), _free_port(self._address))
            if self._run(ports):
                self._ports = ports
                return
        raise SettingsError(f"slapd does not start; its last words are in {self.log_file}")

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
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Make it hang: connections are still taken by the kernel, and nothing is answered."""
        self._signal(signal.SIGSTOP)
        if self._process is not None:
            # The signal is not obeyed at once on a busy machine: an answer might still slip out.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _build(self) -> None:
        for name in ("config", "data"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
            (self._folder / name).mkdir(mode=0o700)
        self._add("0", self._config())
        self._add("1", to_ldif(with_member_of(self._plan.entries)))
        (self._folder / "built").touch()

    def _add(self, database: str, ldif: str) -> None:
        """Fill a database with slapadd. The LDIF holds passwords and is deleted again."""
        with tempfile.NamedTemporaryFile("w", suffix=".ldif", dir=self._folder, encoding="utf-8") as file:
            file.write(ldif)
            file.flush()
            command = [_program("slapadd"), "-q", "-n", database, "-F", str(self._folder / "config"), "-l", file.name]
            # -q skips checks that the configuration needs.
            if database == "0":
                command.remove("-q")
            done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own command line
        if done.returncode:
            self.log_file.write_bytes(done.stderr)
            raise SettingsError(f"slapadd could not build the directory; what it said is in {self.log_file}")

    def _run(self, ports: tuple[int, int]) -> bool:
        addresses = [f"ldap://{self._address}:{ports[0]}/"]
        addresses += [f"ldaps://{address}:{ports[1]}/" for address in (self._address, *self._more_addresses)]
        command = [_program("slapd"), "-d", "0", "-F", str(self._folder / "config"), "-h", " ".join(addresses)]
        if guard := shutil.which("setpriv", path=PATH):
            command = [guard, "--pdeathsig", "TERM", *command]
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603 - ours
        if _answers(process, f"ldap://{self._address}:{ports[0]}"):
            self._process = process
            return True
        if process.poll() is None:
            process.kill()
        process.wait()
        return False

    def _config(self) -> str:
        plan, tls = self._plan, self.tls
        includes = "".join(f"include: file://{SCHEMA_FOLDER}/{name}.ldif\n\n" for name in SCHEMAS)
        database = [
            "dn: olcDatabase={1}mdb,cn=config",
            "objectClass: olcDatabaseConfig",
            "objectClass: olcMdbConfig",
            "olcDatabase: {1}mdb",
            f"olcSuffix: {plan.suffix}",
            f"olcRootDN: {plan.root_dn}",
            f"olcRootPW: {plan.root_password}",
            f"olcDbDirectory: {self._folder / 'data'}",
            "olcDbMaxSize: 8589934592",
            f"olcDbNoSync: {_truth(not plan.durable)}",
            *(f"olcDbIndex: {index}" for index in INDEXES),
            *(f"olcLimits: {{{number}}}{limit}" for number, limit in enumerate(plan.limits)),
            *(f"olcAccess: {{{number}}}{rule}" for number, rule in enumerate(plan.access)),
        ]
        return (
            _record(
                "dn: cn=config",
                "objectClass: olcGlobal",
                "cn: config",
                f"olcTLSCACertificateFile: {tls.ca}",
                f"olcTLSCertificateFile: {tls.certificate}",
                f"olcTLSCertificateKeyFile: {tls.key}",
                "olcTLSVerifyClient: never",
                *(("olcSecurity: simple_bind=128",) if plan.require_tls else ()),
            )
            + _record(
                "dn: cn=module{0},cn=config",
                "objectClass: olcModuleList",
                "cn: module{0}",
                f"olcModulePath: {MODULE_FOLDER}",
                *(f"olcModuleLoad: {name}" for name in ("back_mdb", "ppolicy", "memberof", "refint")),
            )
            + _record("dn: cn=schema,cn=config", "objectClass: olcSchemaConfig", "cn: schema")
            + includes
            + _record(
                "dn: olcDatabase={-1}frontend,cn=config",
                "objectClass: olcDatabaseConfig",
                "objectClass: olcFrontendConfig",
                "olcDatabase: {-1}frontend",
                "olcPasswordHash: {SSHA}",
                "olcSizeLimit: 500",
                'olcAccess: {0}to dn.base="" by * read',
                'olcAccess: {1}to dn.base="cn=subschema" by * read',
            )
            + _record(
                "dn: olcDatabase={0}config,cn=config",
                "objectClass: olcDatabaseConfig",
                "olcDatabase: {0}config",
                f"olcRootDN: {CONFIG_DN}",
                f"olcRootPW: {plan.config_password}",
                "olcAccess: {0}to * by * none",
            )
            + _record(*database)
            + _record(
                "dn: olcOverlay={0}ppolicy,olcDatabase={1}mdb,cn=config",
                "objectClass: olcOverlayConfig",
                "objectClass: olcPPolicyConfig",
                "olcOverlay: {0}ppolicy",
                f"olcPPolicyDefault: {plan.default_policy}",
                "olcPPolicyHashCleartext: TRUE",
                f"olcPPolicyUseLockout: {_truth(plan.use_lockout)}",
            )
            + _record(
                "dn: olcOverlay={1}memberof,olcDatabase={1}mdb,cn=config",
                "objectClass: olcOverlayConfig",
                "objectClass: olcMemberOf",
                "olcOverlay: {1}memberof",
                "olcMemberOfRefInt: TRUE",
            )
            + _record(
                "dn: olcOverlay={2}refint,olcDatabase={1}mdb,cn=config",
                "objectClass: olcOverlayConfig",
                "objectClass: olcRefintConfig",
                "olcOverlay: {2}refint",
                "olcRefintAttribute: member memberOf",
            )
        )


INDEXES = ("objectClass eq", "uid eq", "cn,sn eq,sub", "mail,mobile eq", "member,memberOf eq", "entryUUID,entryCSN eq")


def _record(*lines: str) -> str:
    return "\n".join(lines) + "\n\n"


def _truth(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _program(name: str) -> str:
    path = shutil.which(name, path=PATH)
    if path is None:
        raise SettingsError(f"{name} is missing: install the package slapd (Debian: apt install slapd)")
    return path


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _answers(process: subprocess.Popen[bytes], uri: str) -> bool:
    """Whether it answers a search before it ends or the time is over. Another program on the port ends slapd first."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        connection = ldap.initialize(uri)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 1.0)
        connection.timeout = 1.0
        try:
            connection.search_s("", ldap.SCOPE_BASE, "(objectClass=*)", ["1.1"])
        except ldap.LDAPError:
            time.sleep(POLL_SECONDS)
        else:
            return process.poll() is None
        finally:
            connection.unbind_s()
    return False
