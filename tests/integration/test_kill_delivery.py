"""kill -9 at every step of a mail's life: it is lost at none, and sent twice only between the relay's yes and our note of it.

The relay kills: it knows exactly which step it is at. Steps that only the store knows are held by a lock on its file.
"""

from __future__ import annotations

import http.client
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from tests.servers.service import Service
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd
from tests.servers.steps import At, SteppingRelay

pytestmark = pytest.mark.servers

BEFORE_THE_YES = [At.CONNECTED, At.HELLO, At.SENDER, At.RECIPIENT, At.DATA, At.BEGUN, At.COMPLETE]
PATIENCE = 60.0


@dataclass
class Life:
    """The service and its relay; each test sends one mail of its own, and the service lives on from test to test."""

    service: Service
    relay: SteppingRelay
    calls: list[threading.Thread] = field(default_factory=list)

    def send(self, uid: str) -> None:
        """Ask for a link, in a thread of its own: the service may be killed before it answers."""
        thread = threading.Thread(target=self._send, args=(uid,))
        self.calls.append(thread)
        thread.start()

    def _send(self, uid: str) -> None:
        with suppress(OSError, http.client.HTTPException):
            self.service.call("PwReset.Send_Request", {"username": uid, "method": "MAIL"}, **MANAGER)

    def kill(self) -> bool:
        self.service.kill()
        return True

    def kill_at(self, step: At) -> threading.Event:
        """Kill the service when the relay is at this step; the event says that it was done."""
        done = threading.Event()

        def act() -> bool:
            self.kill()
            done.set()
            return True

        self.relay.once(step, act)
        return done

    def start_again(self) -> None:
        for thread in self.calls:
            thread.join(PATIENCE)
        self.calls.clear()
        self.service.start()

    def state_of(self, address: str) -> str | None:
        """The state of the newest mail to an address, as the store has it; None when there is none."""
        with closing(sqlite3.connect(f"file:{self.service.store}?mode=ro", uri=True)) as store:
            row = store.execute(
                "SELECT state FROM deliveries WHERE address = ? ORDER BY sequence DESC LIMIT 1", (address,)
            ).fetchone()
        return None if row is None else str(row[0])

    def wait_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.service.log.read_text()[-2000:]
            time.sleep(0.01)

    def in_the_end(self, uid: str) -> int:
        """How often the mail was taken once the service, started again, has nothing to do any more."""
        self.start_again()
        address = f"{uid}@example.org"
        self.wait_until(lambda: self.state_of(address) == "sent")
        self.relay.hang_up()  # the next test's mail comes on a connection of its own
        return self.relay.taken(address)

    @contextmanager
    def store_locked(self) -> Iterator[None]:
        """Nobody else writes to the store meanwhile."""
        with closing(sqlite3.connect(self.service.store, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            yield
            store.execute("ROLLBACK")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, slapd: LabSlapd) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("life")
    with SteppingRelay() as relay:
        more = {
            "mail": {"url": relay.url, "sender": "helpdesk@example.org"},
            "delivery": {"backoff_seconds": 0.2},
        }
        service = Service(folder, lab_settings(folder, slapd, more=more))
        service.start()
        try:
            yield Life(service, relay)
        finally:
            service.stop()


@pytest.mark.parametrize("step", BEFORE_THE_YES)
def test_killed_before_the_relay_has_the_mail_it_is_sent_once(life: Life, person: str, step: At) -> None:
    killed = life.kill_at(step)
    life.send(person)
    assert killed.wait(PATIENCE)
    assert life.in_the_end(person) == 1


def test_killed_before_the_relays_yes_is_read_it_is_sent_twice(life: Life, person: str) -> None:
    killed = life.kill_at(At.TAKEN)
    life.send(person)
    assert killed.wait(PATIENCE)
    assert life.in_the_end(person) == 2


def test_killed_with_the_yes_read_and_not_written_down_it_is_sent_twice(life: Life, person: str) -> None:
    answered, locked = threading.Event(), threading.Event()

    def lock_first() -> bool:
        answered.set()
        locked.wait(PATIENCE)
        return False

    life.relay.once(At.TAKEN, lock_first)
    life.send(person)
    assert answered.wait(PATIENCE)
    with life.store_locked():
        locked.set()
        # The service tells when its note of the yes did not get through.
        life.wait_until(lambda: "outcome of a delivery not written down yet" in life.service.log.read_text())
        life.kill()
    assert life.in_the_end(person) == 2


def test_killed_as_soon_as_the_yes_is_written_down_it_is_sent_once(life: Life, person: str) -> None:
    life.send(person)
    life.wait_until(lambda: life.state_of(f"{person}@example.org") == "sent")
    life.kill()
    assert life.in_the_end(person) == 1


def test_stopped_while_the_yes_arrives_and_killed_then_it_is_sent_twice(life: Life, person: str) -> None:
    process = life.service.process
    assert process is not None
    done = threading.Event()

    def stop() -> bool:
        os.kill(process.pid, signal.SIGSTOP)
        life.relay.once(At.ANSWERED, kill)
        return False

    def kill() -> bool:
        life.kill()
        done.set()
        return True

    life.relay.once(At.TAKEN, stop)
    life.send(person)
    assert done.wait(PATIENCE)
    assert life.in_the_end(person) == 2


def test_killed_before_the_link_is_written_down_nothing_is_sent_and_the_caller_was_told_so(
    life: Life, person: str
) -> None:
    with life.store_locked():
        answer, _ = life.service.call("PwReset.Send_Request", {"username": person, "method": "MAIL"}, **MANAGER)
        life.kill()
    life.start_again()
    assert answer["error"]["code"] == -32000
    assert life.state_of(f"{person}@example.org") is None
    assert life.relay.taken(f"{person}@example.org") == 0


@pytest.mark.parametrize("step", [At.CONNECTED, At.DATA, At.COMPLETE])
def test_killed_again_at_the_second_attempt_it_is_still_sent_once(life: Life, person: str, step: At) -> None:
    killed = life.kill_at(At.SENDER)
    life.send(person)
    assert killed.wait(PATIENCE)
    killed = life.kill_at(step)
    with suppress(AssertionError):  # it may be killed before it is ready
        life.start_again()
    assert killed.wait(PATIENCE)
    assert life.in_the_end(person) == 1
