"""The demo, as a stranger meets it: by what it prints, and nothing else.

Red with a wrong password in the printed call, without the page for a change, and when the folder was kept.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT

import httpx2
import pytest

from tests.fakes.person import send, title_of

pytestmark = pytest.mark.servers

CHANGED = "Your password has been changed · Example Corp"


@dataclass(frozen=True)
class Printed:
    """The demo's own words."""

    words: str

    def found(self, pattern: str) -> str:
        """What of them fits."""
        match = re.search(pattern, self.words, re.DOTALL)
        assert match is not None, self.words
        return match[1]

    @property
    def call(self) -> str:
        return self.found(r"(curl --cacert .*?/manag/)\n")

    @property
    def inbox(self) -> str:
        return self.found(r"1  (http://127\.0\.0\.1:\d+/)")

    @property
    def pages(self) -> str:
        return self.found(r"2  (https://localhost:\d+)/")

    @property
    def authority(self) -> str:
        return self.found(r"--cacert (\S+)")


@contextmanager
def demo() -> Iterator[Printed]:
    command = [sys.executable, "-m", "pwreset", "demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            words = ""
            while "Stop with Ctrl-C" not in words:
                line = process.stdout.readline()
                assert line, f"the demo ended: {words}"
                words += line
            yield Printed(words)
        finally:
            process.send_signal(SIGINT)
            assert process.wait() == 0


async def lands_in(inbox: str, words: str, times: int) -> None:
    async with asyncio.timeout(60), httpx2.AsyncClient() as browser:
        while (await browser.get(inbox)).text.count(words) < times:
            await asyncio.sleep(0.1)


async def test_two_minutes_of_a_stranger() -> None:
    with demo() as printed:
        answer = subprocess.run(["bash", "-c", printed.call], capture_output=True, text=True, check=True).stdout
        link = re.search(r'"result":"(https://localhost:\d+/r/\S+?)"', answer)
        assert link is not None, answer
        await lands_in(printed.inbox, link[1], times=2)  # by mail and by SMS

        trust = ssl.create_default_context(cafile=printed.authority)
        async with httpx2.AsyncClient(base_url=printed.pages, verify=trust, follow_redirects=True) as browser:
            form = await browser.get(link[1])
            assert title_of(await send(browser, form, "lanterns")).startswith("Error:")
            assert title_of(await send(browser, await browser.get(form.url), "seven quiet lanterns")) == CHANGED
            changed = await browser.post(
                "/change",
                data={
                    "username": "jdoe",
                    "present": "seven quiet lanterns",
                    "password": "eight louder lanterns",
                    "repeat": "eight louder lanterns",
                },
                headers={"origin": printed.pages},
            )
            assert title_of(changed) == CHANGED
        await lands_in(printed.inbox, "Your password for Example Corp was changed", times=2)
    assert not Path(printed.authority).exists()
