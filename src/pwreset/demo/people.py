"""What a private directory is filled with: people, groups, policies and service accounts, as LDIF."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from ldap.dn import escape_dn_chars

PRINTABLE = range(32, 127)

# The password policy attributes of slapo-ppolicy(5), with the values a policy has when nothing else is said.
POLICY = {
    "pwdAttribute": "userPassword",
    "pwdMaxAge": "0",
    "pwdMinAge": "0",
    "pwdInHistory": "5",
    "pwdCheckQuality": "2",
    "pwdMinLength": "8",
    "pwdMaxFailure": "5",
    "pwdLockout": "TRUE",
    "pwdLockoutDuration": "0",
    "pwdFailureCountInterval": "900",
    "pwdMustChange": "FALSE",
    "pwdAllowUserChange": "TRUE",
    "pwdSafeModify": "FALSE",
    "pwdExpireWarning": "0",
    "pwdGraceAuthNLimit": "0",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its DN, its object classes, its attributes."""

    dn: str
    classes: tuple[str, ...]
    attributes: Mapping[str, tuple[str, ...]]

    def ldif(self) -> str:
        """The entry as an LDIF record (RFC 2849)."""
        lines = [_line("dn", self.dn), *(_line("objectClass", name) for name in self.classes)]
        lines += [_line(name, value) for name, values in self.attributes.items() for value in values]
        return "\n".join(lines) + "\n\n"


def entry(dn: str, classes: Sequence[str], **attributes: str | Sequence[str] | None) -> Entry:
    """An entry; an attribute that is None is left out."""
    values = {
        name: (value,) if isinstance(value, str) else tuple(value)
        for name, value in attributes.items()
        if value is not None
    }
    return Entry(dn, tuple(classes), values)


def suffix_entry(suffix: str, organization: str) -> Entry:
    """The top of the tree, `dc=...`."""
    component = suffix.split(",", 1)[0].partition("=")[2]
    return entry(suffix, ["dcObject", "organization"], dc=component, o=organization)


def unit(name: str, parent: str) -> Entry:
    """An organizational unit."""
    return entry(f"ou={name},{parent}", ["organizationalUnit"], ou=name)


def person(
    uid: str, names: tuple[str, str], parent: str, password: str | None, **attributes: str | Sequence[str] | None
) -> Entry:
    """A person `uid=...` with given name and surname. `dn` among the attributes gives the entry another DN."""
    given, surname = names
    dn = attributes.pop("dn", None) or f"uid={escape_dn_chars(uid)},{parent}"
    values: dict[str, str | Sequence[str] | None] = {
        "uid": uid,
        "cn": f"{given} {surname}",
        "sn": surname,
        "givenName": given,
        "userPassword": None if password is None else ssha(password),
        "entryUUID": str(uuid4()),
    }
    return entry(str(dn), ["inetOrgPerson"], **(values | attributes))


def service_account(name: str, parent: str, password: str, description: str) -> Entry:
    """An account for a program."""
    return entry(
        f"cn={name},{parent}",
        ["organizationalRole", "simpleSecurityObject"],
        cn=name,
        description=description,
        userPassword=ssha(password),
    )


def policy(name: str, parent: str, **changed: str) -> Entry:
    """A password policy `cn=...`; `changed` are attributes that differ from POLICY."""
    return entry(f"cn={name},{parent}", ["person", "pwdPolicy"], cn=name, sn=name, **(POLICY | changed))


def group(name: str, parent: str, members: Sequence[str]) -> Entry:
    """A groupOfNames with these members' DNs."""
    return entry(f"cn={name},{parent}", ["groupOfNames"], cn=name, member=members)


def with_member_of(entries: Iterable[Entry]) -> list[Entry]:
    """The same entries, with `memberOf` as the groups among them say: the overlay does not see what slapadd writes."""
    listed = list(entries)
    groups_of: dict[str, tuple[str, ...]] = {}
    for candidate in listed:
        for member in candidate.attributes.get("member", ()):
            groups_of[member] = (*groups_of.get(member, ()), candidate.dn)
    return [
        Entry(one.dn, one.classes, {**one.attributes, "memberOf": groups_of[one.dn]}) if one.dn in groups_of else one
        for one in listed
    ]


def to_ldif(entries: Iterable[Entry]) -> str:
    """All entries as one LDIF text."""
    return "".join(one.ldif() for one in entries)


def ssha(password: str) -> str:
    """A salted SHA-1 hash as slapd makes it by default."""
    salt = os.urandom(8)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def _line(name: str, value: str) -> str:
    raw = value.encode()
    plain = raw and all(byte in PRINTABLE for byte in raw) and raw[:1] not in {b" ", b":", b"<"} and raw[-1:] != b" "
    return f"{name}: {value}" if plain else f"{name}:: {base64.b64encode(raw).decode()}"
