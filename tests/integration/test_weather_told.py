"""Which server is out, and why: in `/readyz`, by `pwreset check` and in the log, while the others go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pwreset.demo.authority import Authority
from tests.contract.directory_labs import SlapdLab
from tests.contract.dirsrv_lab import DirsrvLab
from tests.contract.samba_lab import SambaLab
from tests.servers.dirsrv import LabDirsrv
from tests.servers.proxy import Proxy
from tests.servers.samba import LabSamba
from tests.servers.service import Service, running
from tests.servers.slapd import LabSlapd, password_of

pytestmark = pytest.mark.servers

NOBODY = "ldaps://127.0.0.1:1"


@dataclass
class Place:
    """A domain with four servers, of which the last alone is well."""

    lab: Any
    manager: str
    settings: dict[str, Any]
    troubles: dict[str, str]
    well: str


async def place(server: Any, lab: Any, folder: Path, stack: AsyncExitStack) -> Place:
    folder.mkdir()
    expired = Authority("The CA of the weather").issue(folder / "expired", lifetime=-timedelta(hours=1))
    (folder / "all.crt").write_bytes(expired.ca.read_bytes() + server.ca_file.read_bytes())
    secret = folder / "bind-password"
    secret.touch(mode=0o600)
    secret.write_text(lab.service[1])
    silent = await stack.enter_async_context(Proxy(server.ldaps_uri))
    silent.answers = 0
    outdated = await stack.enter_async_context(Proxy(server.ldaps_uri, expired))
    troubles = {
        NOBODY: "nothing listens there",
        silent.uri: "no answer in time",
        outdated.uri: "its certificate has expired or is not yet valid",
    }
    manager = lab.add_person()
    settings = {
        **lab.place(),
        "uris": [*troubles, server.ldaps_uri],
        "ca_file": str(folder / "all.crt"),
        "bind_password_file": str(secret),
        "managers": [lab.add_group(lab.dn(manager))],
        "timeout_seconds": 8.0,
    }
    return Place(lab, manager, settings, troubles, server.ldaps_uri)


@pytest.fixture
async def places(
    slapd: LabSlapd, samba: LabSamba, dirsrv: LabDirsrv, tmp_path: Path
) -> AsyncIterator[dict[str, Place]]:
    async with AsyncExitStack() as stack:
        yield {
            "SLAPD": await place(slapd, SlapdLab(slapd), tmp_path / "slapd", stack),
            "SAMBA": await place(samba, SambaLab(samba), tmp_path / "samba", stack),
            "DIRSRV": await place(dirsrv, DirsrvLab(dirsrv), tmp_path / "dirsrv", stack),
        }


async def test_each_server_that_is_out_is_told_with_the_reason_and_the_others_go_on(
    places: dict[str, Place], tmp_path: Path
) -> None:
    domains = {name: one.settings for name, one in places.items()}
    service = Service(tmp_path, {"default_domain": "SLAPD", "domains": domains})
    starting = running(service)
    # The proxies live in this event loop: what waits for the service must not hold it up.
    await asyncio.to_thread(starting.__enter__)
    try:
        await asyncio.gather(*(calls_go_on(service, name, one) for name, one in places.items()))
        await look_at_readiness(service, places)
        await look_at_check(service, places)
        look_at_log(service, places)
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


async def calls_go_on(service: Service, domain: str, one: Place) -> None:
    parameters = {"username": one.lab.add_person(), "domain": domain, "method": "NONE"}
    credentials = {"login": f"{domain}\\{one.manager}", "password": password_of(one.manager)}
    answer, _ = await asyncio.to_thread(service.call, "PwReset.Send_Request", parameters, **credentials)
    assert str(answer["result"]).startswith(service.url)


async def look_at_readiness(service: Service, places: dict[str, Place]) -> None:
    status, _, body = await asyncio.to_thread(service.request, "GET", "/readyz")
    assert status == 200
    for name, servers in json.loads(body)["parts"]["directories"].items():
        told = {server["name"]: server["detail"] for server in servers}
        assert told == places[name].troubles | {places[name].well: ""}


async def look_at_check(service: Service, places: dict[str, Place]) -> None:
    findings = json.loads(await asyncio.to_thread(lambda: service.command("check", "--json", expect=1)))["findings"]
    for name, one in places.items():
        for uri, words in one.troubles.items():
            sought = ("server", name, uri)
            [found] = [each for each in findings if (each["part"], each["domain"], each["subject"]) == sought]
            assert (found["state"], bool(found["advice"])) == ("failed", True)
            assert words in found["detail"]


def look_at_log(service: Service, places: dict[str, Place]) -> None:
    lines = service.log.read_text().splitlines()
    for name, one in places.items():
        for uri, words in one.troubles.items():
            assert any(name in line and uri in line and words in line for line in lines), uri
