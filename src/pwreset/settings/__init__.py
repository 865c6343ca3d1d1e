"""The settings: declared in `sections`, loaded by `load`, documented by `reference`."""

from pwreset.settings.load import Configuration, load
from pwreset.settings.sections import (
    BrandSettings,
    DeliverySettings,
    Domain,
    Limits,
    Links,
    Log,
    Mail,
    ManagerApi,
    Password,
    Server,
    Settings,
    Sms,
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
    "Password",
    "Server",
    "Settings",
    "Sms",
    "StoreSettings",
    "load",
]
