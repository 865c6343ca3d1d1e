"""The documentation's sample callers as real programs against pwreset as a process, on a real directory and relay."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.gateway import GatewayServer
from tests.servers.service import Service, running
from tests.servers.settings import lab_settings
from tests.servers.slapd import LabSlapd, password_of
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

DOMAIN = "RCDEVSDOCS"
CALLERS = Path(__file__).parent.parent / "wire" / "callers"
PROGRAMS = {"python": (sys.executable, "caller.py"), "php": (shutil.which("php"), "caller.php")}


@pytest.fixture(scope="module")
def relay() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, slapd: LabSlapd, relay: SmtpServer) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("service")
    with GatewayServer() as gateway:
        settings = lab_settings(folder, slapd, relay=relay, gateway=gateway)
        settings["domains"] = {DOMAIN: settings["domains"]["EXAMPLE"]}
        settings["default_domain"] = DOMAIN
        with running(Service(folder, settings)) as started:
            yield started


@pytest.fixture(scope="module")
def served() -> list[str]:
    """The callers that were served so far."""
    return []


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_sample_caller_gets_the_link_that_jane_doe_is_sent(
    service: Service, relay: SmtpServer, served: list[str], language: str
) -> None:
    program, script = PROGRAMS[language]
    if program is None:
        pytest.skip("php-cli with php-curl is not installed")
    done = subprocess.run(
        [
            program,
            str(CALLERS / script),
            f"{service.url}/manag/",
            f"{DOMAIN}\\manager:{password_of('manager')}",
            str(service.tls.ca),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    link = done.stdout.strip()
    served.append(language)
    assert link.startswith(f"{service.url}/r/")
    assert link in relay.wait_for("jane.doe@example.org", number=len(served)).text
