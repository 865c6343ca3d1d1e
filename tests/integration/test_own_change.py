"""What particular policies of real servers make of a change by the person, and what he is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pwreset.demo.people import policy
from pwreset.errors import PasswordRefused
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.ports import BindOutcome, Directory
from pwreset.secret import Secret
from tests.contract.directory_labs import SlapdLab
from tests.contract.dirsrv_lab import DirsrvLab
from tests.contract.samba_lab import SambaLab
from tests.servers import dirsrv_plan
from tests.servers.dirsrv import LabDirsrv
from tests.servers.dirsrv_plan import local_policy
from tests.servers.samba import LabSamba
from tests.servers.slapd import POLICIES, LabSlapd, password_of, policy_dn

pytestmark = pytest.mark.servers

NEW = Secret("Seven quiet lanterns, at 9")
LONG_AGO = "20200101000000Z"


@pytest.fixture
async def lab(slapd: LabSlapd) -> AsyncIterator[SlapdLab]:
    made = SlapdLab(slapd)
    yield made
    await made.close()


def person_under(slapd: LabSlapd, name: str, **rules: str) -> str:
    """Somebody under a policy of his own; the uid."""
    slapd.add(policy(name, POLICIES, **rules))
    return slapd.add_person(pwdPolicySubentry=policy_dn(name), pwdChangedTime=LONG_AGO)


async def proven_and_changed(directory: Directory, lab: Any, uid: str) -> BindOutcome:
    """As the page does it: a log-in first, then the change. What the log-in said."""
    user = await directory.find(uid)
    said = await directory.bind(lab.dn(uid), Secret(password_of(uid)))
    await directory.change_own_password(user, Secret(password_of(uid)), NEW)
    return said


async def refusal(directory: Directory, lab: Any, uid: str) -> tuple[object, ...]:
    with pytest.raises(PasswordRefused) as caught:
        await proven_and_changed(directory, lab, uid)
    assert lab.accepts(uid, password_of(uid))
    return caught.value.rules


@pytest.mark.parametrize(
    ("log_ins", "said"), [(2, BindOutcome.RIGHT), (1, BindOutcome.RIGHT), (0, BindOutcome.EXPIRED)]
)
async def test_an_expired_password_is_changed_however_many_grace_log_ins_are_left(
    slapd: LabSlapd, lab: SlapdLab, log_ins: int, said: BindOutcome
) -> None:
    uid = person_under(slapd, f"grace{log_ins}", pwdMaxAge="86400", pwdGraceAuthNLimit=str(log_ins))
    assert await proven_and_changed(lab.directory(), lab, uid) is said
    assert lab.accepts(uid, NEW.reveal())
    assert "pwdGraceUseTime" not in slapd.read(lab.dn(uid))


async def test_an_account_whose_policy_allows_no_own_change_is_told_so(slapd: LabSlapd, lab: SlapdLab) -> None:
    uid = person_under(slapd, "notallowed", pwdAllowUserChange="FALSE")
    assert await refusal(lab.directory(), lab, uid) == (Rule(RuleCode.NOT_ALLOWED),)
    assert lab.accepts(uid, password_of(uid))


async def test_a_longest_length_is_told_before_and_after(slapd: LabSlapd, lab: SlapdLab) -> None:
    directory, uid = lab.directory(), person_under(slapd, "maxlength", pwdMaxLength="20")
    longest = Rule(RuleCode.MAX_LENGTH, 20)
    assert longest in await directory.rules(await directory.find(uid))
    assert await refusal(directory, lab, uid) == (longest,)


async def test_a_policy_that_wants_the_old_password_again_gets_it(slapd: LabSlapd, lab: SlapdLab) -> None:
    uid = person_under(slapd, "safemodify", pwdSafeModify="TRUE")
    await proven_and_changed(lab.directory(), lab, uid)
    assert lab.accepts(uid, NEW.reveal())


# --- 389 Directory Server ---


@pytest.fixture
async def fedora(dirsrv: LabDirsrv) -> AsyncIterator[DirsrvLab]:
    made = DirsrvLab(dirsrv)
    yield made
    await made.close()


def person_on_389(dirsrv: LabDirsrv, name: str, **rules: str) -> str:
    dirsrv.add(local_policy(name, **rules))
    return dirsrv.add_person(pwdPolicySubentry=dirsrv_plan.policy_dn(name))


async def test_389_s_no_to_own_changes_is_told_and_the_server_goes_on_writing(
    dirsrv: LabDirsrv, fedora: DirsrvLab
) -> None:
    directory, uid = fedora.directory(), person_on_389(dirsrv, "nochange", passwordChange="off")
    refused = await refusal(directory, fedora, uid)
    assert refused == (Rule(RuleCode.NOT_ALLOWED),)
    other = fedora.add_person()
    await directory.set_password(await directory.find(other), NEW)
    assert fedora.accepts(other, NEW.reveal())


async def test_389_s_missing_right_to_change_the_own_password_is_told(dirsrv: LabDirsrv, fedora: DirsrvLab) -> None:
    denied = '(targetattr="userPassword")(version 3.0; acl "not own"; deny (write) userdn="ldap:///self";)'
    uid = dirsrv.add_person(aci=denied)
    assert await refusal(fedora.directory(), fedora, uid) == (Rule(RuleCode.NOT_ALLOWED),)


# --- Samba ---


async def test_samba_s_user_cannot_change_password_is_told(samba: LabSamba) -> None:
    lab = SambaLab(samba)
    uid = lab.add_person()
    samba.shell(
        f"samba-tool dsacl set --objectdn='{lab.dn(uid)}' --sddl='(OD;;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;PS)(OD;;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;WD)'"
    )
    assert await refusal(lab.directory(), lab, uid) == (Rule(RuleCode.NOT_ALLOWED),)
    await lab.close()
