"""The private domain controller does what the other tests rely on."""

from __future__ import annotations

import pytest

from tests.servers.samba import LabSamba
from tests.servers.slapd import password_of

pytestmark = pytest.mark.servers


def test_people_log_in_with_their_first_password(samba: LabSamba) -> None:
    dn = samba.add_person()
    assert samba.accepts(dn, password_of(samba.login_of(dn)))


def test_a_new_person_is_a_member_of_the_group_he_is_added_to(samba: LabSamba) -> None:
    dn = samba.add_person()
    group = samba.add_group([dn])
    assert samba.read(dn)["memberOf"] == [group]
