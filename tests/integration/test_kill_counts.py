"""What limits have counted, on SQLite: it outlives kill -9 and a stop of the service."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.fakes.public import solved
from tests.servers.service import Service, running
from tests.servers.settings import lab_settings
from tests.servers.slapd import LabSlapd, dn_of, password_of
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

HERE = "http://localhost:1"
WRONG = "Invalid username or password"
TOO_MANY = "Too many failed log-ins"


@pytest.fixture
def boss(slapd: LabSlapd) -> str:
    """A manager whom no other test locks."""
    return slapd.add_person()


@pytest.fixture
def service(tmp_path: Path, slapd: LabSlapd, boss: str) -> Iterator[Service]:
    more = {
        "public_url": HERE,
        "public": {"captcha_rounds": 1, "asks_per_network_per_hour": 2},
        "domains": {"EXAMPLE": {"public": True, "managers": [dn_of(boss)]}},
    }
    with (
        SmtpServer() as relay,
        running(Service(tmp_path, lab_settings(tmp_path, slapd, relay=relay, more=more), tls=False)) as started,
    ):
        yield started


def log_in(service: Service, boss: str, password: str) -> str:
    """What is answered: the result, or what the error is."""
    answer, _ = service.call("Server_Status", login=f"EXAMPLE\\{boss}", password=password)
    return "result" if "result" in answer else str(answer["error"]["data"])


def wait_until_written(service: Service, kind: str, times: int) -> None:
    """Until so many times of a key of this kind stand in the store."""
    deadline = time.monotonic() + 60
    with closing(sqlite3.connect(f"file:{service.store}?mode=ro", uri=True)) as store:
        while time.monotonic() < deadline:
            rows = store.execute("SELECT json_array_length(times) FROM counters WHERE key LIKE ?", (f"{kind}:%",))
            if (times,) in rows.fetchall():
                return
            time.sleep(0.02)
    raise AssertionError(f"{times} of {kind} are not written down")


def test_a_manager_s_failures_from_before_a_kill_are_counted(service: Service, boss: str) -> None:
    assert {log_in(service, boss, "wrong") for _ in range(3)} == {WRONG}
    wait_until_written(service, "login-account", 3)
    service.kill()
    service.start()
    assert log_in(service, boss, password_of(boss)).startswith(TOO_MANY)


def test_failures_that_a_success_has_ended_do_not_come_back(service: Service, boss: str) -> None:
    assert {log_in(service, boss, "wrong") for _ in range(2)} == {WRONG}
    wait_until_written(service, "login-account", 2)
    assert log_in(service, boss, password_of(boss)) == "result"
    service.stop()
    service.start()
    assert {log_in(service, boss, "wrong") for _ in range(2)} == {WRONG}
    assert log_in(service, boss, password_of(boss)) == "result"


@pytest.fixture
def ask(service: Service) -> Callable[[str, str], int]:
    def send(name: str, proof: str) -> int:
        body = urlencode({"name": name, "proof": proof}).encode()
        headers = {"Origin": HERE, "Content-Type": "application/x-www-form-urlencoded"}
        return service.request("POST", "/forgot", body, headers)[0]

    return send


def proof_of(service: Service) -> str:
    return solved(service.request("GET", "/forgot")[2].decode())


def test_a_solution_used_before_a_stop_is_used_up(service: Service, ask: Callable[[str, str], int]) -> None:
    proof = proof_of(service)
    assert ask("nobody", proof) == 303
    service.stop()
    service.start()
    assert ask("somebody", proof) == 422
    assert ask("nobody", proof) == 303  # the same form once more


def test_the_asks_of_a_network_from_before_a_stop_are_counted(service: Service, ask: Callable[[str, str], int]) -> None:
    for number in range(3):
        assert ask(f"nobody{number}", proof_of(service)) == 303
        service.stop()  # which looks at what waits
        service.start()
    told = service.command("audit", "show")
    assert (told.count("user-unknown"), told.count("too-many-from-network")) == (2, 1)
