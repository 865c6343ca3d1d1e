"""Which dialect a server speaks, by its rootDSE."""

from __future__ import annotations

import pytest

from pwreset.directory.dialects.choose import DIALECTS, dialect_named, dialect_of
from pwreset.directory.rootdse import RootDse

KEYTABS = "2.16.840.1.113730.3.8.10.1"


def root(**values: str) -> RootDse:
    return RootDse(tuple((name.lower(), (value,)) for name, value in values.items()))


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (root(objectClass="OpenLDAProotDSE"), "openldap"),
        (RootDse(), "openldap"),
        (root(supportedCapabilities="1.2.840.113556.1.4.800"), "active-directory"),
        (root(vendorName="389 Project", vendorVersion="389-Directory/2.3.1 B2025.016.1616"), "389-ds"),
        (root(vendorName="Red Hat, Inc.", vendorVersion="Red Hat-Directory/11.7 B2023.1"), "389-ds"),
        (root(vendorVersion="389-Directory/2.4.5 B2024.198.0000", supportedExtension=KEYTABS), "freeipa"),
        (root(vendorName="LLDAP", vendorVersion="lldap_0.6.2"), "generic"),
        (root(objectClass="top", vendorName="Somebody else"), "generic"),
    ],
)
def test_a_server_is_known_by_what_it_says_of_itself(told: RootDse, name: str) -> None:
    assert dialect_of(told).name == name


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_the_settings_may_name_a_dialect(name: str) -> None:
    dialect = dialect_named(name)
    assert dialect is not None
    assert dialect.name == name
