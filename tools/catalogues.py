"""The translations of pages and messages: brought up to date, what is missing told, and filled in from one file.

    .venv/bin/python tools/catalogues.py                 bring all catalogues up to date with templates and code
    .venv/bin/python tools/catalogues.py todo > new.toml  what is not translated, ready to be filled in
    .venv/bin/python tools/catalogues.py fill new.toml    put it into the catalogues

New texts get an empty translation and vanished ones are dropped; `tests/unit/web/test_catalogues.py` fails until every
text is translated. A file for `fill` has a table per text; a language whose translation is left empty stays as it is:

    [[text]]
    id = "At least %(number)s character"
    plural = "At least %(number)s characters"    # only where the text is counted
    de = ["Mindestens %(number)s Zeichen", "Mindestens %(number)s Zeichen"]
    ja = ["%(number)s 文字以上"]
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from pwreset.delivery.sources import TEMPLATES as MESSAGES
from pwreset.delivery.translate import texts
from pwreset.languages import LOCALE, SOURCE_LANGUAGE, available

WEB = LOCALE.parent / "web"
# The marking functions of pwreset.web.rules, with which of their arguments are messages.
RULE_KEYWORDS = {"plain": None, "timed": None, "counted": (1, 2)}
TEMPLATE_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
EMPTY = '""'
TEMPLATE_OPTIONS = {"trimmed": "true", "newstyle_gettext": "true"}


def messages() -> Catalog:
    """Every text that a page or a message can show, in the source language."""
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
    for path in sorted([*MESSAGES.rglob("*.txt"), *MESSAGES.rglob("*.html")]):
        for line, text in texts(path.read_text(encoding="utf-8")):
            yield path, (line, text, [], None)


def translations(language: str) -> Catalog:
    """The catalogue of a language as it is in the repository."""
    with _path(language).open("rb") as file:
        return read_po(file, locale=_folder(language))


def _path(language: str) -> Path:
    return LOCALE / _folder(language) / "LC_MESSAGES" / "pwreset.po"


def _folder(language: str) -> str:
    return language.replace("-", "_")


def translated() -> list[str]:
    """The languages with a catalogue."""
    return [name for name in available() if name != SOURCE_LANGUAGE]


def update(language: str, new: Iterable[tuple[Any, Any]] = ()) -> None:
    """Rewrite one catalogue in the order of the sources, with new translations by their texts."""
    catalog = translations(language)
    sources = messages()
    sources.creation_date = catalog.creation_date  # a day that changes nothing makes no difference to the file
    catalog.update(sources, no_fuzzy_matching=True)
    for source, translation in new:
        message = catalog.get(source[0] if isinstance(source, tuple) else source)
        if message is None:
            sys.exit(f"no text of ours: {source!r}")
        message.string = translation
    catalog.last_translator = catalog.language_team = "the authors of pwreset"
    catalog.msgid_bugs_address = "see CONTRIBUTING.md"
    catalog.obsolete.clear()
    with _path(language).open("wb") as file:
        write_po(file, catalog, width=110, include_lineno=False)


def todo() -> Iterator[str]:
    """The texts that some language lacks, as TOML for `fill`."""
    catalogues = {name: translations(name) for name in translated()}
    for message in messages():
        lacking = {
            name: catalogue.num_plurals
            for name, catalogue in catalogues.items()
            if message.id and not _is_there(catalogue.get(_key(message.id)))
        }
        if lacking:
            yield "\n[[text]]"
            singular, plural = message.id if isinstance(message.id, tuple) else (message.id, None)
            yield f"id = {json.dumps(singular, ensure_ascii=False)}"
            if plural is not None:
                yield f"plural = {json.dumps(plural, ensure_ascii=False)}"
            for name, forms in lacking.items():
                yield f"{name} = {json.dumps([''] * forms) if plural is not None else EMPTY}"


def _key(text: Any) -> Any:
    return text[0] if isinstance(text, tuple) else text


def _is_there(message: Any) -> bool:
    return message is not None and all([message.string] if isinstance(message.string, str) else message.string)


def fill(path: Path) -> None:
    """Put the translations of a file into the catalogues."""
    new: dict[str, list[tuple[Any, Any]]] = {}
    for text in tomllib.loads(path.read_text(encoding="utf-8"))["text"]:
        singular, plural = text.pop("id"), text.pop("plural", None)
        for language, translation in text.items():
            if translation and (plural is None or all(translation)):
                entry = (singular, translation) if plural is None else ((singular, plural), tuple(translation))
                new.setdefault(language, []).append(entry)
    for language, found in new.items():
        update(language, found)


def main(arguments: list[str]) -> None:
    """Run one of the three."""
    match arguments:
        case []:
            for name in translated():
                update(name)
        case ["todo"]:
            print("\n".join(todo()))
        case ["fill", path]:
            fill(Path(path))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
