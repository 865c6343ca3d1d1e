"""Reads a settings file and the secrets it names, and refuses what cannot work, in words."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pwreset.errors import SettingsError
from pwreset.secret import Secret
from pwreset.settings.plausibility import problems
from pwreset.settings.sections import Settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, where they came from, and the secrets, which are not among them."""

    settings: Settings
    path: Path
    store_password: Secret | None = None
    mail_password: Secret | None = None
    sms_password: Secret | None = None
    bind_passwords: Mapping[str, Secret] = field(default_factory=dict)
    radius_secrets: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def key_file(self) -> Path:
        """Where the key is kept."""
        return Path(self.settings.store.key_file or f"{self.path}.key")

    def base_url(self, domain: str) -> str:
        """The public URL of a domain, without a slash at its end."""
        return (self.settings.domains[domain].public_url or self.settings.public_url).rstrip("/")


def load(path: Path, environment: Mapping[str, str] | None = None) -> Configuration:
    """The configuration in this file.

    Raises SettingsError, with the file, the place and what is wrong, everything that is wrong a line each; never with
    a value that could be a secret.
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
    if found := [f"{path}: {where}: {words}" for where, words in problems(settings)]:
        raise SettingsError("\n".join(found))
    return Configuration(
        settings=settings,
        path=path,
        store_password=_secret(settings.store.password_file, "PWRESET_STORE_PASSWORD", path, environment),
        mail_password=_secret(settings.mail.password_file, "PWRESET_MAIL_PASSWORD", path, environment),
        sms_password=_secret(settings.sms.password_file, "PWRESET_SMS_PASSWORD", path, environment),
        bind_passwords={
            name: secret
            for name, domain in settings.domains.items()
            if (secret := _secret(domain.bind_password_file, bind_variable(name), path, environment)) is not None
        },
        radius_secrets={
            name: secret
            for name, domain in settings.domains.items()
            if (secret := _secret(domain.mfa.radius.secret_file, radius_variable(name), path, environment)) is not None
        },
    )


def bind_variable(domain: str) -> str:
    """The environment variable with the service account's password of a domain."""
    return f"{_variables_of(domain)}_BIND_PASSWORD"


def radius_variable(domain: str) -> str:
    """The environment variable with the secret that a domain's RADIUS servers share with us."""
    return f"{_variables_of(domain)}_RADIUS_SECRET"


def _variables_of(domain: str) -> str:
    return f"PWRESET_DOMAINS_{re.sub(r'[^A-Z0-9]', '_', domain.upper())}"


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
