"""An operator's own templates and texts, in a folder for all domains and one for each.

    messages/<message>/body.txt          in every language; subject.txt, body.html, sms.txt likewise
    messages/<message>/<language>/...    in one
    messages/layout.html  layout.css     what all mails share
    pages/<page>.html
    texts/<language>.po                  single texts, of pages and messages alike

What is in the domain's folder comes before what is in the general one, and that before ours. Names of files are ours
alone: nothing that a request holds becomes part of a path.
"""

from __future__ import annotations

import stat
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateSyntaxError

from pwreset.errors import SettingsError

TEXTS, MESSAGES, PAGES = "texts", "messages", "pages"
Folders = tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with an operator's file, and where."""

    file: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.words}"


def flaw_of(error: Exception, otherwise: str) -> Flaw:
    """Where in a template it happened: Jinja names the template's file and line in the traceback."""
    if isinstance(error, TemplateSyntaxError):
        return Flaw(error.filename or otherwise, error.lineno, error.message or "cannot be parsed")
    places = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith((".txt", ".html"))
    ]
    words = str(error) or type(error).__name__
    return Flaw(places[-1].filename, places[-1].lineno or 1, words) if places else Flaw(otherwise, 1, words)


def folders(*paths: str | None) -> Folders:
    """The folders that are set, the first to be asked first."""
    return tuple(Path(path) for path in paths if path)


def find(where: Folders, *candidates: str) -> Path | None:
    """The first of these files that a folder has."""
    for folder in where:
        for candidate in candidates:
            if (path := folder / candidate).is_file():
                return path
    return None


def files(where: Folders, kind: str = ".") -> Iterator[tuple[Path, str]]:
    """All files of a kind, sorted: the whole path, and the path in its folder."""
    for folder in where:
        for path in sorted((folder / kind).rglob("*")):
            if path.is_file():
                yield path, str(path.relative_to(folder))


def read(path: Path) -> str:
    """A file's text. Raises SettingsError when it cannot be read, or others than its owner may write it."""
    try:
        if path.stat().st_mode & (stat.S_IWOTH | stat.S_IWGRP):
            raise SettingsError(f"{path}: others may change it; run: chmod go-w {path}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as UTF-8 text") from error
