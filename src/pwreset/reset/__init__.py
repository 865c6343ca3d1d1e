"""The rules of pwreset. No network, SQL, LDAP, template or web package is imported here."""
