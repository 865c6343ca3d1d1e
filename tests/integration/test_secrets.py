"""No secret in the log at its most talkative, in the store, in the audit trail, in the process list; every failure included."""

from __future__ import annotations

import json
import re
import secrets
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.servers.gateway import GatewayServer
from tests.servers.person import PersonBrowser
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import SERVICE_PASSWORD, LabSlapd
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

GOOD = "a sunny river walk in May"
SHORT = "shorty-9321"
TYPED_WRONG = "Wr0ng-manager-word"
MORE_SETTINGS = {
    "log": {"level": "debug", "format": "json"},
    "delivery": {"wait_seconds": 1.0},
    "limits": {
        "failed_logins_per_account": 100,
        "failed_logins_per_account_per_day": 100,
        "failed_logins_per_address_per_minute": 100,
    },
    "domains": {"EXAMPLE": {"timeout_seconds": 1.0}},
}


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], set[str]]:
    """What was left behind where, and the secrets that were about."""
    folder = tmp_path_factory.mktemp("secrets")
    with LabSlapd(folder / "slapd") as slapd, SmtpServer() as relay, GatewayServer() as gateway:
        settings = lab_settings(folder, slapd, relay=relay, gateway=gateway, more=MORE_SETTINGS)
        service = Service(folder, settings)
        with running(service):
            words = _every_path(service, slapd, relay)
            assert service.process is not None
            left = {
                "process list": Path(f"/proc/{service.process.pid}/cmdline").read_bytes()
                + Path(f"/proc/{service.process.pid}/environ").read_bytes(),
                "audit trail": service.command("audit", "show").encode(),
                "list of requests": service.command("requests", "--json").encode(),
            }
        left["log"] = service.log.read_bytes()
        left["store"] = b"".join(path.read_bytes() for path in sorted(folder.glob("pwreset.db*")))
        words.add((folder / "pwreset.toml.key").read_text().split()[1])
    return left, words


def _every_path(service: Service, slapd: LabSlapd, relay: SmtpServer) -> set[str]:
    """The journey and all the ways it fails; the secrets that went through."""
    tokens = set()

    def link(**params: object) -> str:
        answer, _ = service.call("PwReset.Send_Request", params, **MANAGER)
        result = answer.get("result")
        if isinstance(result, str):
            tokens.add(result.rpartition("/")[2])
        return str(result)

    person = PersonBrowser(service)
    page = person.open(link(username=slapd.add_person(), method="MAILSMS", comments="A note"))
    person.submit(page, SHORT)
    person.submit(page, GOOD, repeat=GOOD + "x")
    person.submit(page, GOOD)
    person.open(page.url)
    refused = slapd.add_person()
    relay.refuse(f"{refused}@example.org", code=550)
    link(username=refused, method="MAIL")
    deferred = slapd.add_person()
    relay.refuse(f"{deferred}@example.org", code=451)
    link(username=deferred, method="MAIL")
    denied = PersonBrowser(service)
    denied.submit(denied.open(link(username="noaccess", method="NONE")), GOOD)
    PersonBrowser(service).open(f"{service.url}/r/{secrets.token_urlsafe(32)}")
    service.call("PwReset.Send_Request", {"username": "jdoe"}, login="EXAMPLE\\manager", password=TYPED_WRONG)
    service.call("PwReset.Send_Request", {"username": "jdoe"}, login="EXAMPLE\\jdoe", password=TYPED_WRONG)
    service.request("POST", "/manag/", b'{"password": "%s"' % GOOD.encode(), {"Authorization": "Basic !!!"})
    service.request("POST", "/manag/", json.dumps({"jsonrpc": "2.0", "method": GOOD}).encode(), {})
    service.request("GET", f"/nowhere/{next(iter(tokens))}")
    cut = PersonBrowser(service)
    last = cut.open(link(username=slapd.add_person(), method="NONE"))
    slapd.stop()
    cut.submit(last, GOOD)
    link(username="jdoe")
    return tokens | {GOOD, SHORT, TYPED_WRONG, MANAGER["password"], SERVICE_PASSWORD}


def _spellings(word: str) -> set[bytes]:
    """The word as it stands, as in a form, in a URL, in JSON, and in Basic credentials of our manager."""
    basic = b64encode(f"EXAMPLE\\manager:{word}".encode()).decode()
    return {spelled.encode() for spelled in (word, quote(word), quote_plus(word), json.dumps(word)[1:-1], basic)}


@pytest.mark.parametrize("place", ["process list", "audit trail", "list of requests", "log", "store"])
def test_no_secret_is_left(traces: tuple[dict[str, bytes], set[str]], place: str) -> None:
    left, words = traces
    found = {word for word in words if any(spelled in left[place] for spelled in _spellings(word))}
    assert found == set()


def test_the_log_was_talkative(traces: tuple[dict[str, bytes], set[str]]) -> None:
    log = traces[0]["log"].decode()
    assert re.search(r'"correlation":\s*"', log)
    assert len(log.splitlines()) > 30
