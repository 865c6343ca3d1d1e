"""The key file: read, made, changed in one step, and looked at again while a process runs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pwreset import logs
from pwreset.errors import SettingsError
from pwreset.reset.tokens import Keys, read_keys, write_keys
from pwreset.settings.load import refuse_readable_by_others

LOOK_SECONDS = 2.0

log = logs.get("keys")


def read(path: Path) -> Keys:
    """The keys. Raises SettingsError when the file is unreadable, readable by others, or none."""
    refuse_readable_by_others(path)
    try:
        return read_keys(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the key file cannot be read") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not a key file: {error}") from error


def make(path: Path, keys: Keys) -> None:
    """Write it for the first time. Raises SettingsError, also when there is one."""
    try:
        _write(path, keys)
    except OSError as error:
        raise SettingsError(f"{path}: the key file cannot be made: {error.strerror}") from error
    log.info("key file made", path=str(path))


def replace(path: Path, keys: Keys) -> None:
    """Put these keys in its place, with its owner: who reads it gets the old ones or the new ones, whole.

    Raises SettingsError; then the file is as it was.
    """
    path = path.resolve()  # a link stays a link
    new = path.with_name(f"{path.name}.new")
    try:
        owner = path.stat()
        new.unlink(missing_ok=True)
        _write(new, keys)
        if os.geteuid() == 0:
            os.chown(new, owner.st_uid, owner.st_gid)
        new.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise SettingsError(f"{path}: the key file cannot be changed: {error.strerror}") from error


def _write(path: Path, keys: Keys) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(write_keys(keys))
        file.flush()
        os.fsync(file.fileno())


async def watch(path: Path, keys: Keys, seconds: float = LOOK_SECONDS) -> None:
    """Give `keys` what the file says whenever it changes, until cancelled. A wrong file changes nothing and is told."""
    seen = _mark(path)
    while True:
        await asyncio.sleep(seconds)
        now = _mark(path)
        if now in (seen, None):
            continue
        seen = now
        try:
            keys.renew(await asyncio.to_thread(read, path))
        except SettingsError as error:
            log.error("the key file was changed and cannot be used: the former keys stay", why=str(error))  # noqa: TRY400
        else:
            log.info("keys read anew", newest=keys.newest.id, count=len(keys.keys))


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes with the file; None while there is none."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size
