"""The whole journey on real parts: slapd, an SMTP relay, an HTTP gateway, and pwreset as a process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.gateway import GatewayServer
from tests.servers.person import PersonBrowser
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd, dn_of, password_of
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

NEW_PASSWORD = "a sunny river walk in May"


@dataclass
class World:
    service: Service
    slapd: LabSlapd
    relay: SmtpServer
    gateway: GatewayServer

    def send(self, **params: object) -> tuple[object, dict[str, str]]:
        answer, headers = self.service.call("PwReset.Send_Request", params, **MANAGER)
        return answer["result"], headers


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, slapd: LabSlapd) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("service")
    with SmtpServer() as relay, GatewayServer() as gateway:
        settings = lab_settings(folder, slapd, relay=relay, gateway=gateway)
        with running(Service(folder, settings)) as service:
            yield World(service, slapd, relay, gateway)


def links_in(text: str) -> list[str]:
    return re.findall(r"https://localhost:\d+/r/[A-Za-z0-9_-]{43}", text)


def test_a_person_gets_the_link_by_mail_and_sms_sets_a_password_and_logs_in(world: World) -> None:
    uid = world.slapd.add_person(mobile="+33612340001")
    link, headers = world.send(username=uid, method="MAILSMS", expires=72, comments="As you asked")
    assert isinstance(link, str)
    mail = world.relay.wait_for(f"{uid}@example.org")
    assert set(links_in(mail.text)) == {link}
    assert "As you asked" in mail.text
    assert links_in(world.gateway.wait_for("+33612340001").text) == [link]

    person = PersonBrowser(world.service)
    page = person.open(link)
    assert page.status == 200
    done = person.submit(page, NEW_PASSWORD)
    assert done.status == 200

    assert world.slapd.accepts(dn_of(uid), NEW_PASSWORD)
    assert not world.slapd.accepts(dn_of(uid), password_of(uid))
    assert PersonBrowser(world.service).open(link).status == 410
    notice = world.relay.wait_for(f"{uid}@example.org", number=2)
    assert not links_in(notice.text)
    answer, _ = world.service.call("PwReset.Get_Request", {"id": headers["pwreset-request"]}, **MANAGER)
    assert answer["result"]["state"] == "used"


def test_a_refused_password_leaves_the_link_good(world: World) -> None:
    uid = world.slapd.add_person()
    link, _ = world.send(username=uid, method="NONE")
    person = PersonBrowser(world.service)
    page = person.open(str(link))
    again = person.submit(page, "too short")
    assert again.status == 422
    assert person.submit(again, NEW_PASSWORD).status == 200
    assert world.slapd.accepts(dn_of(uid), NEW_PASSWORD)


def test_the_directorys_own_refusal_is_told_and_leaves_the_link_good(world: World) -> None:
    uid = world.slapd.add_person()
    first, _ = world.send(username=uid, method="NONE")
    before = PersonBrowser(world.service)
    before.submit(before.open(str(first)), NEW_PASSWORD)
    link, _ = world.send(username=uid, method="NONE")
    person = PersonBrowser(world.service)
    page = person.submit(person.open(str(link)), NEW_PASSWORD)
    assert page.status == 422  # the same password once more: in the directory's history
    assert person.submit(page, "another quiet evening here").status == 200


def test_a_password_changed_elsewhere_kills_the_link(world: World) -> None:
    uid = world.slapd.add_person()
    link, _ = world.send(username=uid, method="NONE")
    world.slapd.change(dn_of(uid), pwdChangedTime="20300101000000Z")
    assert PersonBrowser(world.service).open(str(link)).status == 404


def test_a_newer_link_replaces_the_older_one(world: World) -> None:
    uid = world.slapd.add_person()
    older, _ = world.send(username=uid, method="NONE")
    newer, _ = world.send(username=uid, method="NONE")
    assert PersonBrowser(world.service).open(str(older)).status == 404
    assert PersonBrowser(world.service).open(str(newer)).status == 200


def test_a_call_that_fails_leaves_the_older_link_good(world: World) -> None:
    uid = world.slapd.add_person()
    older, _ = world.send(username=uid, method="NONE")
    world.relay.refuse(f"{uid}@example.org", code=550)
    result, headers = world.send(username=uid, method="MAIL")
    assert result is False
    assert headers["pwreset-reason"] == "message-refused"
    assert PersonBrowser(world.service).open(str(older)).status == 200


def test_a_locked_person_is_unlocked_by_setting_the_password(world: World) -> None:
    uid = world.slapd.add_person()
    world.slapd.fail_to_log_in(dn_of(uid), 5)
    assert not world.slapd.accepts(dn_of(uid), password_of(uid))
    link, _ = world.send(username=uid, method="NONE")
    person = PersonBrowser(world.service)
    assert person.submit(person.open(str(link)), NEW_PASSWORD).status == 200
    assert world.slapd.accepts(dn_of(uid), NEW_PASSWORD)


@pytest.mark.parametrize(
    ("username", "reason"),
    [
        ("nobody-at-all", "user-unknown"),
        ("shared@example.org", "user-ambiguous"),
        ("root-admin", "user-protected"),
        ("manager", "user-protected"),
        ("locked", "user-disabled"),
        ("nomail", "no-mail-address"),
    ],
)
def test_a_call_for_somebody_who_cannot_get_a_link_is_false_with_its_reason(
    world: World, username: str, reason: str
) -> None:
    result, headers = world.send(username=username, method="MAIL")
    assert (result, headers["pwreset-reason"]) == (False, reason)


def test_the_commands_see_and_revoke_what_the_service_made(world: World) -> None:
    uid = world.slapd.add_person()
    link, headers = world.send(username=uid, method="NONE")
    listed = world.service.command("requests", "--user", uid, "--json")
    assert headers["pwreset-request"] in listed
    assert str(link).rpartition("/")[2] not in listed
    world.service.command("revoke", headers["pwreset-request"])
    assert PersonBrowser(world.service).open(str(link)).status == 404


def test_the_operator_sends_a_link_beside_the_running_service(world: World) -> None:
    uid = world.slapd.add_person()
    link = world.service.command("send", uid, "--mode", "NONE").strip()
    assert PersonBrowser(world.service).open(link).status == 200


def test_the_audit_trail_of_a_journey_is_whole(world: World) -> None:
    assert "whole" in world.service.command("audit", "verify")
