"""Which SMS transport the settings ask for: a described gateway, Kannel, or a service of apprise."""

from __future__ import annotations

from urllib.parse import urlsplit

from pwreset.delivery import kannel
from pwreset.delivery.sms import HttpSmsTransport
from pwreset.reset.ports import Transport
from pwreset.secret import Secret
from pwreset.settings import Sms


def sms_transport(settings: Sms, password: Secret | None) -> Transport:
    """The transport for `sms.url`. Raises SettingsError when it cannot work."""
    if kannel.is_kannel(settings):
        return HttpSmsTransport(kannel.described(settings), password)
    if urlsplit(settings.url or "").scheme not in ("http", "https"):
        from pwreset.delivery.apprise_sms import AppriseSmsTransport

        return AppriseSmsTransport(settings, password)
    return HttpSmsTransport(settings, password)
