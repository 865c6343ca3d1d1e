"""pwreset: password reset links for the people in an LDAP directory."""

__version__ = "0.1.0"
