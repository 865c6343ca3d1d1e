"""Making the list of passwords that became known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pwreset.errors import SettingsError

breached_app = App(name="breached", help="Make the list of passwords that became known in data breaches.")


@breached_app.command(name="build")
def build_list(
    source: Annotated[
        list[Path], Parameter(help="Lists with a SHA-1 hash a line, perhaps with `:` and how often it was seen.")
    ],
    /,
    *,
    output: Annotated[Path, Parameter(help="The file to write, for the setting `password.breached_file`.")],
    plain: Annotated[bool, Parameter(help="The lists hold passwords instead of hashes.")] = False,
    least_seen: Annotated[int, Parameter(help="Leave out what was seen less often.")] = 1,
) -> None:
    """Make the file in which new passwords are looked up, offline, from public lists.

    Takes 8 bytes a password; sorted lists need no more memory than a few megabytes. A running service reads the new file
    at its next start.
    """
    from rich.progress import Progress, TransferSpeedColumn

    from pwreset.reset.breached_build import NotAHashList, build

    try:
        with Progress(
            *Progress.get_default_columns(), TransferSpeedColumn(), disable=not sys.stderr.isatty()
        ) as progress:
            task = progress.add_task("reading", total=sum(file.stat().st_size for file in source))
            count = build(
                source, output, plain=plain, least_seen=least_seen, tell=lambda more: progress.advance(task, more)
            )
    except NotAHashList as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(f"{error.filename}: {error.strerror}") from error
    print(f"{output}: {count:,} passwords")  # noqa: T201
