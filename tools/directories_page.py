"""The page on what holds on which directory, made from the record of the contract's runs."""

from __future__ import annotations

from tests.contract.behaviours import BEHAVIOURS, Behaviour
from tests.contract.record import COLUMNS, expected, missing, passed, recorded

HEAD = """\
# What holds on which directory

One and the same suite of tests, the contract of directories, runs on each real server, over ldaps:// and over StartTLS. This table
is made from the record of its run; `make test` runs all of it again, and fails where one ends otherwise than recorded.

| word | meaning |
|---|---|
| tested | shown on a real server of this kind by the contract |
| otherwise | the contract shows on the real server that it does not; see the note |
| by specification | built to the documents of its makers, and never tried on a real one; on a server of the tests that behaves as they say where it differs from all others |
| not supported | it does not hold there, or the directory tells nothing that it could be built on |

Tried on {versions}."""


def page() -> str:
    """The page. Raises SystemExit when record, rows and tests do not match."""
    _look()
    known = passed()
    versions = ", ".join(f"{name} {version}" for name, version in recorded()["versions"].items())
    heads = [*COLUMNS, "Windows' Active Directory", "FreeIPA", "lldap and others"]
    notes: list[str] = []
    rows = []
    for one in BEHAVIOURS:
        mark = ""
        if one.note:
            notes.append(one.note)
            mark = f" ({len(notes)})"
        cells = [_cell(one, kinds, known) for kinds in COLUMNS.values()]
        cells += [one.windows.value, one.freeipa.value, one.others.value]
        rows.append(f"| {one.words}{mark} | {' | '.join(cells)} |")
    table = "\n".join([f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|", *rows])
    told = "\n".join(f"{number}. {note}." for number, note in enumerate(notes, start=1))
    count = len({test for test, _ in known})
    return (
        f"{HEAD.format(versions=versions)}\n\n{table}\n\n## Notes\n\n{told}\n\n"
        f"Behind it stand {count} tests, which passed {len(known)} times in all. How each server is set up: "
        "[OpenLDAP](../how-to/openldap.md), [Active Directory and Samba](../how-to/active-directory.md), "
        "[389 Directory Server](../how-to/389-directory-server.md), [FreeIPA](../how-to/freeipa.md), "
        "[lldap](../how-to/lldap.md).\n"
    )


def _cell(one: Behaviour, kinds: tuple[str, ...], known: set[tuple[str, str]]) -> str:
    if all((test, kind) in known for test in one.tests for kind in kinds):
        return "tested"
    if one.instead and all((test, kind) in known for test in one.instead for kind in kinds):
        return "otherwise"
    raise SystemExit(f"neither holds nor is shown otherwise on {kinds[0]}: {one.words}")


def _look() -> None:
    """Every test stands in one row, every row's tests are there, and the record holds what there is."""
    if differing := missing():
        names = ", ".join(sorted({test for test, _ in differing}))
        raise SystemExit(f"the record of the directory contract is not what its tests are; make directories: {names}")
    listed = [test for one in BEHAVIOURS for test in (*one.tests, *one.instead)]
    tests = {test for test, _ in expected()}
    if len(listed) != len(set(listed)) or set(listed) != tests:
        raise SystemExit(f"tests/contract/behaviours.py is not what the tests are: {set(listed) ^ tests}")
