"""Brings the translations of people's pages up to date with the texts in templates and code.

    .venv/bin/python tools/catalogues.py

New texts get an empty translation and vanished ones are dropped; `tests/unit/web/test_catalogues.py` fails until every
text is translated.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from pwreset.languages import LOCALE, SOURCE_LANGUAGE, available

WEB = LOCALE.parent / "web"
# The marking functions of pwreset.web.rules, with which of their arguments are messages.
RULE_KEYWORDS = {"plain": None, "timed": None, "counted": (1, 2)}
TEMPLATE_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
TEMPLATE_OPTIONS = {"trimmed": "true", "newstyle_gettext": "true"}


def messages() -> Catalog:
    """Every text that a page can show, in the source language."""
    catalog = Catalog(project="pwreset", charset="utf-8")
    for path, (line, message, comments, context) in _found():
        catalog.add(
            message,
            locations=[(str(path.relative_to(LOCALE.parent)), line)],
            auto_comments=comments,
            context=context,
        )
    return catalog


def _found() -> Iterator[tuple[Path, tuple[int, str | tuple[str, ...], list[str], str | None]]]:
    for path in sorted((WEB / "templates").rglob("*.html")):
        for found in extract_from_file(
            "jinja2.ext:babel_extract", path, keywords=TEMPLATE_KEYWORDS, options=TEMPLATE_OPTIONS
        ):
            yield path, found
    path = WEB / "rules.py"
    for found in extract_from_file("python", path, keywords=RULE_KEYWORDS):
        yield path, found


def translations(language: str) -> Catalog:
    """The catalogue of a language as it is in the repository."""
    with _path(language).open("rb") as file:
        return read_po(file, locale=language)


def _path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "pwreset.po"


def update(language: str) -> None:
    """Rewrite one catalogue in the order of the sources."""
    catalog = translations(language)
    sources = messages()
    sources.creation_date = catalog.creation_date  # a day that changes nothing makes no difference to the file
    catalog.update(sources, no_fuzzy_matching=True)
    catalog.last_translator = catalog.language_team = "the authors of pwreset"
    catalog.msgid_bugs_address = "see CONTRIBUTING.md"
    catalog.obsolete.clear()
    with _path(language).open("wb") as file:
        write_po(file, catalog, width=110, include_lineno=False)


if __name__ == "__main__":
    for name in available():
        if name != SOURCE_LANGUAGE:
            update(name)
