"""Delivery reports of a real Kannel, whose fake operator tells that a message has arrived."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.kannel import PASSWORD, USERNAME, Kannel
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd

pytestmark = pytest.mark.servers

PATIENCE = 30.0


@pytest.fixture(scope="module")
def kannel() -> Iterator[Kannel]:
    with Kannel() as kannel:
        yield kannel


@pytest.fixture
def service(tmp_path: Path, slapd: LabSlapd, kannel: Kannel) -> Iterator[Service]:
    sms = {"url": kannel.url, "username": USERNAME, "sender": "Example", "report_url": "http://127.0.0.1:PORT"}
    settings = lab_settings(tmp_path, slapd, more={"sms": sms})
    service = Service(tmp_path, settings, tls=False, environment={"PWRESET_SMS_PASSWORD": PASSWORD})
    service.config.write_text(service.config.read_text().replace("PORT", str(service.port)))
    with running(service):
        yield service


def sent(service: Service, slapd: LabSlapd, **params: object) -> str:
    uid = slapd.add_person(mobile="+33612340001")
    _, headers = service.call("PwReset.Send_Request", {"username": uid, "method": "SMS", **params}, **MANAGER)
    return headers["pwreset-request"]


def reported(service: Service, request_id: str) -> dict[str, Any]:
    """The delivery, once a report of it has come."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer, _ = service.call("PwReset.Get_Request", {"id": request_id}, **MANAGER)
        [delivery] = answer["result"]["deliveries"]
        if delivery["report"] is not None:
            return dict(delivery)
        assert time.monotonic() < deadline, service.log.read_text()[-3000:]
        time.sleep(0.05)


def test_what_kannel_s_operator_reports_is_shown(service: Service, slapd: LabSlapd) -> None:
    request_id = sent(service, slapd)
    delivery = reported(service, request_id)
    assert (delivery["state"], delivery["report"]) == ("sent", "delivered")
    assert re.search(r"sent after 1 attempts; delivered at \d{4}-", service.command("requests", request_id))
    assert service.command("audit", "show").count("delivery.reported") == 1
    _, _, figures = service.request("GET", "/metrics")
    assert b'pwreset_reports_total{report="delivered"} 1.0' in figures


def test_a_long_message_whose_parts_are_reported_each_is_told_once(
    service: Service, slapd: LabSlapd, kannel: Kannel
) -> None:
    before = len(kannel.all_arrived())
    request_id = sent(service, slapd, comments="x" * 200)
    assert reported(service, request_id)["report"] == "delivered"
    assert len(kannel.all_arrived()[before:]) > 1
    assert service.command("audit", "show").count("delivery.reported") == 1


def test_neither_link_nor_number_is_in_the_address_that_kannel_calls(service: Service, slapd: LabSlapd) -> None:
    reported(service, sent(service, slapd))
    log = service.log.read_text()
    assert "/report/***" in log
    assert "33612340001" not in log
