"""Fixtures: the private slapd of a test run. One per process; tests use people of their own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.dirsrv import LabDirsrv
from tests.servers.samba import LabSamba
from tests.servers.slapd import LabSlapd


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSlapd]:
    """A running directory that all tests of this process share: never stop it, change only people you have added."""
    with LabSlapd(tmp_path_factory.mktemp("slapd") / "directory") as server:
        yield server


@pytest.fixture
def own_slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSlapd]:
    """A running directory for one test, to be stopped, paused and reconfigured at will."""
    with LabSlapd(tmp_path_factory.mktemp("own-slapd") / "directory") as server:
        yield server


@pytest.fixture
def person(slapd: LabSlapd) -> str:
    """The uid of a person in the shared directory whom no other test uses."""
    return slapd.add_person()


@pytest.fixture(scope="session")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSamba]:
    """A running Active Directory domain controller, shared like `slapd`."""
    with LabSamba(tmp_path_factory.mktemp("samba") / "directory") as server:
        yield server


@pytest.fixture(scope="session")
def dirsrv(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabDirsrv]:
    """A running 389 Directory Server, shared like `slapd`."""
    with LabDirsrv(tmp_path_factory.mktemp("dirsrv") / "directory") as server:
        yield server


@pytest.fixture
def own_dirsrv(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabDirsrv]:
    """A running 389 Directory Server for one test, like `own_slapd`."""
    with LabDirsrv(tmp_path_factory.mktemp("own-dirsrv") / "directory") as server:
        yield server
