"""Tries an operator's page templates before anybody opens one: what is wrong, in which file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

from pwreset import overrides
from pwreset.errors import SettingsError
from pwreset.languages import available
from pwreset.overrides import Flaw, flaw_of
from pwreset.settings import Settings
from pwreset.web.brand import brand_files, brand_of
from pwreset.web.render import environment, render, templates
from pwreset.web.rules import RuleWords

# What pages are given, as they are given it; a sample of each.
SAMPLE = {
    "user": {"name": "Sample <Person> & Co", "login": "sample.person"},
    "expires": "25 November 2026, 14:05 (UTC)",
    "rules": (RuleWords("min-length", 15, "At least 15 characters"),),
    "generator": "minlength: 15",
    "context_words": ["sample"],
    "form_token": "x",
    "suggestion": "a few sample words",
    "step": "ask",
    "forgot": "/forgot",
    "action": "/forgot",
    "name": "sample.person",
    "domains": [("SAMPLE", "Sample & Co"), ("OTHER", "Other")],
    "domain": "SAMPLE",
    "challenge": "{}",
    "problem": "name",
    "renewal": {"action": "/forgot/renew", "link": "x", "form_token": "x"},
    "broken": ("The password is too short.",),
    "differ": True,
    "change": "/change",
    "trouble": "refused",
    "username": "jdoe",
    "chosen": "EXAMPLE",
    "code_address": "/reset/0123456789abcdef/code",
    "factor_address": "/reset/0123456789abcdef/factor",
    "to": ["s•••@example.org"],
    "prompt": "",
    "state": "",
    "left": 3,
    "over": False,
    "soon": False,
    "none_left": False,
    "once": "x",
    "again": "/reset/0123456789abcdef",
    "wait": "23 minutes",
    "sent": True,
    "reference": "0123456789abcdef",
}
ALWAYS = frozenset({"brand", "language", "direction", "static", "_", "gettext", "ngettext", "self", "caller"})


def try_pages(settings: Settings) -> list[Flaw]:
    """What is wrong with the operator's page templates and logos, all of it. Never raises an expected failure."""
    flaws: list[Flaw] = []
    try:
        brand_files(settings)
    except SettingsError as error:
        place, _, words = str(error).partition(": ")
        flaws.append(Flaw(place, 0, words))
    for domain in settings.domains:
        folders = overrides.folders(settings.domains[domain].templates, settings.templates)
        found = [
            flaw for path, name in overrides.files(folders, overrides.PAGES) for flaw in _file(folders, path, name)
        ]
        if not found and not flaws and folders:
            found = [*_rendered(settings, domain)]
        flaws += found
    return list(dict.fromkeys(flaws))


def _file(folders: overrides.Folders, path: Path, name: str) -> Iterator[Flaw]:
    ours = name.removeprefix(f"{overrides.PAGES}/")
    if ours not in templates():
        yield Flaw(str(path), 1, "is named like no page of ours, and is not used")
        return
    try:
        tree = environment("en", folders).parse(overrides.read(path), ours, str(path))
    except TemplateSyntaxError as error:
        yield Flaw(str(path), error.lineno, error.message or "cannot be parsed")
    except SettingsError as error:
        yield Flaw(str(path), 1, str(error).partition(": ")[2])
    else:
        for unknown in sorted(meta.find_undeclared_variables(tree) - ALWAYS - SAMPLE.keys()):
            line = min(one.lineno for one in tree.find_all(nodes.Name) if one.name == unknown)
            yield Flaw(str(path), line, f"{unknown!r} is no fact of a page")


def _rendered(settings: Settings, domain: str) -> Iterator[Flaw]:
    pages = sorted(templates())
    for language in available():
        brand = brand_of(settings, domain, language)
        for page in pages:
            try:
                render(page, language, {**SAMPLE, "brand": brand}, brand.folders)
            except SettingsError as error:
                yield Flaw(page, 1, str(error))
            except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
                yield flaw_of(error, page)
