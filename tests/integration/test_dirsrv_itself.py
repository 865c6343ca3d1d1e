"""The tests' own 389 Directory Server: what the other tests rest on."""

from __future__ import annotations

import pytest

from tests.servers.dirsrv import LabDirsrv
from tests.servers.dirsrv_plan import dn_of
from tests.servers.slapd import password_of

pytestmark = pytest.mark.servers


def test_people_log_in_with_their_first_password(dirsrv: LabDirsrv) -> None:
    assert dirsrv.accepts(dn_of("jdoe"), password_of("jdoe"))


def test_a_new_person_is_a_member_of_the_group_he_is_added_to(dirsrv: LabDirsrv) -> None:
    dn = dn_of(dirsrv.add_person())
    group = dirsrv.add_group([dn])
    assert dirsrv.read(dn)["memberOf"] == [group]


def test_a_stopped_directory_comes_back_on_its_ports_with_its_data(own_dirsrv: LabDirsrv) -> None:
    uid, ports = own_dirsrv.add_person(), own_dirsrv.ports
    own_dirsrv.stop()
    own_dirsrv.start()
    assert own_dirsrv.ports == ports
    assert own_dirsrv.accepts(dn_of(uid), password_of(uid))
