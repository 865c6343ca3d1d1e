"""The list of people for `pwreset send --from`: a CSV file, read line by line, checked as a whole before anything is sent."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pwreset.errors import PeopleInvalid, PwresetError
from pwreset.reset.bulk import Line, ask_of, line_key
from pwreset.reset.send import read

if TYPE_CHECKING:
    from pwreset.reset.model import Asker
    from pwreset.reset.services import Services

COLUMNS = ("user", "domain", "mode", "lifetime_hours", "comments")
DELIMITERS = ",;\t"
MOST_TOLD = 50
DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class ForAll:
    """What holds for each line that says nothing else."""

    domain: str | None = None
    mode: str | None = None
    lifetime_hours: int | None = None
    comments: str | None = None
    mfa: bool = field(default=False, repr=False)  # not in the names of sendings that were begun before there was one

    @property
    def mark(self) -> str:
        """What a sending's name tells of it, beside what its `repr` does."""
        return "mfa" if self.mfa else ""


@dataclass(slots=True)
class Complaints:
    """What is wrong with the list, by line; only the first ones are kept."""

    count: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, number: int, words: str) -> None:
        """One more wrong line."""
        self.count += 1
        if self.count <= MOST_TOLD:
            self.told.append(f"line {number}: {words}")

    def refuse_any(self, name: str) -> None:
        """Raises PeopleInvalid with all of them."""
        if self.count:
            more = self.count - len(self.told)
            rest = [f"and {more} more"] if more else []
            told = "\n  ".join([*self.told, *rest])
            raise PeopleInvalid(f"{name}: nothing was sent, since these lines are wrong:\n  {told}")


class People:
    """An opened list; each of its readings begins at the start."""

    def __init__(self, file: IO[str], name: str, for_all: ForAll) -> None:
        self._file = file
        self.name = name
        self._for_all = for_all
        self.count = 0

    @classmethod
    def open(cls, path: Path, for_all: ForAll) -> People:
        """The list in a file. Raises PeopleInvalid."""
        try:
            # "sig": Excel writes a byte order mark.
            return cls(path.open(encoding="utf-8-sig", newline=""), str(path), for_all)
        except OSError as error:
            raise PeopleInvalid(f"{path}: {error.strerror}") from error

    def lines(self) -> Iterator[Line]:
        """Line by line. Raises PeopleInvalid with the number of one that cannot be read."""
        complaints = Complaints()
        for number, line in self._rows():
            if isinstance(line, Line):
                yield line
            else:
                complaints.add(number, line)
        complaints.refuse_any(self.name)

    def check(self, asker: Asker, services: Services) -> str:
        """Read all of it once: a digest of what it holds. Raises PeopleInvalid with every line that is wrong.

        Keeps a few bytes for each line, to find people who are there twice.
        """
        complaints, digest, self.count = Complaints(), sha256(self._for_all.mark.encode()), 0
        seen: dict[bytes, int] = {}
        for number, line in self._rows():
            if not isinstance(line, Line):
                complaints.add(number, line)
                continue
            try:
                plan = read(ask_of(line, asker), services)
            except PwresetError as error:
                complaints.add(number, str(error))
                continue
            self.count += 1
            digest.update(repr((line.user, plan.domain, line.mode, line.lifetime_hours, line.comments)).encode())
            key = bytes.fromhex(line_key("", plan.domain, line.user))[:8]
            if (first := seen.setdefault(key, number)) != number:
                complaints.add(number, f"the same person as in line {first}")
        complaints.refuse_any(self.name)
        return digest.hexdigest()[:DIGEST_CHARACTERS]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rows(self) -> Iterator[tuple[int, Line | str]]:
        """Each line with its number in the file, or what is wrong with it."""
        self._file.seek(0)
        number = 1
        try:
            head = self._file.readline()
            delimiter = _delimiter(head)
            names = [name.strip().casefold() for name in next(csv.reader([head], delimiter=delimiter), [])]
            _refuse_columns(names, self.name)
            rows = csv.reader(self._file, delimiter=delimiter, strict=True)
            for row in rows:
                number = rows.line_num + 1  # the head is no row of the reader's
                if any(value.strip() for value in row):
                    values = dict(zip(names, row, strict=False))
                    yield number, _line(number, values, len(row) - len(names), self._for_all)
        except UnicodeDecodeError as error:
            raise PeopleInvalid(f"{self.name}: it is not UTF-8; save it as CSV UTF-8") from error
        except csv.Error as error:
            raise PeopleInvalid(f"{self.name}: line {number + 1}: not CSV: {error}") from error


def _delimiter(head: str) -> str:
    """Comma, semicolon (as spreadsheets write where the comma is for decimals) or tab: whichever the head has most of."""
    return max(DELIMITERS, key=head.count)


def _refuse_columns(names: list[str], name: str) -> None:
    known = ", ".join(COLUMNS)
    if "user" not in names:
        raise PeopleInvalid(f"{name}: line 1: must name the columns; `user` is needed, known are: {known}")
    unknown = [column for column in names if column not in COLUMNS]
    if unknown or len(set(names)) != len(names):
        # A column that is left out in silence may be the one that mattered.
        what = f"unknown: {', '.join(unknown)}" if unknown else "a name is there twice"
        raise PeopleInvalid(f"{name}: line 1: columns: {what}; known are: {known}")


def _line(number: int, values: dict[str, str], surplus: int, for_all: ForAll) -> Line | str:
    """A line from its values, or what is wrong with it."""
    if surplus != 0:
        return f"{abs(surplus)} values too {'many' if surplus > 0 else 'few'}"
    hours = values.get("lifetime_hours", "").strip()
    if hours and not (hours.isascii() and hours.isdecimal()):
        return "lifetime_hours is not a whole number"
    return Line(
        number=number,
        user=values["user"].strip(),
        domain=values.get("domain", "").strip() or for_all.domain,
        mode=values.get("mode", "").strip() or for_all.mode,
        lifetime_hours=int(hours) if hours else for_all.lifetime_hours,
        comments=values.get("comments", "").strip() or for_all.comments,
        mfa=for_all.mfa,
    )
