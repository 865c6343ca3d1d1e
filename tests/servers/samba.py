"""The Active Directory of the tests: a private Samba domain controller that serves LDAP only, on an address of its own.

Samba's ports are fixed in its code (389, 636, 3268, 3269), so each process takes a loopback address of its own. To
listen there, and to provision, Samba must be root: when the tests are not, `sudo` runs it (tools/install-packages asks
for the same). Provisioning takes some seconds; the result is kept, by recipe and version, in the user's cache folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ldap
import ldap.dn

from pwreset.demo.authority import Authority
from tests.servers.crowd import add_crowd
from tests.servers.hanging import wait_until_stopped
from tests.servers.slapd import password_of

REALM = "EXAMPLE.ORG"
NETBIOS = "CORP"  # neither the configured name of the domain nor the first label of its DNS name
BASE = "DC=example,DC=org"
PEOPLE = f"OU=people,{BASE}"
RESTRICTED = f"OU=restricted,{PEOPLE}"
BRANCH = f"OU=branch,{PEOPLE}"
OTHER = f"OU=other,{BASE}"
GROUPS = f"OU=groups,{BASE}"
SERVICES = f"OU=services,{BASE}"
SERVICE_DN = f"CN=pwreset,{SERVICES}"
SERVICE_PASSWORD = "Serv1ce-Secret!"
READONLY_DN = f"CN=readonly,{SERVICES}"
READONLY_PASSWORD = "Read0nly-Secret!"
ADMIN_DN = f"CN=Administrator,CN=Users,{BASE}"
ADMIN_PASSWORD = "Adm1n-Secret!"

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PYTHON = "/usr/bin/python3"
RECIPE = Path(__file__).with_name("samba_recipe.py")
CLAIM_PORT = 3270  # nobody listens on it: it says that the address is taken
PORTS = (389, 636, 3268, 3269)
START_SECONDS = 60.0
STOP_SECONDS = 20.0
SCRATCH = ("run", "cache", "lock", "log")

NORMAL_ACCOUNT = 512
ACCOUNT_DISABLED = 2
GLOBAL_SECURITY_GROUP = "-2147483646"
EPOCH_SECONDS = 11_644_473_600  # between 1601 and 1970
TICKS = 10_000_000  # in a second


def policy_group(name: str) -> str:
    """The DN of the group whose members are under this fine-grained policy (see samba_recipe.py)."""
    return f"CN={name}-policy,{GROUPS}"


def ad_time(seconds: float = 0.0) -> str:
    """The time so many seconds from now, as AD counts: 100 ns since 1601."""
    return str(int((time.time() + seconds + EPOCH_SECONDS) * TICKS))


class SambaError(Exception):
    """The server does not start."""


class LabSamba:
    """A running domain controller, with an administrator's hands. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._large_group = ""
        self._domain = folder / "domain"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._claim = _claim_address()
        self.address = str(self._claim.getsockname()[0])
        self.authority = Authority("Test domain CA")
        self.tls = self.authority.issue(folder / "tls", names=("dc1.example.org",), addresses=(self.address,))

    @property
    def uri(self) -> str:
        return f"ldap://{self.address}"

    @property
    def ldaps_uri(self) -> str:
        return f"ldaps://{self.address}"

    @property
    def catalog_uri(self) -> str:
        """The global catalog's."""
        return f"ldaps://{self.address}:3269"

    @property
    def ca_file(self) -> Path:
        return self.tls.ca

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        self._claim.close()

    def start(self) -> None:
        """Run it, provisioned or copied first if there is nothing yet. Returns when it answers."""
        if not self._domain.exists():
            _as_root("cp", "-a", "--reflink=auto", str(provisioned()), str(self._domain))
        configuration = self._folder / "smb.conf"
        configuration.write_text(_configuration(self._domain, self.address, self.tls))
        # Samba ends when its standard input does: nothing is left behind by a process that is killed.
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_root_prefix(), _program("samba"), "-F", "-M", "single", "-s", str(configuration)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={"PATH": PATH},
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with self.admin():
                    return
            except ldap.LDAPError:
                time.sleep(0.05)
        self.stop()
        raise SambaError(f"samba does not start; its last words are in {self._domain / 'log'}")

    def stop(self) -> None:
        """End it and wait for its end."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        if not _root_prefix():
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._signal("KILL")
        process, self._process = self._process, None
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        process.wait()

    def pause(self) -> None:
        """Make it hang: connections are still taken by the kernel, and nothing is answered."""
        wait_until_stopped(self._signal("STOP"))

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal("CONT")

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Restart it as a read-only domain controller for a while, which refers all changes to a writable one."""
        before = self._folder / "before"
        self.stop()
        _as_root("cp", "-a", "--reflink=auto", str(self._domain), str(before))
        try:
            self._recipe("read-only")
            self.start()
            yield
        finally:
            self.stop()
            _as_root("rm", "-rf", str(self._domain))
            _as_root("mv", str(before), str(self._domain))
            self.start()

    @contextmanager
    def admin(self, dn: str = ADMIN_DN, password: str = ADMIN_PASSWORD) -> Iterator[Any]:
        """A connection of the domain's administrator, or of somebody else."""
        connection = ldap.initialize(self.ldaps_uri)
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(self.ca_file))
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        connection.set_option(ldap.OPT_REFERRALS, 0)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 5.0)
        connection.timeout = 30.0
        try:
            connection.simple_bind_s(dn, password)
            yield connection
        finally:
            connection.unbind_s()

    def add_person(
        self,
        *,
        name: str | None = None,
        where: str = PEOPLE,
        password: str | None = "",
        groups: Sequence[str] = (),
        **attributes: str | Sequence[str],
    ) -> str:
        """Add a person nobody else uses, and return the DN; its sAMAccountName is `login_of(dn)`.

        The password is `password_of(login)` unless another is given; None: none at all. `groups` are their DNs.
        """
        login = f"p{next(self._numbers):05d}"
        dn = f"CN={ldap.dn.escape_dn_chars(name or login)},{where}"
        values: dict[str, Any] = {
            "objectClass": "user",
            "sAMAccountName": login,
            "userPrincipalName": f"{login}@example.org",
            "displayName": name or f"Pat Person{login}",
            "givenName": "Pat",
            "sn": f"Person{login}",
            "mail": f"{login}@example.org",
            "mobile": "+33600000000",
            "userAccountControl": str(NORMAL_ACCOUNT if password is not None else NORMAL_ACCOUNT | ACCOUNT_DISABLED),
        } | attributes
        entry = [(key, _bytes(value)) for key, value in values.items()]
        if password is not None:
            entry.append(("unicodePwd", [_quoted(password or password_of(login))]))
        with self.admin() as connection:
            connection.add_s(dn, entry)
            for group in groups:
                connection.modify_s(group, [(ldap.MOD_ADD, "member", [dn.encode()])])
        return dn

    def login_of(self, dn: str) -> str:
        """The sAMAccountName."""
        return self.read(dn)["sAMAccountName"][0]

    def add_group(self, members: Sequence[str], **attributes: str) -> str:
        """Add a group of these DNs, and return its DN."""
        name = f"g{next(self._numbers):05d}"
        dn = f"CN={name},{GROUPS}"
        values = {"objectClass": "group", "sAMAccountName": name, "groupType": GLOBAL_SECURITY_GROUP} | attributes
        entry = [(key, _bytes(value)) for key, value in values.items()]
        with self.admin() as connection:
            connection.add_s(dn, [*entry, *([("member", _bytes(members))] if members else [])])
        return dn

    def change(self, dn: str, **attributes: str | Sequence[str] | None) -> None:
        """Replace attributes, as administrator; None deletes one."""
        changes = [
            (ldap.MOD_REPLACE, name, None if value is None else _bytes(value)) for name, value in attributes.items()
        ]
        with self.admin() as connection:
            connection.modify_s(dn, changes)

    def add_members(self, group: str, *members: str) -> None:
        with self.admin() as connection:
            connection.modify_s(group, [(ldap.MOD_ADD, "member", _bytes(members))])

    def remove_members(self, dn: str, *members: str) -> None:
        with self.admin() as connection:
            connection.modify_s(dn, [(ldap.MOD_DELETE, "member", _bytes(members))])

    def set_password(self, dn: str, password: str) -> None:
        """As a help desk does."""
        with self.admin() as connection:
            connection.modify_s(dn, [(ldap.MOD_REPLACE, "unicodePwd", [_quoted(password)])])

    def expire(self, dn: str) -> None:
        """Let the password be 400 days old, older than every policy allows."""
        self._recipe("expire", dn)

    def disable(self, dn: str) -> None:
        self.change(dn, userAccountControl=str(NORMAL_ACCOUNT | ACCOUNT_DISABLED))

    def shell(self, commands: str, given: str = "") -> None:
        """Run a piece of shell as root of the domain controller: its `samba-tool` is this domain's."""
        where = f"-H {self._domain / 'private' / 'sam.ldb'} -s {self._folder / 'smb.conf'}"
        tool = f'samba-tool() {{ command samba-tool "$@" {where}; }}'
        # Without a terminal, questions for passwords are answered on standard input.
        _as_root("setsid", "--wait", "bash", "-euc", f"{tool}\n{commands}", given=given)

    def rename(self, dn: str, rdn: str, parent: str | None = None) -> str:
        """Rename or move an entry, and return its new DN."""
        with self.admin() as connection:
            connection.rename_s(dn, rdn, parent)
        return f"{rdn},{parent or dn.partition(',')[2]}"

    def large_group(self) -> str:
        """The DN of a group of very many people, added when it is first asked for."""
        if not self._large_group:
            with self.admin() as connection:
                self._large_group = self.add_group(add_crowd(connection, "CN", OTHER, "contact"))
        return self._large_group

    def delete(self, dn: str) -> None:
        with self.admin() as connection:
            connection.delete_s(dn)

    def read(self, dn: str, *attributes: str) -> dict[str, list[str]]:
        """An entry with its ordinary attributes, or with these."""
        with self.admin() as connection:
            [(_, found)] = connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", attributes or ["*"])
        return {name: [value.decode(errors="replace") for value in values] for name, values in found.items()}

    def accepts(self, dn: str, password: str) -> bool:
        """Whether a bind with this password succeeds."""
        try:
            with self.admin(dn, password):
                return True
        except ldap.INVALID_CREDENTIALS:
            return False

    def fail_to_log_in(self, dn: str, times: int) -> None:
        """Log in with a wrong password so many times."""
        for _ in range(times):
            self.accepts(dn, "wrong-password")

    def _recipe(self, *words: str) -> None:
        """Change what no LDAP client can."""
        database = str(self._domain / "private" / "sam.ldb")
        _as_root(PYTHON, "-P", str(RECIPE), str(self._folder / "smb.conf"), database, *words)

    def _signal(self, name: str) -> int:
        """Send a signal; the pid. Where sudo stands between us and the server, it can hand on neither STOP nor KILL."""
        pid = int(_as_root("cat", str(self._domain / "samba.pid")))
        _as_root("bash", "-c", f"kill -{name} {pid}")
        return pid


