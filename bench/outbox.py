"""The worker alone: a full outbox of link mails, carried into the sink by one `pwreset worker`."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.links import fill, rows
from bench.processes import cpu_seconds, memory_megabytes
from pwreset.delivery.messages import TemplateMessages
from pwreset.delivery.seal import AesGcmSealer
from pwreset.reset.model import AccountState, Channel, Delivery, MessageName, Recipient, User
from pwreset.reset.ports import MessageFacts
from pwreset.reset.tokens import new_id, read_keys
from pwreset.secret import Secret
from pwreset.settings.load import load
from pwreset.store.rows import delivery_parameters
from pwreset.store.statements import ADD_DELIVERY

LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Carried:
    """What it took to carry an outbox: memory in MB when a tenth, half and all of it was out."""

    rate: float
    cpu_microseconds: float  # per mail
    at_start: float
    halfway: float
    at_end: float


def carry(config: Path, store: Path, count: int) -> Carried:
    """Fill the store of a settings file with so many waiting mails, and have the worker carry them out."""
    _fill(config, store, count)
    with (
        _log_beside(store).open("wb") as lines,  # one for each mail
        subprocess.Popen([sys.executable, "-m", "pwreset", "worker", "--config", str(config)], stderr=lines) as process,
    ):
        try:
            return _watch(process, store, count)
        finally:
            process.terminate()


def _watch(process: subprocess.Popen[bytes], store: Path, count: int) -> Carried:
    """From the first mails out, when everything is warm, to the last."""
    memory: list[float] = []
    with closing(_to_read(store)) as connection:
        began, cpu, first = 0.0, 0.0, 0
        while (done := count - _waiting(connection)) < count:
            if process.poll() is not None:
                raise RuntimeError(
                    f"the worker ended with {process.returncode}: {_log_beside(store).read_text()[-2000:]}"
                )
            if not began and done > count // 20:
                began, cpu, first = time.perf_counter(), cpu_seconds(process.pid), done
            if done >= count * (0.1, 0.5, 2)[len(memory)]:
                memory.append(memory_megabytes(process.pid)[0])
            time.sleep(LOOK_SECONDS)
    took = time.perf_counter() - began
    spent = cpu_seconds(process.pid) - cpu
    mails = count - first
    return Carried(mails / took, spent / mails * 1e6, memory[0], memory[-1], memory_megabytes(process.pid)[0])


@dataclass(frozen=True, slots=True)
class Late:
    """How many mails waited in a store, and how many seconds later none did."""

    mails: int
    seconds: float


def emptied(store: Path) -> Late:
    """Once no mail waits."""
    with closing(_to_read(store)) as connection:
        waiting, began = _waiting(connection), time.perf_counter()
        while _waiting(connection):
            time.sleep(LOOK_SECONDS / 10)
        return Late(waiting, time.perf_counter() - began)


def _log_beside(store: Path) -> Path:
    return store.with_name("worker.log")


def _to_read(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{store}?mode=ro", uri=True)


def _waiting(connection: sqlite3.Connection) -> int:
    [count] = connection.execute(
        "SELECT count(*) FROM deliveries WHERE channel = 'mail' AND settled_at IS NULL"
    ).fetchone()
    return int(count)


def _fill(config: Path, store: Path, count: int) -> None:
    fill(store, count)
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executemany(ADD_DELIVERY, map(delivery_parameters, _deliveries(config, count)))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _deliveries(config: Path, count: int) -> Iterator[Delivery]:
    """A real link mail for each row of `fill`, sealed with the service's own key."""
    configuration = load(config)
    sealer = AesGcmSealer(read_keys(configuration.key_file.read_text()))
    now = datetime.now(UTC)
    user = User(
        "id",
        "dn",
        "EXAMPLE",
        "load",
        "Load User",
        (),
        (),
        "en",
        AccountState.ACTIVE,
        protected=False,
        password_mark="",
        entry_mark="",
    )
    link = Secret("https://reset.example.org/r/" + "x" * 43)
    facts = MessageFacts("EXAMPLE", user, now, now + timedelta(days=1), link)
    content = TemplateMessages(configuration.settings).render(MessageName.RESET_LINK, Channel.MAIL, "en", facts)
    for number, row in enumerate(rows(count)):
        recipient, delivery_id = Recipient(Channel.MAIL, f"load{number}@example.org"), new_id()
        yield Delivery(
            id=delivery_id,
            request_id=str(row["id"]),
            domain="EXAMPLE",
            message=MessageName.RESET_LINK,
            recipient=recipient,
            body=sealer.seal(content, delivery_id, recipient),
            created_at=now,
            not_after=now + timedelta(days=1),
            due_at=now,
        )
