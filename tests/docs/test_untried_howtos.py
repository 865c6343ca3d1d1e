"""The how-tos for directories that could not be had: their commands can be read, and grant what the code uses."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.docs.markdown import ROOT, blocks

PAGES = {name: ROOT / "docs" / "how-to" / f"{name}.md" for name in ("freeipa", "lldap")}


@pytest.mark.parametrize("page", PAGES)
def test_the_page_says_first_that_it_was_not_tried(page: str) -> None:
    assert PAGES[page].read_text(encoding="utf-8").splitlines()[2].startswith("**Not tried on a real server.**")


@pytest.mark.parametrize("block", ["freeipa-account", "freeipa-rights"])
def test_the_commands_are_shell_that_can_be_read(block: str) -> None:
    text = blocks(PAGES["freeipa"])[block].text
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {line.split()[0] for line in text.replace("\\\n", "").splitlines() if line and line[0] != "#"} == {"ipa"}


def test_what_is_granted_is_what_was_made_before() -> None:
    text = blocks(PAGES["freeipa"])["freeipa-rights"].text
    made = {kind: re.findall(rf"ipa {kind}-add '([^']+)'", text) for kind in ("permission", "privilege", "role")}
    granted = re.findall(r"--permissions='([^']+)'", text)
    assert set(made["permission"]) <= set(granted)
    assert [one for one in granted if not one.startswith("System: ")] == made["permission"]
    assert re.findall(r"privilege-add-permission '([^']+)'", text) == made["privilege"]
    assert re.findall(r"role-add-member '([^']+)'", text) == made["role"]


def test_the_time_that_the_code_sets_back_is_one_it_may_write() -> None:
    from pwreset.directory.dialects.freeipa import CHANGED

    assert f"--attrs={CHANGED.lower()}" in blocks(PAGES["freeipa"])["freeipa-rights"].text
