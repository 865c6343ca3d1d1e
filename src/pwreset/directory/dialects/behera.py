"""What answers mean on every server that speaks draft-behera-ldap-password-policy: by its control, else by result code."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import ldap
from ldap.controls.ppolicy import PasswordPolicyControl

from pwreset.directory.dialects import Write
from pwreset.directory.outcomes import Busy, Denied, Gone, Lost, Raced, ReadOnly, Refused, Unwilling
from pwreset.directory.rootdse import RootDse
from pwreset.reset.policy import RuleCode
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret

PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"  # noqa: S105 - RFC 3062
EXPIRED, MUST_CHANGE = 0, 2  # draft-behera-ldap-password-policy-10, 6.2; told together with the right password only

# The same place, and pwdMaxLength's code of OpenLDAP 2.6.
BROKEN_RULES = {
    3: RuleCode.NOT_ALLOWED,
    5: RuleCode.QUALITY,
    6: RuleCode.MIN_LENGTH,
    7: RuleCode.TOO_YOUNG,
    8: RuleCode.HISTORY,
    9: RuleCode.MAX_LENGTH,
}
MUST_SUPPLY_OLD_PASSWORD = 4

READ_ONLY = "it refuses to write (is it read-only?)"
REPLICA = "it is a read-only replica; put the writable server first in `uris`"

# What a result code (RFC 4511, appendix A.2) means for a write, where the policy's control says nothing.
MEANINGS: tuple[tuple[type[ldap.LDAPError], Callable[[], Exception]], ...] = (
    (ldap.SERVER_DOWN, Lost),
    (ldap.CONNECT_ERROR, Lost),
    (ldap.TIMEOUT, Lost),
    (ldap.INSUFFICIENT_ACCESS, Denied),
    (ldap.STRONG_AUTH_REQUIRED, Denied),
    (ldap.CONFIDENTIALITY_REQUIRED, Denied),
    (ldap.CONSTRAINT_VIOLATION, functools.partial(Refused, RuleCode.QUALITY)),
    (ldap.INVALID_SYNTAX, functools.partial(Refused, RuleCode.QUALITY)),
    # It is the server that is unwilling, not the policy: no other password would be taken either.
    (ldap.UNWILLING_TO_PERFORM, functools.partial(ReadOnly, READ_ONLY)),
    (ldap.REFERRAL, functools.partial(ReadOnly, REPLICA)),
    # Two changes of one entry at once: the loser's are refused so, its values being no longer there.
    (ldap.NO_SUCH_ATTRIBUTE, Raced),
    (ldap.TYPE_OR_VALUE_EXISTS, Raced),
    (ldap.BUSY, Busy),
    (ldap.UNAVAILABLE, Busy),
    (ldap.TIMELIMIT_EXCEEDED, Busy),
    (ldap.ADMINLIMIT_EXCEEDED, Busy),
    (ldap.OTHER, Busy),
    (ldap.NO_SUCH_OBJECT, Gone),
)
LOSSES = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT)
DENIALS = (ldap.INSUFFICIENT_ACCESS, ldap.STRONG_AUTH_REQUIRED, ldap.CONFIDENTIALITY_REQUIRED)
NOT_RIGHT = (
    ldap.INVALID_CREDENTIALS,
    ldap.INAPPROPRIATE_AUTH,
    ldap.NO_SUCH_OBJECT,
    ldap.INVALID_DN_SYNTAX,
    ldap.INSUFFICIENT_ACCESS,
    ldap.CONSTRAINT_VIOLATION,
    ldap.UNWILLING_TO_PERFORM,
)


def try_password(connection: Any, dn: str, password: Secret, seconds: float) -> BindOutcome:
    """What a simple bind says. That it must be changed comes with success, that it has expired with failure."""
    try:
        message = connection.simple_bind(dn, password.reveal(), [PasswordPolicyControl()])
        _, _, _, controls = connection.result3(message, timeout=seconds)
    except NOT_RIGHT as error:
        return BindOutcome.EXPIRED if policy_error(error) == EXPIRED else BindOutcome.WRONG
    except (UnicodeError, ValueError):  # lone surrogates, NUL
        return BindOutcome.WRONG
    must_change = any(getattr(control, "error", None) == MUST_CHANGE for control in controls)
    return BindOutcome.EXPIRED if must_change else BindOutcome.RIGHT


def knows_password_modify(root: RootDse) -> bool:
    """Whether the server says it knows RFC 3062; yes when it says nothing at all."""
    return not root.texts("supportedExtension") or root.has("supportedExtension", PASSWORD_MODIFY)


def send(connection: Any, write: Write, new: bytes, controls: Sequence[Any], *, by_modify: bool) -> None:
    """Write by RFC 3062, or by replacing the value. Raises ldap.PROTOCOL_ERROR, and what stands in `outcomes`."""
    try:
        if by_modify:
            message = connection.modify_ext(write.dn, [(ldap.MOD_REPLACE, "userPassword", [new])], controls)
        else:
            message = connection.passwd(write.dn, None, new, controls)
        connection.result3(message, timeout=write.seconds)
    except ldap.PROTOCOL_ERROR:
        raise
    except ldap.LDAPError as error:
        raise meaning(error) from error


def may_delete_password(connection: Any, dn: str, seconds: float) -> bool:
    """Delete a password value that is not there: refused as missing with the right, as forbidden without it."""
    try:
        message = connection.modify_ext(dn, [(ldap.MOD_DELETE, "userPassword", [b"{pwreset}no-such-value"])])
        connection.result3(message, timeout=seconds)
    except DENIALS:
        return False
    except (ldap.NO_SUCH_ATTRIBUTE, ldap.CONSTRAINT_VIOLATION):
        return True
    return True


def meaning(error: ldap.LDAPError) -> Exception:
    """What a refused write means: by result code and by the ppolicy control's code."""
    broken = policy_error(error)
    if broken == MUST_SUPPLY_OLD_PASSWORD:
        return Denied()
    if broken in BROKEN_RULES:
        return Refused(BROKEN_RULES[broken])
    return meaning_of_code(error)


def meaning_of_code(error: ldap.LDAPError) -> Exception:
    """What a refused write means by its result code alone."""
    for kind, outcome in MEANINGS:
        if isinstance(error, kind):
            return outcome()
    return Unwilling(f"it refuses to write: {type(error).__name__}")


def policy_error(error: ldap.LDAPError) -> int | None:
    """The error in the ppolicy response control, if there is one."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    for control_type, _, value in details.get("ctrls") or ():
        if control_type == PasswordPolicyControl.controlType:
            control = PasswordPolicyControl()
            # A control that cannot be read says nothing; pyasn1's errors have many classes.
            with contextlib.suppress(Exception):
                control.decodeControlValue(value)
            return None if control.error is None else int(control.error)
    return None
