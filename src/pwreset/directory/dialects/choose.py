"""Which dialect a server speaks: as the settings say, else by its rootDSE."""

from __future__ import annotations

from collections.abc import Callable

from pwreset.directory.dialects import Dialect
from pwreset.directory.dialects.active_directory import ActiveDirectory
from pwreset.directory.dialects.dirsrv import Dirsrv
from pwreset.directory.dialects.freeipa import FreeIpa
from pwreset.directory.dialects.generic import Generic
from pwreset.directory.dialects.openldap import OpenLdap
from pwreset.directory.rootdse import RootDse

AUTO = "auto"
DIALECTS: dict[str, Callable[[], Dialect]] = {
    "openldap": OpenLdap,
    "active-directory": ActiveDirectory,
    "389-ds": Dirsrv,
    "freeipa": FreeIpa,
    "generic": Generic,
}
ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"  # LDAP_CAP_ACTIVE_DIRECTORY_OID, [MS-ADTS] 3.1.1.3.4.3
# vendorVersion (RFC 3045) is "389-Directory/2.3.1 ...", "Red Hat-Directory/12.4 ..."; the vendor's name differs.
DIRSRV = "-Directory/"
FREEIPA = "2.16.840.1.113730.3.8.10."  # its extended operations for keytabs
OPENLDAP = "OpenLDAProotDSE"


def dialect_named(name: str) -> Dialect | None:
    """The dialect that the settings name; None when the server is to be asked."""
    return None if name == AUTO else DIALECTS[name]()


def dialect_of(root: RootDse) -> Dialect:
    """The dialect of the server with this rootDSE."""
    if root.has("supportedCapabilities", ACTIVE_DIRECTORY):
        return ActiveDirectory()
    if DIRSRV in root.text("vendorVersion"):
        is_ipa = any(one.startswith(FREEIPA) for one in root.texts("supportedExtension"))
        return FreeIpa() if is_ipa else Dirsrv()
    # One that says nothing of itself is an OpenLDAP whose access rules hide it: the others cannot.
    if root.hidden or OPENLDAP in root.texts("objectClass"):
        return OpenLdap()
    return Generic()
