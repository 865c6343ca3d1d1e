"""Attacks on the whole service with a real directory: lock-outs, links that must be dead, forged audit lines."""

from __future__ import annotations

import json
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.person import PersonBrowser
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import ADMINISTRATIVE_LOCK, BASE, PROTECTED_DN, LabSlapd, dn_of, password_of

pytestmark = pytest.mark.servers

NEW_PASSWORD = "a sunny river walk in May"


@dataclass
class World:
    service: Service
    slapd: LabSlapd

    def link(self, uid: str) -> str:
        answer, _ = self.service.call("PwReset.Send_Request", {"username": uid, "method": "NONE"}, **MANAGER)
        assert isinstance(answer["result"], str), answer
        return str(answer["result"])

    def log_in(self, login: str, password: str) -> int:
        """A call of Server_Status; the HTTP status."""
        credentials = b64encode(f"{login}:{password}".encode()).decode()
        body = b'{"jsonrpc":"2.0","method":"Server_Status","id":0}'
        status, _, _ = self.service.request("POST", "/manag/", body, {"Authorization": f"Basic {credentials}"})
        return status


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, slapd: LabSlapd) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("service")
    boss = slapd.add_person(prefix="boss")
    more = {
        "manager_api": {"unauthorized_status": 401},
        # A second name for the same directory: its log-ins must not give further tries.
        "domains": {
            "EXAMPLE": {"managers": [dn_of("manager"), dn_of(boss)]},
            "AGAIN": lab_settings(folder, slapd)["domains"]["EXAMPLE"] | {"managers": [dn_of(boss)]},
        },
        "limits": {"failed_logins_per_address_per_minute": 0},
    }
    with running(Service(folder, lab_settings(folder, slapd, more=more))) as service:
        yield World(service, slapd)


def _uids(world: World) -> list[str]:
    text = world.service.config.read_text()
    return [part.split(",")[0] for part in text.split("uid=")[1:]]


# --- who may ask (rule 9) ---


def test_parallel_guesses_in_all_spellings_do_not_lock_a_manager_out(world: World) -> None:
    uid = next(uid for uid in _uids(world) if uid.startswith("boss"))
    spellings = [f"EXAMPLE\\{uid}", f"AGAIN\\{uid}", uid.upper(), dn_of(uid), dn_of(uid).upper(), f"again\\{uid}"]
    with ThreadPoolExecutor(12) as callers:
        answers = list(callers.map(lambda login: world.log_in(login, "wrong"), spellings * 5))
    assert set(answers) == {401, 429}
    assert len(world.slapd.read(dn_of(uid)).get("pwdFailureTime", [])) <= 3
    assert world.slapd.accepts(dn_of(uid), password_of(uid))


# --- links that must be dead when the form is sent (rule 4) ---


def _disable(slapd: LabSlapd, uid: str) -> None:
    slapd.change(dn_of(uid), pwdAccountLockedTime=ADMINISTRATIVE_LOCK)


def _protect(slapd: LabSlapd, uid: str) -> None:
    slapd.change(PROTECTED_DN, member=[*slapd.read(PROTECTED_DN)["member"], dn_of(uid)])


def _change_password(slapd: LabSlapd, uid: str) -> None:
    with slapd.admin() as connection:
        connection.passwd_s(dn_of(uid), None, "changed elsewhere, later")


def _replace_by_another_person(slapd: LabSlapd, uid: str) -> None:
    attributes = slapd.read(dn_of(uid))
    slapd.delete(dn_of(uid))
    kept = ("objectClass", "uid", "cn", "sn", "givenName", "mail", "userPassword")
    with slapd.admin() as connection:
        entry = [(name, [value.encode() for value in attributes[name]]) for name in kept if name in attributes]
        connection.add_s(dn_of(uid), entry)


@pytest.mark.parametrize("happens", [_disable, _protect, _change_password, _replace_by_another_person])
def test_what_happens_while_the_form_is_open_kills_the_link(
    world: World, happens: Callable[[LabSlapd, str], None]
) -> None:
    uid = world.slapd.add_person()
    person = PersonBrowser(world.service)
    page = person.open(world.link(uid))
    assert page.status == 200
    happens(world.slapd, uid)
    assert person.submit(page, NEW_PASSWORD).status == 404
    assert not world.slapd.accepts(dn_of(uid), NEW_PASSWORD)


def test_a_person_who_was_renamed_keeps_his_link(world: World) -> None:
    uid = world.slapd.add_person()
    person = PersonBrowser(world.service)
    page = person.open(world.link(uid))
    with world.slapd.admin() as connection:
        connection.rename_s(dn_of(uid), f"uid=new-{uid}", f"ou=people,{BASE}")
    assert person.submit(page, NEW_PASSWORD).status == 200
    assert world.slapd.accepts(dn_of(f"new-{uid}"), NEW_PASSWORD)


# --- the audit trail (rule 25) ---


def test_a_user_name_writes_no_line_of_the_audit_trail(world: World) -> None:
    forged = 'x","name":"password.set"}\n{"name":"password.set","user":"forged"}\r\u2028'
    world.service.call("PwReset.Send_Request", {"username": forged, "method": "NONE"}, **MANAGER)
    lines = [json.loads(line) for line in world.service.command("audit", "show").split("\n") if line]
    assert [line["user"] for line in lines if "forged" in line["user"]] == [forged]
    assert "forged" not in [line["user"] for line in lines]


# --- the server (rules 23 and 27) ---


def test_a_second_server_on_the_same_store_is_refused(world: World) -> None:
    world.service.command("serve", expect=78)
    assert world.log_in(MANAGER["login"], MANAGER["password"]) == 200


# --- bounded (rule 23) ---


def resident_bytes(service: Service) -> int:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_as_many_idle_connections_as_may_stand_fit_into_a_small_machine(world: World) -> None:
    context, some = ssl.create_default_context(cafile=world.service.tls.ca), 200

    def connect() -> None:
        plain = standing.enter_context(socket.create_connection(("127.0.0.1", world.service.port)))
        standing.enter_context(context.wrap_socket(plain, server_hostname="localhost"))

    with ExitStack() as standing:
        connect()
        before = resident_bytes(world.service)
        for _ in range(some):
            connect()
        assert (resident_bytes(world.service) - before) / some < 128 * 1024
