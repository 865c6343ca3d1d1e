"""The one-command demo: a private slapd, a mail and SMS catcher, an inbox page."""
