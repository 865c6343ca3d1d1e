"""The whole journey on directories other than OpenLDAP: real ones, an SMTP relay, and pwreset as a process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.dirsrv_lab import DirsrvLab
from tests.contract.samba_lab import SambaLab
from tests.servers import dirsrv_plan
from tests.servers.person import PersonBrowser
from tests.servers.service import Service, running
from tests.servers.slapd import password_of
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

NEW_PASSWORD = "A sunny river walk in May, 7"
# 389 has no mark of administrators; Active Directory has one, and protects them by itself.
PROTECTED = {"dirsrv": [dirsrv_plan.PROTECTED_DN], "samba": []}


@dataclass
class World:
    service: Service
    lab: Any
    relay: SmtpServer
    manager: str

    def send(self, login: str = "", /, **params: object) -> tuple[object, dict[str, str]]:
        answer, headers = self.service.call(
            "PwReset.Send_Request",
            params,
            login=login or f"EXAMPLE\\{self.manager}",
            password=password_of(self.manager),
        )
        return answer["result"], headers


KINDS: dict[str, tuple[str, Any]] = {"389-ds": ("dirsrv", DirsrvLab), "active-directory": ("samba", SambaLab)}


@pytest.fixture(scope="module", params=list(KINDS))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server, kind = KINDS[request.param]
    lab = kind(request.getfixturevalue(server))
    folder: Path = tmp_path_factory.mktemp("service")
    secret = folder / "bind-password"
    secret.touch(mode=0o600)
    secret.write_text(lab.service[1])
    manager = lab.add_person()
    with SmtpServer() as relay:
        settings = {
            "default_domain": "EXAMPLE",
            "mail": {"url": relay.url, "sender": "Help Desk <helpdesk@example.org>"},
            "domains": {
                "EXAMPLE": {
                    **lab.place(),
                    "bind_password_file": str(secret),
                    "managers": [lab.add_group(lab.dn(manager))],
                    "protected": PROTECTED[server],
                }
            },
        }
        with running(Service(folder, settings)) as service:
            yield World(service, lab, relay, manager)


def test_a_person_gets_the_link_by_mail_sets_a_password_and_logs_in(world: World) -> None:
    login = world.lab.add_person()
    link, _ = world.send(username=login, method="MAIL")
    assert isinstance(link, str)
    assert re.findall(r"https://localhost:\d+/r/[A-Za-z0-9_-]{43}", world.relay.wait_for(f"{login}@example.org").text)

    person = PersonBrowser(world.service)
    page = person.submit(person.open(link), "quite a long walk by the river")
    assert page.status == 422
    assert "at least 3 kinds of characters" in page.text
    assert person.submit(page, NEW_PASSWORD).status == 200
    assert world.lab.accepts(login, NEW_PASSWORD)
    assert PersonBrowser(world.service).open(link).status == 410


@pytest.mark.parametrize("world", ["active-directory"], indirect=True)
@pytest.mark.parametrize("spelled", ["CORP\\{0}", "{0}@example.org"])
def test_manager_and_person_go_by_the_names_that_their_directory_knows_them_by(world: World, spelled: str) -> None:
    """Neither name is in the settings."""
    link, _ = world.send(spelled.format(world.manager), username=spelled.format(world.lab.add_person()), method="NONE")
    assert isinstance(link, str)


def test_a_password_changed_elsewhere_kills_the_link(world: World) -> None:
    login = world.lab.add_person()
    link, _ = world.send(username=login, method="NONE")
    world.lab.change_password_elsewhere(login, "Changed at the help desk, 1")
    assert PersonBrowser(world.service).open(str(link)).status == 404


def test_a_locked_person_is_unlocked_by_setting_the_password(world: World) -> None:
    login = world.lab.add_person()
    world.lab.lock_by_failures(login)
    link, _ = world.send(username=login, method="NONE")
    person = PersonBrowser(world.service)
    assert person.submit(person.open(str(link)), NEW_PASSWORD).status == 200
    assert world.lab.accepts(login, NEW_PASSWORD)


@pytest.mark.parametrize(("who", "reason"), [("root-admin", "user-protected"), ("nobody-at-all", "user-unknown")])
def test_a_call_for_somebody_who_cannot_get_a_link_is_false_with_its_reason(
    world: World, who: str, reason: str
) -> None:
    result, headers = world.send(username=who, method="NONE")
    assert (result, headers["pwreset-reason"]) == (False, reason)


def test_a_disabled_person_gets_no_link(world: World) -> None:
    login = world.lab.add_person()
    world.lab.lock_by_administrator(login)
    result, headers = world.send(username=login, method="NONE")
    assert (result, headers["pwreset-reason"]) == (False, "user-disabled")
