"""Making, showing and explaining the settings file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pwreset.commands.running import DEFAULT_CONFIG, ConfigPath, configuration_of, print_json

config_app = App(name="config", help="Make, show and explain the settings file.")


@config_app.command
def init(
    path: Annotated[Path, Parameter(help="Where to write it.")] = DEFAULT_CONFIG,
) -> None:
    """Write a settings file to start from, with mode 0600. An existing file is left alone."""
    from pwreset.errors import SettingsError
    from pwreset.settings.reference import starter

    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(starter())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    print(f"{path} written; edit it, then run: pwreset check --config {path}")  # noqa: T201


@config_app.command
def show(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Print the settings in force, defaults included, as JSON. What may hold a secret is shown as ***."""
    from pwreset.settings.reference import shown

    print_json(shown(configuration_of(config).settings))


@config_app.command
def reference() -> None:
    """Print every setting with its default and meaning, as a commented settings file."""
    from pwreset.settings.reference import toml_reference

    print(toml_reference())  # noqa: T201
