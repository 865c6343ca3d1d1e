"""kill -9 of the service at random moments under load, on both stores: nothing acknowledged is lost, nothing used comes back.

`PWRESET_KILLS` says how often (20 in `make test`, 200 in `make test-long`).
"""

from __future__ import annotations

import http.client
import os
import queue
import random
import re
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.databases import store_settings
from tests.servers.person import PersonBrowser
from tests.servers.postgres import Database, PrivatePostgres
from tests.servers.service import Service, merge, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd, dn_of, password_of
from tests.servers.smtp import SmtpServer

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("PWRESET_KILLS", "20"))
PEOPLE_PER_KILL = 40
SENDERS = 4
REDEEMERS = 2
NEW_PASSWORD = "a sunny river walk in May"


@dataclass
class Ledger:
    """What the outside world was told."""

    asked: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)  # acknowledged by an answer
    posted: set[str] = field(default_factory=set)  # a password was sent for it
    done: set[str] = field(default_factory=set)  # and its success was acknowledged


class Load:
    """People asking for links and setting passwords, until told to stop. A cut connection is part of the game."""

    def __init__(self, service: Service, ledger: Ledger, people: list[str]) -> None:
        self._service = service
        self._ledger = ledger
        self._people: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._to_redeem: queue.SimpleQueue[str] = queue.SimpleQueue()
        for uid in people:
            self._people.put(uid)
        self._stop = threading.Event()
        self._steps = 0
        self._stepped = threading.Condition()
        self._threads = [threading.Thread(target=self._loop, args=(self._send,)) for _ in range(SENDERS)]
        self._threads += [threading.Thread(target=self._loop, args=(self._redeem,)) for _ in range(REDEEMERS)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, steps: int) -> None:
        """Until so many things have happened, or nothing is left to do."""
        with self._stepped:
            self._stepped.wait_for(lambda: self._steps >= steps, timeout=60)

    def _step(self) -> None:
        with self._stepped:
            self._steps += 1
            self._stepped.notify_all()

    def _loop(self, step: object) -> None:
        while not self._stop.is_set():
            try:
                step()  # type: ignore[operator]
            except (queue.Empty, OSError, http.client.HTTPException):
                self._stop.wait(0.01)

    def _send(self) -> None:
        uid = self._people.get_nowait()
        self._ledger.asked.add(uid)
        answer, _ = self._service.call("PwReset.Send_Request", {"username": uid, "method": "MAIL"}, **MANAGER)
        if isinstance(answer.get("result"), str):
            self._ledger.links[uid] = answer["result"]
            self._step()
            if random.random() < 0.5:
                self._to_redeem.put(uid)

    def _redeem(self) -> None:
        uid = self._to_redeem.get_nowait()
        person = PersonBrowser(self._service)
        page = person.open(self._ledger.links[uid])
        assert page.status == 200
        self._step()
        self._ledger.posted.add(uid)
        if person.submit(page, NEW_PASSWORD).status == 200:
            self._ledger.done.add(uid)
            self._step()


