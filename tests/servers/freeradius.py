"""A private FreeRADIUS on loopback, with a configuration of its own: people with one-time passwords, one with a question."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

FREERADIUS = "/usr/sbin/freeradius"
SECRET = "a secret that both sides share"
PATIENCE = 30.0  # seconds; only a broken server gets there
STEP = 0.02
PORTS = (15000, 32000)
ROUNDS = 10  # others take ports too
READY = "Ready to process requests"

JANE, JANES = "jane", "246802"
CAROL, CAROLS, CAROLS_TOKEN = "carol", "carols pin", "135791"
QUESTION = "Enter the number on your token"

CONFIGURATION = """\
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {folder}
run_dir = {folder}
max_request_time = 5
cleanup_delay = 1
hostname_lookups = no
log {{
    destination = stdout
}}
security {{
    reject_delay = 0
    status_server = yes
}}
client loopback {{
    ipaddr = 127.0.0.1
    secret = "{secret}"
    require_message_authenticator = {demands}
}}
modules {{
    always handled {{
        rcode = handled
    }}
    pap {{
    }}
    files {{
        filename = {folder}/users
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {port}
    }}
    authorize {{
        if (&User-Name == "{carol}") {{
            if (!&State) {{
                update control {{
                    &Auth-Type := Step1
                    &Cleartext-Password := "{carols}"
                }}
            }}
            else {{
                update control {{
                    &Auth-Type := Step2
                    &Cleartext-Password := "{token}"
                }}
            }}
        }}
        else {{
            files
            pap
        }}
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
        Auth-Type Step1 {{
            pap
            update reply {{
                &Reply-Message := "{question}"
            }}
            update control {{
                &Response-Packet-Type := Access-Challenge
            }}
            handled
        }}
        Auth-Type Step2 {{
            pap
        }}
    }}
    post-auth {{
        {signature}
        Post-Auth-Type REJECT {{
            {signature}
        }}
        Post-Auth-Type Challenge {{
            {signature}
        }}
    }}
}}
"""
# Servers before 3.2.5 put none into their answers by themselves.
SIGNATURE = "update reply {\n&Message-Authenticator := 0x00\n}"


class PortTakenError(Exception):
    """Somebody was faster."""


class FreeRadius:
    """The server as a process of ours; it can be stopped and started again on the same port."""

    def __init__(self, *, signs: bool = True) -> None:
        self._signs = signs
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pwreset-radius-")))
        for _ in range(ROUNDS):
            self.port = _free_port()
            with suppress(PortTakenError):
                self.start()
                return self
        self._stack.close()
        raise RuntimeError("no port for FreeRADIUS")

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._stack.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it serves. Raises PortTakenError."""
        self._write("radiusd.conf", CONFIGURATION.format(
            folder=self.folder, secret=SECRET, port=self.port, demands="yes", carol=CAROL, carols=CAROLS,
            token=CAROLS_TOKEN, question=QUESTION, signature=SIGNATURE if self._signs else "",
        ))  # fmt: skip
        self._write("users", f'{JANE} Cleartext-Password := "{JANES}"\n')
        out = self.folder / "out"
        with out.open("wb") as file:
            self._process = subprocess.Popen(
                [FREERADIUS, "-X", "-n", "radiusd", "-d", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + PATIENCE
        while READY not in (told := out.read_text(errors="replace")):
            if self._process.poll() is not None:
                raise (PortTakenError if "in use" in told else RuntimeError)(told[-2000:])
            if time.monotonic() > deadline:
                raise TimeoutError(told[-2000:])
            time.sleep(STEP)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def pause(self) -> None:
        """Let it hang until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")


def _free_port() -> int:
    """One that nobody listens on, below those that the system gives to outgoing connections."""
    while True:
        port = random.randint(*PORTS)
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", port))
            return port
