"""Has Orca read out the main path in Firefox, on a screen that nobody sees, driven by keys: what is done, what is said.

For docs/explanation/for-everybody.md. No test: other versions say it in other words, and it takes a minute.
Orca runs once for each user: where one reads out the screen already, this one does not start.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from starlette.types import ASGIApp

from tests.fakes.pages import GOOD_PASSWORD, PagesWorld, settings_with
from tests.servers.https import https

READY_WITHIN = 60.0
QUIET_FOR = 2.0  # Orca has said what there was to say
SPOKEN = re.compile(r"SPEECH OUTPUT: '(.*?)'(?: voice=\w+)?(?:\{.*)?$")
PREFERENCES = """
user_pref("accessibility.force_disabled", -1);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("intl.accept_languages", "en-GB");
user_pref("signon.rememberSignons", false);
user_pref("termsofuse.bypassNotification", true);
"""
STEPS = ["ctrl+Home", "Tab", "Tab", "=jane", "Tab", "=jane", "Return", "Tab", "Return"]
STEPS += [f"={GOOD_PASSWORD}", "Tab", f"={GOOD_PASSWORD}", "Tab", "Return"]


class Ear:
    """Orca's debug file: what it said, and when it last did anything."""

    def __init__(self) -> None:
        # A terminal, for which Python does not keep lines back until there are many.
        self._reading, writing = os.openpty()
        tty.setraw(writing)
        self.file = os.ttyname(writing)
        self._spoken: list[str] = []
        self._busy_at = time.monotonic()
        threading.Thread(target=self._listen, daemon=True).start()

    def heard(self) -> list[str]:
        """What was said since the last call, once nothing more comes."""
        while time.monotonic() - self._busy_at < QUIET_FOR:
            time.sleep(0.1)
        heard, self._spoken = self._spoken, []
        return heard

    def _listen(self) -> None:
        with os.fdopen(self._reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._busy_at = time.monotonic()
                if match := SPOKEN.search(line):
                    self._spoken.append(match[1].strip())


@contextmanager
def listening(ca: Path, folder: Path) -> Iterator[Callable[[str], list[str]]]:
    """Start everything, with a browser that trusts this authority; yields what presses a key, or types after `=`."""
    ear, bus = Ear(), folder / "bus"
    env = {
        **os.environ,
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}",
        "GSETTINGS_BACKEND": "memory",
        "GNOME_ACCESSIBILITY": "1",
        # Where nothing speaks, Orca writes down what would have been spoken, and waits for nobody.
        "SPEECHD_ADDRESS": f"unix_socket:{folder}/none",
    }

    def press(step: str) -> list[str]:
        ear.heard()
        keys = ["type", "--delay", "40", step[1:]] if step.startswith("=") else ["key", step]
        subprocess.run(["xdotool", *keys], env=env, check=True)
        time.sleep(QUIET_FOR)  # until the first of what comes of it
        return ear.heard()

    with ExitStack() as started:
        env["DISPLAY"] = _screen(started, env)
        _start(started, env, "dbus-daemon", "--session", "--nofork", f"--address=unix:path={bus}")
        _until(bus.exists)
        _start(started, env, "openbox")  # or Orca hears of no active window, now and then
        _start(started, env, "orca", "--disable=braille", f"--debug-file={ear.file}")
        _until(lambda: "Screen reader on." in ear.heard())
        (folder / "user.js").write_text(PREFERENCES, encoding="ascii")
        certutil = ["certutil", "-d", f"sql:{folder}"]
        subprocess.run([*certutil, "-N", "--empty-password"], check=True)
        subprocess.run([*certutil, "-A", "-n", "authority", "-t", "C,,", "-i", ca], check=True)
        _start(started, env, "firefox-esr", "--no-remote", "--profile", str(folder), "about:blank")
        _until(lambda: any("Firefox" in said for said in ear.heard()))
        yield press


def _screen(started: ExitStack, env: Mapping[str, str]) -> str:
    reading, writing = os.pipe()
    _start(started, env, "Xvfb", "-displayfd", str(writing), "-nolisten", "tcp", pass_fds=(writing,))
    os.close(writing)
    with os.fdopen(reading) as number:
        return f":{number.readline().strip()}"


def _start(started: ExitStack, env: Mapping[str, str], *command: str, pass_fds: tuple[int, ...] = ()) -> None:
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, env=env, stdout=null, stderr=null, pass_fds=pass_fds)
    started.callback(process.wait)
    started.callback(process.kill)  # Orca, asked to end, sometimes does not


def _until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("Orca or Firefox has not started. Does another Orca run?")
        time.sleep(0.1)


def main() -> None:
    """Open a link, choose a password that is refused, then a good one."""
    worlds: list[PagesWorld] = []

    def app(address: str) -> ASGIApp:
        worlds.append(PagesWorld(settings_with(address)))
        return worlds[0].app

    with tempfile.TemporaryDirectory() as site, https(app, Path(site)) as address:
        token, _ = asyncio.run(worlds[0].link())
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as session,
            listening(Path(site, "tls", "ca.crt"), Path(session)) as press,
        ):
            for step in ["ctrl+l", f"={address}/r/{token.reveal()}", "Return", *STEPS]:
                print(f"[{step.removeprefix('=')}]", " | ".join(press(step)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
