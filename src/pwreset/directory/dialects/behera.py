"""What answers mean on every server that speaks draft-behera-ldap-password-policy: by its control, else by result code."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import ldap
from ldap.controls.ppolicy import PasswordPolicyControl

from pwreset.directory.dialects import LogIn, Write
from pwreset.directory.outcomes import Denied, Refused, Unwilling, meaning_of_code
from pwreset.directory.rootdse import RootDse
from pwreset.reset.policy import RuleCode
from pwreset.secret import Secret

PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"  # noqa: S105 - RFC 3062
NO_WAY = "it understands neither RFC 3062 nor a modification of userPassword"
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

NOT_RIGHT = (
    ldap.INVALID_CREDENTIALS,
    ldap.INAPPROPRIATE_AUTH,
    ldap.NO_SUCH_OBJECT,
    ldap.INVALID_DN_SYNTAX,
    ldap.INSUFFICIENT_ACCESS,
    ldap.CONSTRAINT_VIOLATION,
    ldap.UNWILLING_TO_PERFORM,
)


def log_in(connection: Any, dn: str, password: Secret, seconds: float) -> LogIn:
    """What a simple bind says. That it must be changed comes with success, that it has expired with failure."""
    try:
        message = connection.simple_bind(dn, password.reveal(), [PasswordPolicyControl()])
        _, _, _, controls = connection.result3(message, timeout=seconds)
    except NOT_RIGHT as error:
        return LogIn.SHUT_OUT if policy_error(error) == EXPIRED else LogIn.WRONG
    except (UnicodeError, ValueError):  # lone surrogates, NUL
        return LogIn.WRONG
    must_change = any(getattr(control, "error", None) == MUST_CHANGE for control in controls)
    return LogIn.MUST_CHANGE if must_change else LogIn.LET_IN


def knows_password_modify(root: RootDse) -> bool:
    """Whether the server says it knows RFC 3062; yes when it says nothing at all."""
    return not root.texts("supportedExtension") or root.has("supportedExtension", PASSWORD_MODIFY)


def send(
    connection: Any, write: Write, new: bytes, controls: Sequence[Any], *, by_modify: bool, old: bytes | None = None
) -> None:
    """Write by RFC 3062, or by replacing the value. Raises ldap.PROTOCOL_ERROR, and what stands in `outcomes`."""
    try:
        if by_modify:
            message = connection.modify_ext(write.dn, [(ldap.MOD_REPLACE, "userPassword", [new])], controls)
        else:
            message = connection.passwd(write.dn, old, new, controls)
        connection.result3(message, timeout=write.seconds)
    except ldap.PROTOCOL_ERROR:
        raise
    except ldap.LDAPError as error:
        raise meaning(error) from error


def change(person: Any, write: Write, controls: Sequence[Any], *, by_modify: bool) -> None:
    """Write as the person. Raises what stands in `outcomes`."""
    new = write.password.reveal().encode()
    # pwdSafeModify: whoever changes the own password shows the present one again, however he has logged in.
    old = None if write.old is None else write.old.reveal().encode()
    write.begun = True
    try:
        send(person, write, new, controls, by_modify=by_modify, old=old)
    except ldap.PROTOCOL_ERROR:
        raise Unwilling(NO_WAY) from None
    write.done = True


def meaning(error: ldap.LDAPError) -> Exception:
    """What a refused write means: by result code and by the ppolicy control's code."""
    broken = policy_error(error)
    if broken == MUST_SUPPLY_OLD_PASSWORD:
        return Denied()
    if broken in BROKEN_RULES:
        return Refused(BROKEN_RULES[broken])
    return meaning_of_code(error)


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
