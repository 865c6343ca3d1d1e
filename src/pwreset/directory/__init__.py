"""The LDAP adapter: implements the port `Directory` with python-ldap.

ldap.LdapDirectory     the port, one per domain
  filters, entries     what is asked, and what a person's entry says
  groups               who is protected, who is a manager
    members            groups read in full once, and then asked whether they are as they were
    group_entries      what one entry says of its members
  outcomes             what a write can end in, and what a result code means for one
  reading              one entry by its DN
  rootdse              what a server says of itself
  dialects             one per kind of directory: identity, states, policies, writer, table of refusals
  diagnosis            health, in words
  inspection           how it is set up for us, for `pwreset check`
  pool                 connections: shared ones for searches, one of its own per log-in and per write; failover
    shared             many searches under way on one connection, read by the event loop
    connection         TLS, StartTLS, deadlines, and what can go wrong with them
    threads            the one boundary to blocking calls
"""

from __future__ import annotations

import os

# libldap would take defaults from /etc/ldap/ldap.conf, ~/.ldaprc, ./ldaprc and LDAP* in the environment: further trusted
# CAs, client certificates, time-outs. What is connected to, and whom it trusts, is said by our settings alone.
os.environ["LDAPNOINIT"] = "1"
