"""The public page on two nodes that share a PostgreSQL: what counts once counts once over both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.fakes.public import solved
from tests.servers.databases import store_settings
from tests.servers.postgres import PrivatePostgres
from tests.servers.service import Service, running
from tests.servers.settings import lab_settings
from tests.servers.slapd import LabSlapd
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

HERE = "http://localhost:1"


@dataclass
class Nodes:
    both: list[Service]
    slapd: LabSlapd
    relay: SmtpServer

    def form(self, node: int) -> str:
        """A solved challenge from this node's form."""
        return solved(self.both[node].request("GET", "/forgot")[2].decode())

    def ask(self, node: int, name: str, proof: str) -> int:
        body = urlencode({"name": name, "proof": proof}).encode()
        headers = {"Origin": HERE, "Content-Type": "application/x-www-form-urlencoded"}
        return self.both[node].request("POST", "/forgot", body, headers)[0]

    def stop(self) -> str:
        """Stop both, which looks at all that waits; the audit trail."""
        for node in self.both:
            node.stop()
        return self.both[0].command("audit", "show")


@pytest.fixture
def nodes(tmp_path: Path, slapd: LabSlapd, postgres: PrivatePostgres) -> Iterator[Nodes]:
    database = postgres.database()
    store = store_settings(database, tmp_path) | {"key_file": str(tmp_path / "keys")}
    more = {
        "public_url": HERE,
        "store": store,
        "public": {"captcha_rounds": 1, "asks_per_network_per_hour": 3, "asks_per_user_per_hour": 2},
        "domains": {"EXAMPLE": {"public": True}},
    }
    with SmtpServer() as relay, ExitStack() as stack:
        both = []
        for number in range(2):
            folder = tmp_path / f"node{number}"
            folder.mkdir()
            settings = lab_settings(folder, slapd, relay=relay, more=more)
            both.append(stack.enter_context(running(Service(folder, settings, tls=False))))
        yield Nodes(both, slapd, relay)
    postgres.drop(database)


def test_a_solution_counts_once_over_all_nodes(nodes: Nodes) -> None:
    proof = nodes.form(0)
    assert nodes.ask(1, "nobody", proof) == 303  # solved with a challenge of the other node
    assert nodes.ask(0, "somebody", proof) == 422
    assert nodes.ask(0, "nobody", proof) == 303  # the same form once more
    assert nodes.stop().count("user-unknown") == 1


def test_the_asks_of_a_network_are_counted_over_all_nodes(nodes: Nodes) -> None:
    for number in range(4):
        assert nodes.ask(number % 2, f"nobody{number}", nodes.form(number % 2)) == 303
    told = nodes.stop()
    assert (told.count("user-unknown"), told.count("too-many-from-network")) == (3, 1)


def test_a_double_click_on_two_nodes_sends_one_message(nodes: Nodes) -> None:
    uid = nodes.slapd.add_person()
    for node in range(2):
        assert nodes.ask(node, uid, nodes.form(node)) == 303
    told = nodes.stop()
    assert (told.count("request.sent"), told.count("too-many-requests")) == (1, 1)
