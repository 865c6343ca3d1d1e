"""The report of a sending: a CSV file with a row for each line, written as lines end, so that a killed run loses nothing."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pwreset.errors import PeopleInvalid, SettingsError
from pwreset.reset.bulk import line_key

if TYPE_CHECKING:
    from pwreset.reset.bulk import LineResult

HEAD = ("line", "user", "domain", "sending", "outcome", "request", "reason")
LINK = "link"  # a column only where links are sent nowhere
BY_OTHERS = 0o077
RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "'")


class Report:
    """A report, new or of a sending that goes on. Mode 0600: it names people, and may hold links."""

    def __init__(self, path: Path, sending: str, *, links: bool) -> None:
        """Raises PeopleInvalid when the file is something else, SettingsError when it cannot be written."""
        self.path = path
        self._sending = sending
        self._links = links
        self._head = (*HEAD, LINK) if links else HEAD
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise SettingsError(f"{path}: the report cannot be written: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            _refuse_readable(path, descriptor)
            self._done = self._read()
        except BaseException:
            self._file.close()
            raise

    @property
    def rows(self) -> int:
        """How many lines have their row."""
        return len(self._done)

    def has(self, domain: str, user: str) -> bool:
        """Whether this person's line has its row."""
        return _short(domain, user) in self._done

    def add(self, result: LineResult, domain: str) -> None:
        """One row; on the disk before this returns where a link is in it."""
        line = result.line
        row = [line.number, line.user, domain, self._sending, result.ending.value, result.request_id, result.reason]
        if self._links:
            row.append("" if result.link is None else result.link.reveal())
        self._file.write(_row(row))
        if result.link is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Bring it to the disk and close it."""
        os.fsync(self._file.fileno())
        self._file.close()

    def _read(self) -> set[bytes]:
        """The people whose rows are there; what a killed run has left of a last row is cut off."""
        done: set[bytes] = set()
        whole = 0
        for number, raw in enumerate(self._file):
            if not raw.endswith(b"\n"):
                break
            whole += len(raw)
            row = [_as_written(cell) for cell in next(csv.reader([raw.decode("utf-8", "replace")]), [])]
            if number == 0:
                self._refuse_other(tuple(row) == self._head)
                continue
            self._refuse_other(len(row) == len(self._head) and row[3] == self._sending)
            done.add(_short(row[2], row[1]))
        self._file.truncate(whole)
        if whole == 0:
            self._file.write(_row(list(self._head)))
        return done

    def _refuse_other(self, mine: bool) -> None:
        if not mine:
            raise PeopleInvalid(
                f"{self.path}: is no report of this sending ({self._sending}). If the list was changed since, go on with"
                " --sending and the name that the report has; else name another file with --report"
            )


def _refuse_readable(path: Path, descriptor: int) -> None:
    if os.fstat(descriptor).st_mode & BY_OTHERS:
        raise SettingsError(f"{path}: others may read this report; chmod 600 it, or name another one")


def _row(values: list[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_harmless(str(value).replace("\n", " ")) for value in values])
    return text.getvalue().encode()


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula (OWASP, "CSV Injection"): an apostrophe before it makes it text.

    One that is there already gets another, so that it can be told which one is ours.
    """
    return f"'{cell}" if cell.startswith(RUN_BY_SPREADSHEETS) else cell


def _as_written(cell: str) -> str:
    """A cell without our apostrophe."""
    return cell.removeprefix("'")


def _short(domain: str, user: str) -> bytes:
    return bytes.fromhex(line_key("", domain, user))[:8]
