"""What `pwreset check` says of the certificates that the server shows and asks for, with real ones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pwreset.check.https import of_https
from pwreset.demo.authority import Authority
from pwreset.reset.findings import Finding, State
from pwreset.settings import Configuration, Settings

RAW: dict[str, Any] = {
    "public_url": "https://localhost",
    "domains": {"EXAMPLE": {"uris": ["ldaps://ldap.example.org"], "base_dn": "dc=example,dc=org"}},
}


def findings(folder: Path, client_ca: Path | None = None, **how: Any) -> list[Finding]:
    files = Authority("Server CA").issue(folder / "server", **how)
    raw = RAW | {"server": {"tls_certificate": str(files.certificate), "tls_key": str(files.key)}}
    if client_ca is not None:
        raw["manager_api"] = {"client_ca": str(client_ca)}
    return list(of_https(Configuration(msgspec.convert(raw, Settings), Path("pwreset.toml"))))


def test_a_certificate_that_is_good_and_for_the_public_url_is_fine(tmp_path: Path) -> None:
    assert [finding.state for finding in findings(tmp_path)] == [State.OK, State.OK]


@pytest.mark.parametrize(
    ("lifetime", "state", "words"),
    [
        (timedelta(hours=-1), State.FAILED, "expired on"),
        (timedelta(days=20), State.WARNING, "days from now"),
        (timedelta(days=40), State.OK, "valid until"),
    ],
)
def test_the_certificates_time_is_told(tmp_path: Path, lifetime: timedelta, state: State, words: str) -> None:
    found = findings(tmp_path, lifetime=lifetime)[0]
    assert (found.state, words in found.detail) == (state, True)


def test_a_certificate_for_another_host_is_told(tmp_path: Path) -> None:
    found = findings(tmp_path, names=("other.example.org",), addresses=())[1]
    assert (found.state, found.detail) == (State.FAILED, "not for localhost, but for other.example.org")


def test_the_authorities_of_callers_are_named(tmp_path: Path) -> None:
    found = findings(tmp_path, Authority("Callers CA").write(tmp_path / "callers.pem"))[-1]
    assert (found.state, found.detail) == (State.OK, "callers show certificates of CN=Callers CA")


def test_authorities_that_are_none_are_told(tmp_path: Path) -> None:
    callers = tmp_path / "callers.pem"
    callers.write_text("nonsense")
    found = findings(tmp_path, callers)[-1]
    assert (found.state, found.detail) == (State.FAILED, "no certificates in PEM form")


def test_authorities_that_nobody_may_read_are_told(tmp_path: Path) -> None:
    found = findings(tmp_path, tmp_path / "missing.pem")[-1]
    assert (found.state, found.detail) == (State.FAILED, "No such file or directory")


def test_an_authority_that_has_expired_is_told(tmp_path: Path) -> None:
    expired = Authority("Server CA").issue(tmp_path / "old", lifetime=timedelta(hours=-1)).certificate
    found = findings(tmp_path, expired)[-1]
    assert (found.state, found.detail) == (State.WARNING, "expired: CN=localhost")