@dataclass
class Aftermath:
    ledger: Ledger
    pages: dict[str, int]  # what the link's page answers
    passwords: dict[str, str]  # which password logs in
    mails: Counter[tuple[str, str]]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def aftermath(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """All the kills, then the service once more until it has cleared up."""
    folder = tmp_path_factory.mktemp("kill")
    ledger = Ledger()
    database: Database | None = None
    if request.param == "postgres":
        server: PrivatePostgres = request.getfixturevalue("postgres")
        database = server.database()
    with LabSlapd(folder / "slapd") as slapd, SmtpServer() as relay:
        settings = _settings(folder, slapd, relay)
        if database is not None:
            settings = merge(settings, {"store": store_settings(database, folder)})
        service = Service(folder, settings)
        for _ in range(KILLS):
            people = [slapd.add_person() for _ in range(PEOPLE_PER_KILL)]
            service.start()
            load = Load(service, ledger, people)
            with load:
                # Counted in what has happened, not in seconds: a slow machine is killed in the middle too.
                load.wait_for(random.randint(1, PEOPLE_PER_KILL))
                time.sleep(random.uniform(0, 0.02))
                service.kill()
        with running(service):
            _wait_until_settled(service, database)
            pages = {uid: PersonBrowser(service).open(link).status for uid, link in ledger.links.items()}
        passwords = {
            uid: next((word for word in (NEW_PASSWORD, password_of(uid)) if slapd.accepts(dn_of(uid), word)), "")
            for uid in ledger.links
        }
        mails = Counter((mail.recipient.partition("@")[0], _kind(mail.text)) for mail in relay.messages)
    return Aftermath(ledger, pages, passwords, mails)


def _settings(folder: Path, slapd: LabSlapd, relay: SmtpServer) -> dict[str, object]:
    # A short deadline of the directory makes the lease of a claim short, too.
    more = {
        "domains": {"EXAMPLE": {"timeout_seconds": 1.0}},
        "delivery": {"backoff_seconds": 0.2},
        "limits": {"page_requests_per_address_per_minute": 0},
    }
    return lab_settings(folder, slapd, relay=relay, more=more)


def _kind(text: str) -> str:
    return "link" if re.search(r"/r/[A-Za-z0-9_-]{43}", text) else "notice"


WAITING = (
    "SELECT (SELECT count(*) FROM deliveries WHERE state = 'queued')"
    " + (SELECT count(*) FROM requests WHERE state = 'claimed')"
)


def _wait_until_settled(service: Service, database: Database | None) -> None:
    """On PostgreSQL a lease of 90 seconds has to end first: nobody knows there that its process is dead."""
    deadline = time.monotonic() + 240
    connect = (
        database.connect if database else lambda: closing(sqlite3.connect(f"file:{service.store}?mode=ro", uri=True))
    )
    with connect() as store:
        while time.monotonic() < deadline:
            [(waiting,)] = store.execute(WAITING)
            if waiting == 0:
                return
            time.sleep(0.2)
    raise AssertionError("claims or messages are still waiting")


def test_there_was_something_to_lose(aftermath: Aftermath) -> None:
    assert len(aftermath.ledger.links) >= KILLS
    assert aftermath.ledger.done


def test_no_acknowledged_link_is_lost(aftermath: Aftermath) -> None:
    unused = set(aftermath.ledger.links) - aftermath.ledger.posted
    assert {uid: aftermath.pages[uid] for uid in unused} == dict.fromkeys(unused, 200)


def test_no_used_link_works_again(aftermath: Aftermath) -> None:
    done = aftermath.ledger.done
    assert {uid: aftermath.pages[uid] for uid in done} == dict.fromkeys(done, 410)


def test_an_acknowledged_password_logs_in(aftermath: Aftermath) -> None:
    done = aftermath.ledger.done
    assert {uid: aftermath.passwords[uid] for uid in done} == dict.fromkeys(done, NEW_PASSWORD)


def test_a_submission_cut_off_is_wholly_done_or_wholly_undone(aftermath: Aftermath) -> None:
    cut_off = aftermath.ledger.posted - aftermath.ledger.done
    seen = {uid: (aftermath.pages[uid], aftermath.passwords[uid]) for uid in cut_off}
    allowed = {uid: [(410, NEW_PASSWORD), (200, password_of(uid))] for uid in cut_off}
    assert all(seen[uid] in allowed[uid] for uid in cut_off), seen


def test_no_message_of_an_acknowledged_link_is_lost_and_at_most_one_is_doubled(aftermath: Aftermath) -> None:
    counts = {uid: aftermath.mails[uid, "link"] for uid in aftermath.ledger.links}
    assert {uid: count for uid, count in counts.items() if count not in {1, 2}} == {}


def test_everybody_whose_password_was_set_is_told(aftermath: Aftermath) -> None:
    set_anew = {uid for uid, word in aftermath.passwords.items() if word == NEW_PASSWORD}
    counts = {uid: aftermath.mails[uid, "notice"] for uid in set_anew}
    assert {uid: count for uid, count in counts.items() if count not in {1, 2}} == {}
