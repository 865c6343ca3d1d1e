"""The second factor on real parts: slapd, an SMTP relay, an HTTP gateway, FreeRADIUS, and pwreset as a process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.freeradius import CAROL, CAROLS, CAROLS_TOKEN, JANE, JANES, QUESTION, SECRET, FreeRadius
from tests.servers.gateway import GatewayServer
from tests.servers.person import PersonBrowser, SeenPage
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd, dn_of
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

NEW_PASSWORD = "a sunny river walk in May"
CODE = re.compile(r"\b([0-9]{6})\b")


@dataclass
class World:
    service: Service
    slapd: LabSlapd
    relay: SmtpServer
    gateway: GatewayServer
    radius: FreeRadius

    def link(self, uid: str, **params: object) -> str:
        answer, _ = self.service.call("PwReset.Send_Request", {"username": uid, "mfa": True, **params}, **MANAGER)
        return str(answer["result"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, slapd: LabSlapd) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("service")
    secret = folder / "radius.secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)
    with SmtpServer() as relay, GatewayServer() as gateway, FreeRadius() as radius:
        mfa: dict[str, Any] = {
            "factors": ["code", "radius"],
            "radius": {
                "servers": [radius.address],
                "secret_file": str(secret),
                "timeout_seconds": 1.0,
                "attempts": 1,
                "username_attribute": "description",  # what the directory calls people for FreeRADIUS
            },
        }
        more = {"domains": {"EXAMPLE": {"mfa": mfa}}}
        settings = lab_settings(folder, slapd, relay=relay, gateway=gateway, more=more)
        with running(Service(folder, settings)) as service:
            yield World(service, slapd, relay, gateway, radius)


def is_form(page: SeenPage) -> bool:
    return "password" in page.fields


def test_a_link_by_mail_is_opened_by_a_code_by_sms(world: World) -> None:
    uid = world.slapd.add_person(mobile="+33612340101")
    link = world.link(uid, method="MAIL")
    assert link in world.relay.wait_for(f"{uid}@example.org").text
    person = PersonBrowser(world.service)
    page = person.open(link)
    assert not is_form(page)
    page = person.press(page, "code")
    sms = world.gateway.wait_for("+33612340101").text
    assert sms.splitlines()[-1].startswith("@localhost #")
    found = CODE.search(sms)
    assert found is not None
    form = person.press(page, "factor", code=found[1])
    assert is_form(form)
    assert person.submit(form, NEW_PASSWORD).status == 200
    assert world.slapd.accepts(dn_of(uid), NEW_PASSWORD)


def known_as(world: World, name: str) -> tuple[PersonBrowser, SeenPage]:
    """Somebody without a phone, whom FreeRADIUS knows by this name, before the page behind his link."""
    uid = world.slapd.add_person(description=name, mobile=None)
    person = PersonBrowser(world.service)
    return person, person.open(world.link(uid, method="MAIL"))


def test_a_one_time_password_of_a_real_server_opens_the_link(world: World) -> None:
    person, page = known_as(world, JANE)
    again = person.press(page, "factor", code="000000")
    assert (again.status, is_form(again)) == (422, False)
    assert is_form(person.press(again, "factor", code=JANES))


def test_a_real_servers_question_is_asked_and_answered(world: World) -> None:
    person, page = known_as(world, CAROL)
    asked = person.press(page, "factor", code=CAROLS)
    assert QUESTION in asked.text
    assert is_form(person.press(asked, "factor", code=CAROLS_TOKEN))


def test_a_real_server_that_hangs_is_unavailable_and_the_link_is_kept(world: World) -> None:
    person, page = known_as(world, JANE)
    world.radius.pause()
    try:
        assert person.press(page, "factor", code=JANES).status == 503
    finally:
        world.radius.resume()
    assert is_form(person.press(page, "factor", code=JANES))


def test_no_code_no_secret_and_no_one_time_password_is_in_the_log(world: World) -> None:
    log = world.service.log.read_text(encoding="utf-8")
    assert SECRET not in log
    assert not any(word in log for word in (JANES, CAROLS, CAROLS_TOKEN))
