"""Sending many people their links with the command, beside the service: killed, resumed, from the directory."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.service import Service, running
from tests.servers.settings import lab_settings
from tests.servers.slapd import LabSlapd
from tests.servers.smtp import SmtpServer

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

PEOPLE = 600  # more than a page of the directory's
OTHERS = 20
WITHIN = 120.0


@dataclass
class Place:
    service: Service
    relay: SmtpServer
    people: list[str]
    others: list[str]
    folder: Path

    def list_of(self, name: str, people: list[str]) -> Path:
        path = self.folder / f"{name}.csv"
        path.write_text("user\n" + "".join(f"{uid}\n" for uid in people))
        return path

    def send(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "pwreset", "send", *words, "--config", str(self.service.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.service.environment,
        )

    def sent(self, *words: str) -> tuple[int, dict[str, object], str]:
        """The exit code, what is told as JSON, and standard error."""
        process = self.send(*words, "--json")
        out, err = process.communicate(timeout=WITHIN)
        assert out, err
        return process.returncode, json.loads(out), err

    def mails(self) -> Counter[str]:
        return Counter(mail.recipient.partition("@")[0] for mail in self.relay.messages)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("bulk")
    with LabSlapd(folder / "slapd") as slapd, SmtpServer() as relay:
        people = [slapd.add_person(prefix="bulk") for _ in range(PEOPLE)]
        others = [slapd.add_person(prefix="other") for _ in range(OTHERS)]
        service = Service(folder, lab_settings(folder, slapd, relay=relay))
        with running(service):
            yield Place(service, relay, people, others, folder)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def wait_until(true: object, what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_a_sending_killed_at_any_time_goes_on_and_nobody_gets_two(place: Place) -> None:
    listed, report = place.list_of("killed", place.people), place.folder / "killed.report.csv"
    for kill_at in (20, 150, 300):
        process = place.send("--from", str(listed), "--rate", "0")
        wait_until(lambda at=kill_at: report.exists() and len(report.read_bytes().splitlines()) > at, "no rows come")
        process.kill()
        process.communicate()
    code, told, _ = place.sent("--from", str(listed), "--rate", "0")
    assert (code, told["left"], told["refused"]) == (0, 0, 0)
    assert sorted(row["user"] for row in rows(report)) == sorted(place.people)
    wait_until(lambda: place.mails().keys() >= set(place.people), "messages are missing")
    assert {uid: count for uid, count in place.mails().items() if uid in place.people and count != 1} == {}


def test_a_sending_without_its_report_is_known_by_its_name(place: Place) -> None:
    some = place.others
    listed = place.list_of("again", some)
    first = place.folder / "first.csv"
    assert place.sent("--from", str(listed), "--report", str(first))[1]["sent"] == 20
    _, told, _ = place.sent("--from", str(listed), "--report", str(place.folder / "second.csv"))
    assert (told["sent"], told["sent-before"]) == (0, 20)
    ids = {row["user"]: row["request"] for row in rows(first)}
    assert ids == {row["user"]: row["request"] for row in rows(place.folder / "second.csv")}
    assert (
        place.sent("--from", str(listed), "--sending", "new", "--report", str(place.folder / "n.csv"))[1]["sent"] == 20
    )


def test_people_come_from_the_directory_page_by_page(place: Place) -> None:
    code, told, _ = place.sent("--filter", "(uid=bulk*)", "--dry-run")
    assert (code, told["lines"], told["fine"], told["report"]) == (0, PEOPLE, PEOPLE, None)


def test_what_is_no_filter_is_refused(place: Place) -> None:
    process = place.send("--filter", "((uid=")
    _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 64, err
    assert "not an LDAP filter" in err


def test_a_wrong_line_stops_all_before_anything_is_sent(place: Place) -> None:
    listed = place.list_of("wrong", [place.others[0], place.others[0]])
    before = len(place.service.command("requests", "--limit", "500", "--json"))
    process = place.send("--from", str(listed))
    _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 64
    assert "line 3: the same person as in line 2" in err
    assert len(place.service.command("requests", "--limit", "500", "--json")) == before
    assert not (place.folder / "wrong.report.csv").exists()


def test_somebody_refused_is_in_the_report_and_in_the_exit_code(place: Place) -> None:
    listed = place.list_of("refused", ["nobody-of-that-name", place.others[1]])
    code, told, _ = place.sent("--from", str(listed))
    assert (code, told["sent"], told["reasons"]) == (1, 1, {"user-unknown": 1})
    assert {row["user"]: row["reason"] for row in rows(place.folder / "refused.report.csv")} == {
        "nobody-of-that-name": "user-unknown",
        place.others[1]: "",
    }


def test_links_for_nobodys_mail_are_in_the_report_only_which_is_the_owners(place: Place) -> None:
    listed, report = place.list_of("none", place.others[2:4]), place.folder / "none.report.csv"
    process = place.send("--from", str(listed), "--mode", "NONE")
    out, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 0, err
    assert report.stat().st_mode & 0o777 == 0o600
    links = [row["link"] for row in rows(report)]
    assert all(link.startswith(place.service.url + "/r/") for link in links)
    assert not any(link in out + err for link in links)


def test_nobody_to_carry_the_messages_out_is_told(place: Place) -> None:
    _, told, _ = place.sent("--from", str(place.list_of("served", place.others[4:5])))
    assert told["carried_out"] is True
    place.service.stop()
    try:
        process = place.send("--from", str(place.list_of("unserved", place.others[5:6])))
        _, err = process.communicate(timeout=WITHIN)
        assert process.returncode == 0, err
        assert "no pwreset runs on this store" in err
    finally:
        place.service.start()


def test_a_terminal_shows_how_far_it_is(place: Place) -> None:
    reader, writer = os.openpty()
    listed = place.list_of("terminal", place.others[6:16])
    process = subprocess.Popen(
        [sys.executable, "-m", "pwreset", "send", "--from", str(listed), "--config", str(place.service.config)],
        stdout=subprocess.DEVNULL,
        stderr=writer,
        cwd=place.folder,
        env={**place.service.environment, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(writer)
    shown = b""
    while True:
        try:
            shown += os.read(reader, 4096)
        except OSError:  # its end was closed
            break
    os.close(reader)
    assert process.wait(timeout=WITHIN) == 0
    assert b"10/10" in shown
