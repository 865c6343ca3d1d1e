"""A new key while the service runs: the commands, as an operator types them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.servers.person import PersonBrowser
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd

pytestmark = pytest.mark.servers


def test_links_open_over_a_change_of_keys_until_none_needs_the_old_one(tmp_path: Path) -> None:
    with LabSlapd(tmp_path / "slapd") as slapd:
        service = Service(tmp_path, lab_settings(tmp_path, slapd))
        key_file = tmp_path / "pwreset.toml.key"
        with running(service):
            older, request_id = _link(service, slapd.add_person())
            service.command("keys", "rotate")
            newer = _link_with_the_new_key(service, slapd.add_person())
            assert [PersonBrowser(service).open(link).status for link in (older, newer)] == [200, 200]
            new, old = _keys(service)
            assert (new["use"], old["may_go"]) == ("makes and opens", False)
            service.command("keys", "retire", str(old["id"]), expect=78)
            service.command("revoke", request_id)
            service.command("keys", "retire", str(old["id"]))
            assert PersonBrowser(service).open(newer).status == 200
            assert "whole" in service.command("audit", "verify")
        assert key_file.stat().st_mode & 0o777 == 0o600
        shown = service.command("keys", "show")
        assert not any(line.split()[1] in shown for line in key_file.read_text().splitlines())


def _link(service: Service, uid: str) -> tuple[str, str]:
    answer, headers = service.call("PwReset.Send_Request", {"username": uid, "method": "NONE"}, **MANAGER)
    return str(answer["result"]), headers["pwreset-request"]


def _link_with_the_new_key(service: Service, uid: str) -> str:
    """The person's newest link, once the running service has seen the file: until then it makes them with the old key."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        link, _ = _link(service, uid)
        if _keys(service)[0]["needed_by"]:
            return link
    raise AssertionError("the service does not take up the new key")


def _keys(service: Service) -> list[dict[str, object]]:
    told: list[dict[str, object]] = json.loads(service.command("keys", "show", "--json"))
    return told
