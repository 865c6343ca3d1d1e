"""Three nodes behind HAProxy on one PostgreSQL, killed and restarted under load: nothing is lost, nothing used twice."""

from __future__ import annotations

import http.client
import json
import queue
import random
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import pytest

from tests.servers.haproxy import Balancer
from tests.servers.person import PersonBrowser
from tests.servers.postgres import Database, PrivatePostgres
from tests.servers.service import Service
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd, dn_of, password_of
from tests.servers.smtp import SmtpServer

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

NODES = 3
NEW_PASSWORD = "a sunny river walk in May"
WITHIN = 240.0
TEMPORARILY_UNABLE = -32000


@dataclass
class Cluster:
    postgres: PrivatePostgres
    database: Database
    slapd: LabSlapd
    relay: SmtpServer
    nodes: list[Service]
    front: Balancer


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("nodes")
    with PrivatePostgres() as postgres, LabSlapd(folder / "slapd") as slapd, SmtpServer() as relay:
        database, front = postgres.database(), Balancer(folder)
        secret = folder / "database-password"
        secret.touch(mode=0o600)
        secret.write_text(database.password)
        more = {
            "public_url": front.url,
            "server": {"trusted_proxies": ["127.0.0.1"]},
            "store": {"url": database.url, "password_file": str(secret), "key_file": str(folder / "keys")},
            "domains": {"EXAMPLE": {"timeout_seconds": 2.0}},
            "delivery": {"backoff_seconds": 0.2},
            "limits": {"page_requests_per_address_per_minute": 0},
        }
        nodes = []
        for number in range(NODES):
            (folder / f"node{number}").mkdir()
            settings = lab_settings(folder / f"node{number}", slapd, relay=relay, more=more)
            nodes.append(Service(folder / f"node{number}", settings, tls=False))
        for node in nodes:
            node.start()
        with front.before([node.port for node in nodes]):
            yield Cluster(postgres, database, slapd, relay, nodes, front)
        for node in nodes:
            node.stop()


def test_a_link_of_one_node_is_opened_on_another_and_used_on_a_third(cluster: Cluster) -> None:
    uid = cluster.slapd.add_person(prefix="across")
    first, second, third = cluster.nodes
    answer, _ = ask(first, uid)
    link = str(answer["result"])
    assert link.startswith(cluster.front.url + "/r/")
    opened = Browser(second, cluster.front.url)
    page = opened.open(link)
    assert page.status == 200
    submitted = Browser(third, cluster.front.url)
    submitted.cookies = opened.cookies
    assert submitted.submit(page, NEW_PASSWORD).status == 200
    assert cluster.slapd.accepts(dn_of(uid), NEW_PASSWORD)
    assert Browser(first, cluster.front.url).open(link).status == 410


def test_of_many_submissions_on_all_nodes_one_wins(cluster: Cluster) -> None:
    uid = cluster.slapd.add_person(prefix="race")
    link = str(ask(cluster.nodes[0], uid)[0]["result"])
    browsers = [Browser(cluster.nodes[number % NODES], cluster.front.url) for number in range(9)]
    pages = [browser.open(link) for browser in browsers]
    passwords = [f"{NEW_PASSWORD} {number}" for number in range(9)]
    statuses: dict[int, int] = {}

    def submit(number: int) -> None:
        statuses[number] = browsers[number].submit(pages[number], passwords[number]).status

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [number for number, status in statuses.items() if status == 200]
    assert len(won) == 1
    assert cluster.slapd.accepts(dn_of(uid), passwords[won[0]])


@dataclass
class Ledger:
    """What the outside world was told."""

    links: dict[str, str] = field(default_factory=dict)
    posted: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    errors: Counter[object] = field(default_factory=Counter)


class Load:
    """Callers and people at the balancer, until told to stop."""

    def __init__(self, cluster: Cluster) -> None:
        self.ledger = Ledger()
        self._front = cluster.front
        self._people: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._links: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._slapd = cluster.slapd
        self._adding = threading.Lock()
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._loop, args=(step,)) for step in (self._ask,) * 3 + (self._use,) * 2
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert self._failures == []

    def wait_for_links(self, number: int) -> None:
        deadline = time.monotonic() + WITHIN
        while len(self.ledger.links) < number:
            assert time.monotonic() < deadline, f"only {len(self.ledger.links)} links; {self.ledger.errors}"
            time.sleep(0.02)

    def _loop(self, step: object) -> None:
        while not self._over.is_set():
            try:
                step()  # type: ignore[operator]
            except queue.Empty:
                self._over.wait(0.02)
            except (OSError, http.client.HTTPException) as error:
                self.ledger.errors[type(error).__name__] += 1
            except BaseException as error:
                self._failures.append(error)
                raise

    def _ask(self) -> None:
        self._over.wait(0.05)
        uid = self._next_person()
        answer, _ = ask(self._front, uid)
        if isinstance(answer.get("result"), str):
            self.ledger.links[uid] = str(answer["result"])
            if random.random() < 0.5:
                self._links.put(uid)
            return
        # Nothing else is ever told, whatever dies.
        error = answer.get("error")
        self.ledger.errors[error["code"] if isinstance(error, dict) else repr(answer)] += 1
        self._people.put(uid)
        self._over.wait(0.05)

    def _next_person(self) -> str:
        """Somebody who was told to try again, else somebody new."""
        with suppress(queue.Empty):
            return self._people.get_nowait()
        with self._adding:
            return self._slapd.add_person(prefix="load")

    def _use(self) -> None:
        uid = self._links.get_nowait()
        person = PersonBrowser(self._front)
        page = person.open(self.ledger.links[uid])
        if page.status != 200:
            assert page.status in {502, 503, 504}, page.status
            self._links.put(uid)
            self._over.wait(0.05)
            return
        self.ledger.posted.add(uid)
        if person.submit(page, NEW_PASSWORD).status == 200:
            self.ledger.done.add(uid)


