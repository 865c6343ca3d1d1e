"""Reads a settings file and the secrets it names, and refuses what cannot work, in words."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from pwreset.errors import SettingsError
from pwreset.secret import Secret
from pwreset.settings.sections import Settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, where they came from, and the secrets, which are not among them."""

    settings: Settings
    path: Path
    mail_password: Secret | None = None
    sms_password: Secret | None = None
    bind_passwords: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def key_file(self) -> Path:
        """Where the key is kept."""
        return Path(self.settings.store.key_file or f"{self.path}.key")

    def base_url(self, domain: str) -> str:
        """The public URL of a domain, without a slash at its end."""
        return (self.settings.domains[domain].public_url or self.settings.public_url).rstrip("/")


def load(path: Path, environment: Mapping[str, str] | None = None) -> Configuration:
    """The configuration in this file.

    Raises SettingsError, with the file, the place and what to do; never with a value that could be a secret.
    """
    environment = os.environ if environment is None else environment
    refuse_readable_by_others(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from error
    _check(settings, path)
    return Configuration(
        settings=settings,
        path=path,
        mail_password=_secret(settings.mail.password_file, "PWRESET_MAIL_PASSWORD", path, environment),
        sms_password=_secret(settings.sms.password_file, "PWRESET_SMS_PASSWORD", path, environment),
        bind_passwords={
            name: secret
            for name, domain in settings.domains.items()
            if (secret := _secret(domain.bind_password_file, bind_variable(name), path, environment)) is not None
        },
    )


def bind_variable(domain: str) -> str:
    """The environment variable with the service account's password of a domain."""
    return f"PWRESET_DOMAINS_{re.sub(r'[^A-Z0-9]', '_', domain.upper())}_BIND_PASSWORD"


def refuse_readable_by_others(path: Path) -> None:
    """Raise SettingsError when a file that holds or leads to secrets can be read or written by everybody."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise SettingsError(
            f"{path}: others may read or change it (mode {stat.S_IMODE(mode):04o}); run: chmod 0600 {path}"
        )


def _secret(file: str | None, variable: str, path: Path, environment: Mapping[str, str]) -> Secret | None:
    if variable in environment:
        return Secret(environment[variable])
    if file is None:
        return None
    secret_path = path.parent / file
    refuse_readable_by_others(secret_path)
    try:
        return Secret(secret_path.read_text(encoding="utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{secret_path}: cannot be read") from error


def _check(settings: Settings, path: Path) -> None:
    """What types alone cannot say. Raises SettingsError for the first thing that cannot work."""

    def refuse(where: str, words: str) -> SettingsError:
        return SettingsError(f"{path}: {where}: {words}")

    lowered = [name.casefold() for name in settings.domains]
    if len(set(lowered)) != len(lowered):
        raise refuse("domains", "two names differ in letter case only")
    if settings.default_domain is not None and settings.default_domain.casefold() not in lowered:
        raise refuse("default_domain", "names no domain of this file")
    for where, url in [("public_url", settings.public_url)] + [
        (f"domains.{name}.public_url", domain.public_url)
        for name, domain in settings.domains.items()
        if domain.public_url
    ]:
        _check_public_url(url, f"{path}: {where}")
    for where, networks in (
        ("manager_api.allowed_networks", settings.manager_api.allowed_networks),
        ("server.trusted_proxies", settings.server.trusted_proxies),
    ):
        for network in networks:
            try:
                ip_network(network, strict=False)
            except ValueError as error:
                raise refuse(where, f"{network!r} is no network") from error
    for name, domain in settings.domains.items():
        try:
            ZoneInfo(domain.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise refuse(f"domains.{name}.time_zone", "is no IANA time zone") from error
        for uri in domain.uris:
            scheme = urlsplit(uri).scheme
            if scheme not in ("ldap", "ldaps"):
                raise refuse(f"domains.{name}.uris", f"{uri!r} is neither ldap:// nor ldaps://")
            if scheme == "ldap" and not domain.start_tls and not domain.allow_plain_ldap:
                raise refuse(f"domains.{name}.start_tls", "ldap:// without StartTLS needs allow_plain_ldap = true")
    if (settings.server.tls_certificate is None) != (settings.server.tls_key is None):
        raise refuse("server", "tls_certificate and tls_key go together")
    if settings.mail.url is not None and settings.mail.sender is None:
        raise refuse("mail.sender", "is missing")
    for where, pattern in (
        ("sms.success_pattern", settings.sms.success_pattern),
        ("sms.refused_pattern", settings.sms.refused_pattern),
    ):
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise refuse(where, f"is no regular expression: {error}") from error


def _check_public_url(url: str, where: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise SettingsError(f"{where}: must be an address like https://reset.example.org")
    if parts.path not in ("", "/"):
        raise SettingsError(f"{where}: must have no path")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise SettingsError(f"{where}: http:// is for loopback only")
