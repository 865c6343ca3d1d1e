"""The settings: declared in `sections`, `domains` and `messages`, loaded by `load`, documented by `reference`."""

from pwreset.settings.domains import BrandSettings, Domain
from pwreset.settings.load import Configuration, load
from pwreset.settings.messages import DeliverySettings, Mail, Sms
from pwreset.settings.second_factor import Mfa, Radius
from pwreset.settings.sections import (
    Limits,
    Links,
    Log,
    ManagerApi,
    MetricsSettings,
    Password,
    Public,
    Server,
    Settings,
    StoreSettings,
)

__all__ = [
    "BrandSettings",
    "Configuration",
    "DeliverySettings",
    "Domain",
    "Limits",
    "Links",
    "Log",
    "Mail",
    "ManagerApi",
    "MetricsSettings",
    "Mfa",
    "Password",
    "Public",
    "Radius",
    "Server",
    "Settings",
    "Sms",
    "StoreSettings",
    "load",
]
