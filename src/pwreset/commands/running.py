"""What every command needs: the settings file, the services, who asks, and JSON for programs."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from cyclopts import Parameter

from pwreset import logs
from pwreset.settings import Configuration, load

if TYPE_CHECKING:
    from pwreset.reset.model import Asker

T = TypeVar("T")

ConfigPath = Annotated[
    Path,
    Parameter(name=["--config", "-c"], env_var="PWRESET_CONFIG", help="The settings file."),
]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON, for programs.")]
DEFAULT_CONFIG = Path("/etc/pwreset/pwreset.toml")


def configuration_of(path: Path) -> Configuration:
    """The settings, with the log set up as they say."""
    configuration = load(path)
    logs.set_up(configuration.settings.log.level, configuration.settings.log.format)
    return configuration


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; Ctrl-C ends it with 130."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        sys.exit(130)


def with_services(config: Path, work: Any) -> None:
    """Run one piece of work beside the server, logging warnings only."""
    from pwreset.wiring import services_of

    configuration = load(config)
    logs.set_up("warning", "text")

    async def whole() -> None:
        async with services_of(configuration, exclusive=False) as services:
            await work(services)

    run_async(whole())


def operator() -> Asker:
    """Whoever typed the command."""
    from pwreset.reset.model import Asker, Origin
    from pwreset.reset.tokens import new_id

    return Asker(Origin.OPERATOR, getpass.getuser(), "local", new_id())


def print_json(value: object) -> None:
    """On standard output, indented."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())  # noqa: T201
