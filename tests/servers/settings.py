"""Settings of the service on the tests' servers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers.gateway import GatewayServer
from tests.servers.service import merge
from tests.servers.slapd import BASE, MANAGERS_DN, PROTECTED_DN, SERVICE_DN, SERVICE_PASSWORD, LabSlapd, password_of
from tests.servers.smtp import SmtpServer

MANAGER = {"login": "EXAMPLE\\manager", "password": password_of("manager")}


def lab_settings(
    folder: Path,
    slapd: LabSlapd,
    *,
    relay: SmtpServer | None = None,
    gateway: GatewayServer | None = None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One domain EXAMPLE on the lab's directory, with the relay and gateway given."""
    secret = folder / "bind-password"
    secret.touch(mode=0o600)
    secret.write_text(SERVICE_PASSWORD)
    settings: dict[str, Any] = {
        "default_domain": "EXAMPLE",
        "limits": {"links_per_user_per_hour": 0, "messages_per_destination_per_hour": 0},
        "domains": {
            "EXAMPLE": {
                "uris": [slapd.ldaps_uri],
                "ca_file": str(slapd.ca_file),
                "bind_dn": SERVICE_DN,
                "bind_password_file": str(secret),
                "base_dn": BASE,
                "login_attributes": ["uid", "cn", "mail"],
                "managers": [MANAGERS_DN],
                "protected": [PROTECTED_DN],
            }
        },
    }
    if relay is not None:
        settings["mail"] = {"url": relay.url, "sender": "Help Desk <helpdesk@example.org>"}
    if gateway is not None:
        settings["sms"] = {"url": gateway.url, "sender": "Example"}
    return merge(settings, more or {})
