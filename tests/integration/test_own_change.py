"""What policies of a real slapd make of a change by the person: grace log-ins, pwdAllowUserChange, pwdSafeModify."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pwreset.demo.people import policy
from pwreset.errors import PasswordRefused
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.ports import BindOutcome, Directory
from pwreset.secret import Secret
from tests.contract.directory_labs import SlapdLab
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


async def proven_and_changed(directory: Directory, lab: SlapdLab, uid: str) -> BindOutcome:
    """As the page does it: a log-in first, then the change. What the log-in said."""
    user = await directory.find(uid)
    said = await directory.bind(lab.dn(uid), Secret(password_of(uid)))
    await directory.change_own_password(user, Secret(password_of(uid)), NEW)
    return said


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
    with pytest.raises(PasswordRefused) as caught:
        await proven_and_changed(lab.directory(), lab, uid)
    assert caught.value.rules == (Rule(RuleCode.NOT_ALLOWED),)
    assert lab.accepts(uid, password_of(uid))


async def test_a_policy_that_wants_the_old_password_again_gets_it(slapd: LabSlapd, lab: SlapdLab) -> None:
    uid = person_under(slapd, "safemodify", pwdSafeModify="TRUE")
    await proven_and_changed(lab.directory(), lab, uid)
    assert lab.accepts(uid, NEW.reveal())
