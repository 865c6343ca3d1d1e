"""Moving a store."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from pwreset.commands.running import DEFAULT_CONFIG, ConfigPath, Json, configuration_of, print_json

store_app = App(name="store", help="Move the store.")


@store_app.command(name="copy")
def copy_to(
    *,
    to: Annotated[str, Parameter(help="postgresql://USER@HOST/DATABASE; the password as for `store.url`.")],
    as_json: Json = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Copy a SQLite store to an empty PostgreSQL, and compare every row there with what was sent.

    Stop pwreset first; then set `store.url` to the new address and start it. The key file stays the same.
    """
    from rich.console import Console
    from rich.progress import Progress

    from pwreset.store.copying import copy_store, row_count
    from pwreset.wiring import server_at, store_file

    configuration = configuration_of(config)
    path = store_file(configuration)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Copying", total=2 * row_count(path))
        counts = copy_store(path, server_at(to, configuration), lambda rows: bar.advance(task, rows))
    if as_json:
        print_json(counts)
    else:
        print(", ".join(f"{count:,} {table}" for table, count in counts.items()) + ": copied and compared")  # noqa: T201
