"""The sample callers of the documents, as real programs against the real server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.fakes.api import HOME, PASSWORD, ApiWorld
from tests.servers.wire import Certificate, certificate

CALLERS = ROOT / "docs" / "how-to" / "callers"
LINK = re.compile(r"https://reset\.example\.org/r/[A-Za-z0-9_-]{43}")
PROGRAMS = {
    "python": [sys.executable, str(CALLERS / "send_request.py")],
    "php": [shutil.which("php") or "php", str(CALLERS / "send_request.php")],
    "shell": [str(CALLERS / "send-request.sh")],
}


@dataclass
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Callers:
    """Runs the programs against a server."""

    url: str
    files: Certificate

    async def run(self, language: str, *words: str, password: str = PASSWORD) -> Ended:
        ca = str(self.files.certificate)
        environment = {
            **os.environ,
            "PWRESET_URL": self.url,
            "PWRESET_LOGIN": f"{HOME}\\administrator",
            "PWRESET_PASSWORD": password,
            "PWRESET_CA": ca,
            "CURL_CA_BUNDLE": ca,
        }
        process = await asyncio.create_subprocess_exec(
            *PROGRAMS[language],
            *words,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode().strip(), err.decode().strip())


@pytest.fixture
async def callers(tmp_path: Path) -> AsyncIterator[Callers]:
    files = certificate(tmp_path)
    world = ApiWorld(changes={"server": {"tls_certificate": str(files.certificate), "tls_key": str(files.key)}})
    async with world.served() as listener:
        yield Callers(f"https://localhost:{listener.address[1]}", files)


@pytest.mark.parametrize("language", PROGRAMS)
async def test_a_caller_gets_its_link(callers: Callers, language: str) -> None:
    ended = await callers.run(language, "Jane Doe")
    assert LINK.search(ended.out), ended.err


@pytest.mark.parametrize("language", ["python", "php"])
async def test_a_caller_may_add_comments(callers: Callers, language: str) -> None:
    ended = await callers.run(language, "Jane Doe", 'As you "asked" — Zoë')
    assert LINK.fullmatch(ended.out), ended.err


@pytest.mark.parametrize("language", ["python", "php"])
async def test_a_caller_is_told_why_there_is_no_link(callers: Callers, language: str) -> None:
    ended = await callers.run(language, "nobody")
    assert (ended.code, ended.err) == (1, "no link: user-unknown")


@pytest.mark.parametrize("language", ["python", "php"])
async def test_a_caller_is_told_that_the_log_in_failed(callers: Callers, language: str) -> None:
    ended = await callers.run(language, "Jane Doe", password="wrong")
    assert (ended.code, ended.err) == (1, "Invalid Request: Invalid username or password")


async def test_a_name_with_quotes_is_data_in_the_shell(callers: Callers) -> None:
    ended = await callers.run("shell", '"},"x":{"')
    assert '"result":false' in ended.out
