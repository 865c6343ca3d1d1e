"""A private Kannel on loopback: bearerbox, smsbox, and its fake operator (fakesmsc), as processes of our own."""

from __future__ import annotations

import random
import re
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Self
from urllib.parse import unquote_to_bytes, urlencode
from urllib.request import urlopen

FAKESMSC = "/usr/lib/kannel/test/fakesmsc"
USERNAME, PASSWORD = "pwreset", "kannel's own password"
PATIENCE = 30.0  # seconds; only a broken Kannel gets there
STEP = 0.02
PORTS = (15000, 32000)
ROUNDS = 10  # others take ports too
_GOT = re.compile(r"Got message \d+: <(.*)>")
_HEAD = re.compile(r"(?P<sender>.*) (?P<to>\+[0-9]+) (?P<kind>text|ucs-2|udh) (?P<payload>.*)")
MARKER = "+33600000000"
# What each says once it does its work. smsbox listens before it has read who may send and what is denied, and before it
# has found bearerbox: that its port is open says nothing.
READY = {"smsbox": "Connected to bearerbox", "fakesmsc": "sent message 1"}

CONFIGURATION = """\
group = core
admin-port = {admin}
admin-password = {password}
admin-interface = 127.0.0.1
smsbox-port = {smsbox}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = {folder}/bearerbox.log
dlr-storage = internal
http-timeout = 10

group = smsc
smsc = fake
smsc-id = fake
port = {smsc}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {smsbox}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = {folder}/smsbox.log

group = sendsms-user
username = {username}
password = {password}
concatenation = true
max-messages = 5
black-list-regex = "{denied}"
"""


class PortTakenError(Exception):
    """Somebody was faster."""


@dataclass(frozen=True)
class Arrived:
    """One message, or part of a long one, as the operator gets it."""

    sender: str
    to: str
    kind: str  # text, ucs-2; udh is part of a long one
    payload: str  # as fakesmsc prints it

    @property
    def raw(self) -> bytes:
        """The user data of a part or of a text in UCS-2."""
        data = self.payload.rpartition(" data ")[2] if self.kind == "udh" else self.payload
        return unquote_to_bytes(data.replace("+", " "))

    @property
    def part(self) -> tuple[int, int]:
        """Which part of how many."""
        header = unquote_to_bytes(self.payload.split(" ", 1)[0]) if self.kind == "udh" else b"\x01\x01"
        return header[-1], header[-2]

    @property
    def text(self) -> str:
        """What a phone shows of a single one."""
        return self.raw.decode("utf-16-be") if self.kind == "ucs-2" else self.payload


class Kannel:
    """The three processes; each can be stopped and started again on the same ports."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}
        self.paused = False

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pwreset-kannel-")))
        for _ in range(ROUNDS):
            self._configure()
            try:
                for name in ("bearerbox", "smsbox", "fakesmsc"):
                    self.start(name)
            except PortTakenError:
                self.stop_all()
            else:
                return self
        self._stack.close()
        raise RuntimeError("no ports for Kannel")

    def __exit__(self, *_: object) -> None:
        self.stop_all()
        self._stack.close()

    @property
    def url(self) -> str:
        return f"kannel://127.0.0.1:{self.ports['sendsms']}"

    def start(self, name: str) -> None:
        """Start one of the processes and wait until it serves. Raises PortTakenError."""
        commands = {
            "bearerbox": (["/usr/sbin/bearerbox", "kannel.conf"], ("smsbox", "smsc", "admin")),
            "smsbox": (["/usr/sbin/smsbox", "kannel.conf"], ("sendsms",)),
            "fakesmsc": ([FAKESMSC, "-H", "127.0.0.1", "-r", str(self.ports["smsc"]), "-i", "86400", "1 2 text x"], ()),
        }
        command, ports = commands[name]
        ready = self._times_ready(name)
        with (self.folder / f"{name}.out").open("ab") as out:
            process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        self._running[name] = process
        deadline = time.monotonic() + PATIENCE
        while not all(_listens(self.ports[port]) for port in ports) or self._times_ready(name) < ready + 1:
            if process.poll() is not None:
                raise PortTakenError(self.told(name))
            if time.monotonic() > deadline:
                raise TimeoutError(self.told(name))
            time.sleep(STEP)

    def stop(self, name: str) -> None:
        """End one of the processes."""
        process = self._running.pop(name)
        process.kill()  # bearerbox takes seconds to say good-bye, and a crash is what the tests want
        process.wait(PATIENCE)

    def stop_all(self) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)

    def told(self, name: str) -> str:
        """What a process printed and logged."""
        files = (self.folder / f"{name}.out", self.folder / f"{name}.log")
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    @property
    def arrived(self) -> list[Arrived]:
        """What the operator got so far, in order."""
        found: list[Arrived] = []
        for line in _GOT.findall((self.folder / "fakesmsc.out").read_text(encoding="utf-8", errors="replace")):
            if head := _HEAD.fullmatch(line):
                found.append(Arrived(**head.groupdict()))
            elif found and not line.startswith("2 1 text"):  # fakesmsc speaks in lines, and texts have several
                found[-1] = replace(found[-1], payload=f"{found[-1].payload}\n{line}")
        return [one for one in found if one.to != MARKER]

    def all_arrived(self) -> list[Arrived]:
        """What the operator gets of all that Kannel has taken: a message of our own goes behind it."""
        if {"smsbox", "bearerbox"} <= self._running.keys():
            word = str(time.monotonic_ns())
            query = urlencode({"username": USERNAME, "password": PASSWORD, "to": MARKER, "from": "1", "text": word})
            with urlopen(
                f"http://127.0.0.1:{self.ports['sendsms']}/cgi-bin/sendsms?{query}", timeout=PATIENCE
            ) as answer:
                assert answer.status == 202
            deadline = time.monotonic() + PATIENCE
            while word not in self.told("fakesmsc"):
                assert time.monotonic() < deadline, self.told("fakesmsc")
                time.sleep(STEP)
        return self.arrived

    def wait_for(self, count: int) -> list[Arrived]:
        """So many parts of messages, once they have arrived."""
        deadline = time.monotonic() + PATIENCE
        while len(arrived := self.arrived) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(arrived)} of {count} arrived: {self.told('fakesmsc')}")
            time.sleep(STEP)
        return arrived

    def pause(self, name: str) -> None:
        """Let a process hang until `resume`."""
        self.paused = True
        self._running[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self._running[name].send_signal(signal.SIGCONT)
        self.paused = False

    def restart(self, *, denied: str = "") -> None:
        """All of them on the same ports; the number denied is refused from now on."""
        self.stop_all()
        self._write(denied)
        for name in ("bearerbox", "smsbox", "fakesmsc"):
            self.start(name)

    def _configure(self) -> None:
        self.ports = {name: _free_port() for name in ("admin", "smsbox", "smsc", "sendsms")}
        self._write("")

    def _write(self, denied: str) -> None:
        file = self.folder / "kannel.conf"
        file.touch(mode=0o600)
        file.write_text(
            CONFIGURATION.format(
                folder=self.folder, username=USERNAME, password=PASSWORD, denied=denied or "none", **self.ports
            ),
            encoding="utf-8",
        )

    def _times_ready(self, name: str) -> float:
        """How often it has said so; of bearerbox its ports say it."""
        out = self.folder / f"{name}.out"
        if name not in READY:
            return inf
        return out.read_text(errors="replace").count(READY[name]) if out.exists() else 0


def _free_port() -> int:
    """One that nobody listens on, below those that the system gives to outgoing connections: it stays ours over a restart."""
    while True:
        port = random.randint(*PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
            return True
    except OSError:
        return False
