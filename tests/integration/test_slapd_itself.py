"""The tests' own directory: what the other tests rest on."""

from __future__ import annotations

import pytest

from tests.servers.slapd import LabSlapd, dn_of, password_of

pytestmark = pytest.mark.servers


def test_people_log_in_with_their_first_password(slapd: LabSlapd) -> None:
    assert slapd.accepts(dn_of("jdoe"), password_of("jdoe"))


def test_a_new_person_is_a_member_of_the_group_he_is_added_to(slapd: LabSlapd, person: str) -> None:
    group = slapd.add_group([dn_of(person)])
    assert slapd.read(dn_of(person))["memberOf"] == [group]


def test_a_killed_directory_comes_back_on_its_ports_with_its_data(own_slapd: LabSlapd) -> None:
    uid, ports = own_slapd.add_person(), own_slapd.ports
    own_slapd.kill()
    own_slapd.start()
    assert own_slapd.ports == ports
    assert own_slapd.accepts(dn_of(uid), password_of(uid))
