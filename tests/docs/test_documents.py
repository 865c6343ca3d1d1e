from __future__ import annotations

import re
from pathlib import Path

import pytest

from pwreset.errors import LOOKS, every_error
from pwreset.reset.audit import Event
from pwreset.settings.reference import every_setting
from tests.docs.markdown import ROOT, anchors, documents, links
from tools import make_docs

REFERENCE = ROOT / "docs" / "reference"


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", list(make_docs.pages()), ids=named)
def test_a_generated_page_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == make_docs.pages()[path], "run: make docs"


@pytest.mark.parametrize("path", documents(), ids=named)
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for link in links(path):
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, pending = set(), [ROOT / "README.md"]
    while pending:
        path = pending.pop().resolve()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        pending += [path.parent / link.partition("#")[0] for link in links(path) if link.partition("#")[0]]
    assert [named(path) for path in documents() if path.resolve() not in reached] == []


@pytest.mark.parametrize("setting", list(every_setting()), ids=lambda setting: setting.path)
def test_every_setting_has_a_description(setting: object) -> None:
    assert getattr(setting, "description", "")


@pytest.mark.parametrize("error", list(every_error()), ids=lambda error: error.reason)
def test_every_error_has_a_meaning(error: object) -> None:
    assert re.fullmatch(r"[A-Z].*\.", getattr(error, "meaning", ""))


def test_no_two_errors_share_a_reason() -> None:
    reasons = [error.reason for error in every_error()]
    assert sorted(reasons) == sorted(set(reasons))


def test_every_family_of_errors_is_explained() -> None:
    assert set(make_docs.FAMILIES) == set(LOOKS)


@pytest.mark.parametrize("event", Event)
def test_every_audit_event_is_documented(event: Event) -> None:
    assert f"| `{event.event_name}` |" in (REFERENCE / "audit-events.md").read_text(encoding="utf-8")


def test_settings_named_in_documents_exist() -> None:
    tables = {setting.path.rpartition(".")[0] for setting in every_setting() if "." in setting.path}
    known = {setting.path for setting in every_setting()} | tables | {event.event_name for event in Event}
    sections = "|".join(sorted(table for table in tables if "." not in table))
    unknown = {
        f"{named(path)}: {name}"
        for path in documents()
        for name in re.findall(rf"`((?:{sections})\.[a-z_]+)(?: = [^`]*)?`", path.read_text(encoding="utf-8"))
        if name not in known and not (path.parent / name).exists()
    }
    assert unknown == set()


def test_the_changelog_names_this_version() -> None:
    from pwreset import __version__

    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_test_that_security_names_exists() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py"))
    named_tests = re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert [name for name in named_tests if f"def {name}(" not in tests] == []


def test_every_module_that_security_names_exists() -> None:
    modules = re.findall(r"`(\w+/(?:\w+\.py)?|\w+\.py)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert [module for module in modules if not (ROOT / "src" / "pwreset" / module).exists()] == []