def provisioned() -> Path:
    """A folder with the domain as the recipe makes it, made now if need be. It must not be changed."""
    version = subprocess.run([_program("samba"), "--version"], capture_output=True, check=True).stdout
    recipe = hashlib.sha256(version + RECIPE.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pwreset-tests"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = cache / f"samba-{recipe}"
    with (cache / "samba.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            making = cache / f"samba-{recipe}.making"
            _as_root("rm", "-rf", str(making))
            _provision(making)
            _as_root("mv", str(making), str(done))
    return done


def _provision(folder: Path) -> None:
    (folder / "private").mkdir(mode=0o700, parents=True)
    attributes = [
        # NT ACLs go to security.* extended attributes, which containers forbid: to a file, then.
        f"--option=posix:eadb={folder / 'private' / 'eadb.tdb'}",
        "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
        f"--option=xattr_tdb:file={folder / 'private' / 'xattr.tdb'}",
    ]
    _as_root(
        *("samba-tool", "domain", "provision", f"--realm={REALM}", f"--domain={NETBIOS}", "--server-role=dc"),
        *("--dns-backend=NONE", "--host-name=dc1", "--host-ip=127.0.0.1", f"--targetdir={folder}"),
        *("--option=interfaces=127.0.0.1/8", "--option=bind interfaces only=yes", *attributes),
        f"--adminpass={ADMIN_PASSWORD}",
    )
    configuration = folder / "recipe.conf"
    _as_root("cp", str(folder / "etc" / "smb.conf"), str(configuration))
    passwords = {"pwreset": SERVICE_PASSWORD, "readonly": READONLY_PASSWORD, "root-admin": password_of("root-admin")}
    # -P: this folder has a module named like Samba's own.
    _as_root(
        PYTHON, "-P", str(RECIPE), str(configuration), str(folder / "private" / "sam.ldb"), given=json.dumps(passwords)
    )


def _configuration(domain: Path, address: str, tls: Any) -> str:
    return f"""[global]
    realm = {REALM}
    workgroup = {NETBIOS}
    netbios name = DC1
    server role = active directory domain controller
    server services = ldap
    interfaces = {address}/8
    bind interfaces only = yes
    tls enabled = yes
    tls keyfile = {tls.key}
    tls certfile = {tls.certificate}
    tls cafile = {tls.ca}
    private dir = {domain}/private
    state directory = {domain}/state
    cache directory = {domain}/cache
    lock directory = {domain}
    pid directory = {domain}
    ncalrpc dir = {domain}/ncalrpc
    binddns dir = {domain}/bind-dns
    log file = {domain}/samba.log
    logging = file
    log level = 1
"""


def _claim_address() -> socket.socket:
    """A loopback address on which all of the ports are free; it is ours while this socket is open.

    Samba takes its time to listen: two that look at the same moment would find the same address free.
    """
    for number in range(os.getpid(), os.getpid() + 1000):
        address = f"127.80.{number // 254 % 254 + 1}.{number % 254 + 1}"
        claim = socket.socket()
        try:
            claim.bind((address, CLAIM_PORT))
        except OSError:
            claim.close()
        else:
            if all(_nobody_listens(address, port) for port in PORTS):
                return claim
            claim.close()
    raise SambaError("all addresses are taken")


def _nobody_listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) != 0


def _root_prefix() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]


def _as_root(*command: str, given: str = "") -> str:
    """What it says."""
    done = subprocess.run(
        [*_root_prefix(), *command],
        input=given.encode(),
        capture_output=True,
        check=False,
        env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-2000:]
        raise SambaError(f"{command[0]} failed:\n{said}")
    return done.stdout.decode(errors="replace")


def _program(name: str) -> str:
    path = shutil.which(name, path=PATH)
    if path is None:
        raise SambaError(f"{name} is missing: tools/install-packages test")
    return path


def _quoted(password: str) -> bytes:
    """[MS-ADTS] 3.1.1.3.1.5.1."""
    return f'"{password}"'.encode("utf-16-le")


def _bytes(value: str | Sequence[str]) -> list[bytes]:
    return [one.encode() for one in ([value] if isinstance(value, str) else value)]
