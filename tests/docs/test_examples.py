"""What the documents tell to write works: every example of settings loads."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pwreset.delivery.gateways import sms_transport
from pwreset.secret import Secret
from pwreset.settings import load
from tests.docs.markdown import settings_examples
from tests.servers.service import as_toml, merge

REST = """
public_url = "https://reset.example.org"
[domains.EXAMPLE]
uris = ["ldaps://ldap.example.org"]
base_dn = "dc=example,dc=org"
"""
EXAMPLES = settings_examples()


def written(text: str, folder: Path) -> Path:
    """A settings file made of an example and the rest that every file must have; passwords lie beside it."""
    for name in ("ldap.password", "sms.password", "mail.password", "store.password", "radius.secret", "pwreset.toml"):
        (folder / name).touch(mode=0o600)
    path = folder / "pwreset.toml"
    path.write_text(as_toml(merge(tomllib.loads(REST), tomllib.loads(text))), encoding="utf-8")
    return path


@pytest.mark.parametrize("text", [text for _, text in EXAMPLES], ids=[place for place, _ in EXAMPLES])
def test_an_example_of_settings_loads(text: str, tmp_path: Path) -> None:
    settings = load(written(text, tmp_path), {}).settings
    if settings.sms.url is not None:
        sms_transport(settings.sms, Secret("password"))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 3
