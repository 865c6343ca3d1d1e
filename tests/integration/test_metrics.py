"""The figures of the service as a process, on a real directory, relay and store."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.servers.person import PersonBrowser
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

PASSWORD = "a sunny river walk in May"


def figures(service: Service) -> dict[str, float]:
    status, _, body = service.request("GET", "/metrics")
    assert status == 200
    return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", body.decode(), re.MULTILINE)}


def test_a_journey_is_counted_and_a_store_that_is_gone_is_told_at_once(tmp_path: Path, slapd: LabSlapd) -> None:
    uid = slapd.add_person()
    with SmtpServer() as relay:
        settings = lab_settings(tmp_path, slapd, relay=relay)
        with running(Service(tmp_path, settings)) as service:
            service.call("PwReset.Send_Request", {"username": uid, "method": "MAIL"}, **MANAGER)
            answer, _ = service.call("PwReset.Send_Request", {"username": uid, "method": "NONE"}, **MANAGER)
            person = PersonBrowser(service)
            assert person.submit(person.open(answer["result"]), PASSWORD).status == 200
            found = figures(service)
            service.store.rename(tmp_path / "moved.db")
            deadline = time.monotonic() + 60
            while figures(service)["pwreset_store_up"]:  # a reading is shared for five seconds
                assert time.monotonic() < deadline
                time.sleep(0.1)
    assert found['pwreset_asks_total{domain="EXAMPLE",origin="manager",outcome="sent",reason=""}'] == 2
    assert found['pwreset_passwords_total{domain="EXAMPLE",outcome="set",reason=""}'] == 1
    assert found['pwreset_deliveries_total{channel="mail",outcome="sent"}'] >= 1
    for count in (
        'pwreset_directory_seconds_count{domain="EXAMPLE",operation="search"}',
        'pwreset_directory_seconds_count{domain="EXAMPLE",operation="bind"}',
        'pwreset_directory_seconds_count{domain="EXAMPLE",operation="write"}',
        'pwreset_store_seconds_count{work="write"}',
        'pwreset_store_seconds_count{work="read"}',
        "pwreset_store_up",
        'pwreset_transport_up{channel="mail"}',
        "process_open_fds",
    ):
        assert found[count] > 0, count
