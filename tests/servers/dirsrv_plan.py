"""What the 389 Directory Server of the tests is filled with: policies, access rules, people and groups."""

from __future__ import annotations

from collections.abc import Sequence

from ldap.dn import escape_dn_chars

from pwreset.demo.people import Entry, entry, group
from tests.servers.slapd import password_of

BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
STRICT_PEOPLE = f"ou=strict,{PEOPLE}"
OTHER_PEOPLE = f"ou=floor,{PEOPLE}"
OTHER = f"ou=other,{BASE}"
GROUPS = f"ou=groups,{BASE}"
SERVICES = f"ou=services,{BASE}"
POLICIES = f"cn=nsPwPolicyContainer,{PEOPLE}"

ADMIN_DN = "cn=Directory Manager"
ADMIN_PASSWORD = "admin-secret"
SERVICE_DN = f"cn=pwreset,{SERVICES}"
SERVICE_PASSWORD = "service-secret"
HELP_DESK_DN = f"cn=help-desk,{SERVICES}"
HELP_DESK_PASSWORD = "help-desk-secret"
MANAGERS_DN = f"cn=pwreset-managers,{GROUPS}"
PROTECTED_DN = f"cn=protected,{GROUPS}"

TRACK = "passwordTrackUpdateTime"

# The global policy, as cn=config has it.
SETTINGS = {
    "nsslapd-security": "on",
    "nsslapd-pwpolicy-local": "on",
    "passwordIsGlobalPolicy": "on",
    TRACK: "on",
    "passwordCheckSyntax": "on",
    "passwordMinLength": "8",
    "passwordMinCategories": "3",
    # By default any three characters in a row that are in the name, the log-in or the address too are refused.
    "passwordMinTokenLength": "5",
    "passwordHistory": "on",
    "passwordInHistory": "5",
    "passwordLockout": "on",
    "passwordMaxFailure": "5",
    "passwordUnlock": "off",
}

# What a service account may see of a policy: all that a person should know beforehand.
POLICY_ATTRIBUTES = (
    "passwordChange",
    "passwordCheckSyntax",
    "passwordMinLength",
    "passwordMinCategories",
    "passwordMinDigits",
    "passwordMinAlphas",
    "passwordMinUppers",
    "passwordMinLowers",
    "passwordMinSpecials",
    "passwordMaxRepeats",
    "passwordMinTokenLength",
    "passwordPalindrome",
    "passwordMaxSequence",
    "passwordMaxSeqSets",
    "passwordMaxClassChars",
    "passwordDictCheck",
    "passwordBadWords",
    "passwordUserAttributes",
    "passwordHistory",
    "passwordInHistory",
    "passwordMinAge",
    "passwordExp",
    "passwordMaxAge",
    "passwordLockout",
    "passwordMaxFailure",
    "passwordUnlock",
    "nsslapd-pwpolicy-local",
    "passwordAdminDN",
)


def dn_of(uid: str) -> str:
    """A person's DN."""
    return f"uid={escape_dn_chars(uid)},{PEOPLE}"


def policy_dn(name: str) -> str:
    """A local policy's DN."""
    return f"cn={name},{POLICIES}"


def local_policy(name: str, **rules: str) -> Entry:
    """A policy for those whose `pwdPolicySubentry` names it, in the form that dsconf makes. It inherits nothing."""
    return entry(policy_dn(name), ["ldapSubEntry", "passwordPolicy"], cn=name, **({TRACK: "on"} | rules))


LOCAL_POLICIES = {
    "strict": {
        "passwordCheckSyntax": "on",
        "passwordMinLength": "14",
        "passwordMinTokenLength": "5",
        "passwordHistory": "on",
        "passwordInHistory": "24",
        "passwordMinAge": "3600",
    },
    "expiring": {
        "passwordExp": "on",
        "passwordMaxAge": "86400",
        "passwordCheckSyntax": "on",
        "passwordMinLength": "8",
        "passwordMinTokenLength": "5",
    },
    "unchecked": {"passwordExp": "on", "passwordMaxAge": "86400"},
    "mustchange": {"passwordMustChange": "on"},
}


def entries() -> list[Entry]:
    """Everything, parents first."""
    return [
        entry(BASE, ["domain"], dc="example", aci=_aci("suffix")),
        *(_unit(name) for name in ("people", "other", "groups", "services")),
        entry(STRICT_PEOPLE, ["organizationalUnit"], ou="strict"),
        entry(OTHER_PEOPLE, ["organizationalUnit"], ou="floor"),
        entry(SERVICE_DN, ["organizationalRole", "simpleSecurityObject"], cn="pwreset", userPassword=SERVICE_PASSWORD),
        entry(
            HELP_DESK_DN,
            ["organizationalRole", "simpleSecurityObject"],
            cn="help-desk",
            userPassword=HELP_DESK_PASSWORD,
        ),
        entry(POLICIES, ["nsContainer"], cn="nsPwPolicyContainer"),
        *(local_policy(name, **rules) for name, rules in LOCAL_POLICIES.items()),
        *(_person(uid) for uid in ("jdoe", "jsmith", "manager", "root-admin")),
        group("pwreset-managers", GROUPS, [dn_of("manager"), dn_of("jsmith")]),
        group("protected", GROUPS, [dn_of("root-admin")]),
    ]


def _unit(name: str) -> Entry:
    return entry(f"ou={name},{BASE}", ["organizationalUnit"], ou=name, aci=_aci(name))


def _person(uid: str) -> Entry:
    return entry(
        dn_of(uid),
        ["inetOrgPerson"],
        uid=uid,
        cn=uid.title(),
        sn=uid.title(),
        mail=f"{uid}@example.org",
        userPassword=password_of(uid),
    )


def _aci(where: str) -> Sequence[str]:
    service = f'userdn="ldap:///{SERVICE_DN}"'
    if where == "suffix":
        return [
            (
                f'(targetattr!="userPassword || passwordHistory")'
                f'(version 3.0; acl "read"; allow (read,search,compare) {service};)'
            ),
            (
                f'(targetattr="passwordHistory")(targetfilter="(objectClass=passwordPolicy)")'
                f'(version 3.0; acl "policies"; allow (read,search,compare) {service};)'
            ),
        ]
    if where == "people":
        lock = "accountUnlockTime || passwordRetryCount || retryCountResetTime"
        return [
            (
                f'(targetattr="userPassword || {lock} || passwordExpirationTime")(targetfilter="(!(uid=noaccess*))")'
                f'(version 3.0; acl "reset"; allow (write) {service};)'
            ),
            f'(targetattr="userPassword")(version 3.0; acl "desk"; allow (write) userdn="ldap:///{HELP_DESK_DN}";)',
            '(targetattr="userPassword")(version 3.0; acl "own"; allow (write) userdn="ldap:///self";)',
            '(targetattr!="userPassword || passwordHistory")(version 3.0; acl "all"; allow (read,search,compare) userdn="ldap:///all";)',
        ]
    return []


CONFIG_ACI = (
    f'(targetattr="cn || objectClass || {" || ".join(POLICY_ATTRIBUTES)}")(targetfilter="(objectClass=nsslapdConfig)")'
    f'(version 3.0; acl "pwreset reads the password policy"; allow (read,search) userdn="ldap:///{SERVICE_DN}";)'
)
