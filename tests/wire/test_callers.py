"""The documentation's three sample callers: two real programs, and PowerShell's exchange as it goes over the wire."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.api import ApiWorld
from tests.servers.wire import Certificate, Received, certificate, connected

DOMAIN = "RCDEVSDOCS"
CREDENTIALS = f"{DOMAIN}\\administrator:password"
LINK = re.compile(r"https://reset\.example\.org/r/[A-Za-z0-9_-]{43}")
CALLERS = Path(__file__).parent / "callers"
PHP = shutil.which("php")


@pytest.fixture
def files(tmp_path: Path) -> Certificate:
    return certificate(tmp_path)


@pytest.fixture
def documented(files: Certificate) -> ApiWorld:
    """The documentation's domain, over TLS."""
    server = {"tls_certificate": str(files.certificate), "tls_key": str(files.key)}
    return ApiWorld(home=DOMAIN, changes={"server": server})


@pytest.fixture
async def port(documented: ApiWorld) -> AsyncIterator[int]:
    async with documented.served() as listener:
        yield listener.address[1]


async def output_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().strip()


def assert_sent(link: str, world: ApiWorld) -> None:
    assert LINK.fullmatch(link)
    assert link in world.mail.carried[0].content.text
    assert "This is a message generated with an API" in world.mail.carried[0].content.text
    assert link in world.sms.carried[0].content.text


async def test_the_python_caller_gets_its_link(documented: ApiWorld, port: int, files: Certificate) -> None:
    url = f"https://localhost:{port}/manag/"
    link = await output_of(sys.executable, str(CALLERS / "caller.py"), url, CREDENTIALS, str(files.certificate))
    assert_sent(link, documented)


@pytest.mark.skipif(PHP is None, reason="php-cli with php-curl is not installed")
async def test_the_php_caller_gets_its_link(documented: ApiWorld, port: int, files: Certificate) -> None:
    url = f"https://localhost:{port}/manag/"
    link = await output_of(str(PHP), str(CALLERS / "caller.php"), url, CREDENTIALS, str(files.certificate))
    assert_sent(link, documented)


def powershell(port: int, body: bytes, *more: bytes) -> bytes:
    """One of the requests that Invoke-RestMethod of Windows PowerShell sends."""
    head = (
        b"POST /manag/ HTTP/1.1",
        b"User-Agent: Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.3031",
        b"Content-Type: application/json",
        *more,
        b"Host: localhost:%d" % port,
        b"Content-Length: %d" % len(body),
    )
    return b"\r\n".join(head) + b"\r\n\r\n" + body


async def powershell_exchange(port: int, files: Certificate, username: str) -> tuple[Received, Received]:
    """The first POST goes out without credentials; after the challenge the second has them. Bodies in ISO-8859-1."""
    call = {
        "jsonrpc": "2.0",
        "method": "PwReset.Send_Request",
        "params": {
            "username": username,
            "domain": DOMAIN,
            "method": "MAILSMS",
            "expires": 72,
            "comments": "This is a message generated with an API",
        },
        "id": 0,
    }
    body = json.dumps(call, indent=4, ensure_ascii=False).replace("\n", "\r\n").encode("latin-1")
    async with connected(port, files.client) as wire:
        first = await wire.exchange(powershell(port, body, b"Connection: Keep-Alive"))
        authorization = b"Authorization: Basic " + b64encode(CREDENTIALS.encode("latin-1"))
        return first, await wire.exchange(powershell(port, body, authorization))


async def test_the_powershell_caller_is_challenged_and_then_gets_its_link(
    documented: ApiWorld, port: int, files: Certificate
) -> None:
    first, second = await powershell_exchange(port, files, "Jane Doe")
    assert (first.status, first.headers["www-authenticate"]) == (401, 'Basic realm="pwreset", charset="UTF-8"')
    assert second.headers["content-type"] == "application/json"
    assert_sent(json.loads(second.body)["result"], documented)


async def test_the_powershell_caller_may_name_people_in_iso_8859_1(port: int, files: Certificate) -> None:
    _, second = await powershell_exchange(port, files, "Zoë O'Brien (*) \\")
    assert LINK.fullmatch(json.loads(second.body)["result"])
