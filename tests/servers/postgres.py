"""The PostgreSQL of the tests: private, on a loopback port and a socket, with fresh databases in no time."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from pwreset.demo.authority import Authority, TlsFiles

ROLE = "pwreset"
SUPERUSER = "postgres"
ACCOUNT = "postgres"  # the server refuses to run as root; Debian's package makes this account
START_TRIES = 5
START_SECONDS = 60.0
POLL_SECONDS = 0.02
STATUS_LINE = 7  # of postmaster.pid; the first one holds the process id
PROGRAMS = Path("/usr/lib/postgresql")
# What is fast and safe enough where only processes are killed: the kernel keeps what was written.
QUICK = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


@dataclass(frozen=True, slots=True)
class Database:
    """A database, and the role that owns it. `url` is what `store.url` wants; the password is told apart from it."""

    name: str
    port: int
    user: str
    password: str
    address: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}@{self.address}:{self.port}/{self.name}"

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """A connection of the test's own, in autocommit mode."""
        with psycopg.connect(
            host=self.address,
            port=self.port,
            dbname=self.name,
            user=self.user,
            password=self.password,
            sslmode="prefer",
            autocommit=True,
        ) as connection:
            yield connection


class PrivatePostgres:
    """A PostgreSQL of its own. Use it as a context manager; `start` may be called again after `stop` or `kill`.

    It keeps its data and its port until the context ends. With `tls` it demands TLS of connections over TCP, by a
    certificate for `localhost` and 127.0.0.1 whose CA is `ca_file`. `durable` writes through to the disk, as measuring
    wants it. Call it from a thread that lives as long as the server is wanted: the kernel ends the server with it.
    """

    def __init__(self, *, tls: bool = False, durable: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self._settings = ({} if durable else QUICK) | dict(settings or {})
        # Not below a folder of pytest's: those are closed to the account that the server runs as.
        self._folder = Path(tempfile.mkdtemp(prefix="pwreset-pg-"))
        self._superuser_password = secrets.token_hex(8)
        self._password = secrets.token_hex(8)
        self._tls = tls
        self._tls_files: TlsFiles | None = None
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    @property
    def port(self) -> int:
        if self._port is None:
            raise RuntimeError("the database server has not been started")
        return self._port

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the database server does not run")
        return self._process.pid

    @property
    def socket_folder(self) -> Path:
        return self._folder / "run"

    @property
    def ca_file(self) -> Path:
        if self._tls_files is None:
            raise RuntimeError("the database server speaks no TLS")
        return self._tls_files.ca

    @property
    def log_file(self) -> Path:
        return self._folder / "log"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Build the cluster unless it is built, and run it. Returns when it answers."""
        if not (self._folder / "built").exists():
            self._build()
        for _ in range(START_TRIES):
            port = self._port or _free_port()
            if self._run(port):
                self._port = port
                break
        else:
            raise RuntimeError(f"PostgreSQL does not start:\n{self.log_file.read_text(errors='replace')[-2000:]}")
        with self.admin() as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone()
            if known is None:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(ROLE), sql.Literal(self._password)
                    )
                )

    def stop(self) -> None:
        """End the server in good order, cutting its connections, and wait for its end."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server at once, as a crash does: what it had committed is found at the next start."""
        process = self._process
        if process is None:
            return
        children = _children(process.pid)
        self._end(signal.SIGKILL)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        # The next start refuses while one of them holds the shared memory.
        while any(Path(f"/proc/{child}").exists() for child in children):
            time.sleep(POLL_SECONDS)

    @contextmanager
    def admin(self, database: str = "postgres") -> Iterator[psycopg.Connection]:
        """A connection of the superuser, in autocommit mode."""
        with psycopg.connect(
            host=str(self.socket_folder),
            port=self.port,
            dbname=database,
            user=SUPERUSER,
            password=self._superuser_password,
            autocommit=True,
        ) as connection:
            yield connection

    def database(self, template: str = "template1") -> Database:
        """A new database, empty or a copy of a template (a database that nobody is connected to)."""
        name = f"pwreset{next(self._numbers)}"
        with self.admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(ROLE), sql.Identifier(template)
                )
            )
        return Database(name, self.port, ROLE, self._password)

    def drop(self, database: Database) -> None:
        """Delete a database, cutting its connections."""
        with self.admin() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database.name)))

    def cut(self, database: Database) -> int:
        """Cut all connections to a database, as a failing network does. Says how many."""
        with self.admin() as connection:
            cut = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database.name,)
            )
            return len(cut.fetchall())

    # --- building and running ------------------------------------------------------------------------------------

    def _build(self) -> None:
        for folder in ("run", "data", "tls"):
            (self._folder / folder).mkdir(mode=0o700)
        password_file = self._folder / "superuser"
        password_file.touch(mode=0o600)
        password_file.write_text(self._superuser_password)
        if self._tls:
            self._tls_files = Authority("Test database CA").issue(
                self._folder / "tls", names=("localhost",), addresses=("127.0.0.1",)
            )
        self._give_away()
        options = ["--encoding", "UTF8", "--locale", "C.UTF-8", "--username", SUPERUSER, "--auth", "scram-sha-256"]
        subprocess.run(
            [
                *_as_account(),
                _program("initdb"),
                "--pgdata",
                self._data,
                "--pwfile",
                password_file,
                "--no-sync",
                *options,
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )
        over_tcp = "hostssl" if self._tls else "host"
        (self._data / "pg_hba.conf").write_text(
            f"local all all scram-sha-256\n{over_tcp} all all 127.0.0.1/32 scram-sha-256\n"
        )
        (self._data / "postgresql.auto.conf").write_text(
            "".join(f"{name} = '{value}'\n" for name, value in self._configuration().items())
        )
        (self._folder / "built").touch()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _configuration(self) -> dict[str, str]:
        tls = (
            {}
            if self._tls_files is None
            else {
                "ssl": "on",
                "ssl_cert_file": str(self._tls_files.certificate),
                "ssl_key_file": str(self._tls_files.key),
            }
        )
        return {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.socket_folder),
            "max_connections": "200",
            "shared_buffers": "64MB",
            **tls,
            **self._settings,
        }

    def _give_away(self) -> None:
        """To the account that the server runs as, where we are root."""
        if os.geteuid() == 0:
            for path in (self._folder, *self._folder.rglob("*")):
                shutil.chown(path, ACCOUNT, ACCOUNT)

    def _run(self, port: int) -> bool:
        command = [*_as_account(), _program("postgres"), "-D", str(self._data), "-p", str(port)]
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and process.poll() is None:
            # Another program on the port ends PostgreSQL first: its word is its own file.
            if self._is_ready(process.pid):
                self._process = process
                return True
            time.sleep(POLL_SECONDS)
        process.kill()
        process.wait()
        return False

    def _is_ready(self, pid: int) -> bool:
        with suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"
        return False

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait()


def _as_account() -> list[str]:
    """What runs a program as an account that the server accepts, and ends it with the thread that started it."""
    guard = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        guard += ["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups"]
    return guard


def _program(name: str) -> str:
    """The newest installed one: Debian keeps each version's programs in a folder of its own."""
    found = sorted(PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: float(path.parent.parent.name))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is missing: install the package postgresql-15")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