@pytest.fixture(scope="module")
def aftermath(cluster: Cluster) -> Ledger:
    """Each node killed twice, and the database restarted, under load; then everything has settled."""
    with Load(cluster) as load:
        for node in [*cluster.nodes, *cluster.nodes]:
            links = len(load.ledger.links) + random.randint(5, 20)
            load.wait_for_links(links)
            node.kill()
            load.wait_for_links(links + 10)  # the others go on
            node.start()
        load.wait_for_links(len(load.ledger.links) + 10)
        cluster.postgres.kill()
        cluster.postgres.start()
        load.wait_for_links(len(load.ledger.links) + 20)
    deadline = time.monotonic() + WITHIN
    with cluster.database.connect() as connection:
        while True:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM deliveries WHERE state = 'queued')"
                " + (SELECT count(*) FROM requests WHERE state = 'claimed')"
            ).fetchone()
            if row == (0,):
                return load.ledger
            assert time.monotonic() < deadline, f"still waiting: {row}"
            time.sleep(0.2)


def test_callers_are_told_links_or_that_it_is_not_possible_now(aftermath: Ledger) -> None:
    told = {error for error in aftermath.errors if not isinstance(error, str) or error.startswith("{")}
    assert told <= {TEMPORARILY_UNABLE}
    assert aftermath.done


def test_no_acknowledged_link_is_lost_when_nodes_and_the_database_die(cluster: Cluster, aftermath: Ledger) -> None:
    unused = set(aftermath.links) - aftermath.posted
    pages = {uid: PersonBrowser(cluster.front).open(aftermath.links[uid]).status for uid in unused}
    assert pages == dict.fromkeys(unused, 200)


def test_what_was_used_stays_used_and_its_password_logs_in(cluster: Cluster, aftermath: Ledger) -> None:
    pages = {uid: PersonBrowser(cluster.front).open(aftermath.links[uid]).status for uid in aftermath.done}
    assert pages == dict.fromkeys(aftermath.done, 410)
    assert all(cluster.slapd.accepts(dn_of(uid), NEW_PASSWORD) for uid in aftermath.done)


def test_a_submission_that_was_cut_off_is_wholly_done_or_undone(cluster: Cluster, aftermath: Ledger) -> None:
    for uid in aftermath.posted - aftermath.done:
        status = PersonBrowser(cluster.front).open(aftermath.links[uid]).status
        word = NEW_PASSWORD if cluster.slapd.accepts(dn_of(uid), NEW_PASSWORD) else password_of(uid)
        assert (status, word) in {(410, NEW_PASSWORD), (200, password_of(uid))}, uid


def test_every_acknowledged_link_was_mailed(cluster: Cluster, aftermath: Ledger) -> None:
    mailed = Counter(mail.recipient.partition("@")[0] for mail in cluster.relay.messages if "/r/" in mail.text)
    assert {uid for uid in aftermath.links if not mailed[uid]} == set()


def test_the_audit_trail_is_whole_after_it(cluster: Cluster, aftermath: Ledger) -> None:
    assert aftermath.links
    assert "whole" in cluster.nodes[0].command("audit", "verify")


def ask(service: Service, uid: str) -> tuple[dict[str, object], dict[str, str]]:
    """One Send_Request, as the balancer hands it on."""
    credentials = b64encode(f"{MANAGER['login']}:{MANAGER['password']}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    if service.scheme == "http":
        headers |= {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
    params = {"username": uid, "method": "MAIL"}
    body = json.dumps({"jsonrpc": "2.0", "method": "PwReset.Send_Request", "id": 0, "params": params}).encode()
    _, answer_headers, answer = service.request("POST", "/manag/", body, headers)
    return json.loads(answer), answer_headers


class Browser(PersonBrowser):
    """A person whom the balancer sends to this node."""

    def __init__(self, node: Service, public_url: str) -> None:
        super().__init__(Node(node, public_url))


class Node(Service):
    """A node as the balancer reaches it."""

    def __init__(self, node: Service, public_url: str) -> None:
        self.__dict__.update(node.__dict__)
        self.url = public_url

    def request(  # type: ignore[override]
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        forwarded = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "Host": self.url.partition("//")[2]}
        return super().request(method, path, body, {**(headers or {}), **forwarded})
