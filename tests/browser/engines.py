"""Browsers that are no Chromium, each started with a profile of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from tests.browser.webdriver import WITHIN, Http, Marionette, Tab, until
from tests.servers.service import free_port

FIREFOX = "/usr/bin/firefox-esr"
WEBKIT_DRIVER = "/usr/bin/WebKitWebDriver"
WEBKIT = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser"  # WebKitGTK's own small browser


class Engine(Protocol):
    """Starts a browser whose profile is in this folder, and ends it."""

    __name__: str

    def __call__(self, folder: Path, *, scripts: bool = True) -> Any: ...


@contextmanager
def firefox(folder: Path, *, scripts: bool = True) -> Iterator[Tab]:
    """Firefox without a window."""
    preferences = {
        "marionette.port": 0,  # one that is free, told in a file
        "javascript.enabled": scripts,
        "network.dns.native-is-localhost": True,  # every name is this machine: ours are found, and nobody else
    }
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (folder / "user.js").write_text("".join(lines))
    port = folder / "MarionetteActivePort"
    # With access to the system a script may be told what the browser's console says.
    command = [FIREFOX, "--headless", "--marionette", "--remote-allow-system-access", "--profile", str(folder)]
    with (folder / "log").open("wb") as log, _running(command, log, {"HOME": str(folder)}) as process:
        until(lambda: process.poll() is not None or (port.exists() and port.read_text()))
        wire = Marionette(int(port.read_text()))
        try:
            yield Tab(wire)
        finally:
            wire.close()


@contextmanager
def webkit(folder: Path, *, scripts: bool = True) -> Iterator[Tab]:
    """WebKitGTK, on a screen that nobody sees: it knows no life without one."""
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        screen = stack.enter_context(_screen(log))
        port = free_port()
        around = {"DISPLAY": screen, "HOME": str(folder), "LC_ALL": "C.UTF-8", "GTK_A11Y": "none", "NO_AT_BRIDGE": "1"}
        stack.enter_context(_running([WEBKIT_DRIVER, f"--port={port}"], log, around))
        until(lambda: _answers(port))
        arguments = ["--automation", f"--enable-javascript={str(scripts).lower()}"]
        wire = Http(port, {"binary": WEBKIT, "args": arguments})
        stack.callback(wire.close)
        yield Tab(wire)


@contextmanager
def _screen(log: IO[bytes]) -> Iterator[str]:
    """The name of a screen of one's own."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    with os.fdopen(reader) as told, _running(command, log, {}, pass_fds=(writer,)):
        os.close(writer)
        number = told.readline().strip()
        assert number, "Xvfb has ended"
        yield f":{number}"


@contextmanager
def _running(
    command: list[str], log: IO[bytes], around: dict[str, str], pass_fds: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with these additions to our environment, ended at the end, whatever happened."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | around, pass_fds=pass_fds
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
