"""LDAP: connections, finding exactly one user, authenticating managers, one writer per dialect."""
