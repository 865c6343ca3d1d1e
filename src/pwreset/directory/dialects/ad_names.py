r"""What Active Directory itself calls a domain in log-ins: `EXAMPLE\jdoe`, `jdoe@example.org`.

Both work for everybody, whatever his userPrincipalName says. The first name is the NetBIOS name, told in the partition
that describes the forest; the second the DNS name. Source: [MS-ADTS] 5.1.1.1.1, 6.1.1.2.1.1.
"""

from __future__ import annotations

import ldap
import ldap.dn
from ldap.filter import escape_filter_chars

from pwreset.directory.dialects import Names
from pwreset.directory.names import read_dn
from pwreset.directory.pool import Pool
from pwreset.directory.reading import first_below

LOGIN = "sAMAccountName"
PRINCIPAL = "userPrincipalName"


async def names_of(pool: Pool) -> Names:
    """The names of the domain that the server holds. Raises DirectoryUnavailable, DirectoryMisconfigured, Overloaded."""
    root = await pool.root()
    top, configuration = root.text("defaultNamingContext"), root.text("configurationNamingContext")
    wanted = f"(&(objectClass=crossRef)(nCName={escape_filter_chars(top)}))"
    found = await first_below(
        pool, f"CN=Partitions,{configuration}", wanted, ("nETBIOSName", "dnsRoot"), scope=ldap.SCOPE_ONELEVEL
    )
    netbios, dns = ("", "") if found is None else (found.text("nETBIOSName"), found.text("dnsRoot"))
    return AdNames(netbios, dns or _dns_name(top))


class AdNames:
    """See `dialects.Names`."""

    def __init__(self, netbios: str, dns: str) -> None:
        self._netbios = netbios.casefold()
        self._dns = dns.casefold()

    def hold(self, name: str) -> bool:
        """See `Names.hold`."""
        return bool(name) and name.casefold() in (self._netbios, self._dns)

    def filter_of(self, login: str, plain: str) -> str:
        r"""`EXAMPLE\jdoe` is an account and nothing else; `jdoe@example.org` may be one, or anything else of that name."""
        before, backslash, account = login.partition("\\")
        if backslash and account and self._netbios and before.casefold() == self._netbios:
            return f"({LOGIN}={escape_filter_chars(account)})"
        account, at, suffix = login.rpartition("@")
        if at and account and suffix.casefold() == self._dns:
            return f"(|({LOGIN}={escape_filter_chars(account)}){plain})"
        return plain


def _dns_name(top: str) -> str:
    """`DC=example,DC=org` as example.org."""
    return ".".join(value for rdn in read_dn(top) or () for kind, value in rdn if kind == "dc")
