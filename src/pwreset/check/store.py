"""A store that cannot be used at all: what its engine says, and what to look at."""

from __future__ import annotations

from pwreset.errors import StoreUnavailable
from pwreset.reset.findings import Finding, Part, State
from pwreset.settings import Configuration
from pwreset.wiring import name_of_store

LONGEST_WORDS = 300
BEHIND_IT = "Nothing behind it was tried."
POSTGRES = (
    "See that PostgreSQL runs and can be reached from here, and that `store.url`, `store.password_file` and `store.ca_file`"
    " are right: `psql` with the same address says the same. People's pages and calls answer that they are unable meanwhile;"
    " nothing acknowledged is lost."
)
SQLITE = (
    "Look at the disk's free space, and that the folder and the file belong to the account pwreset runs as. Where the file"
    " is damaged, restore it from its backup together with the key file."
)


def of_store_that_is_away(configuration: Configuration, error: StoreUnavailable) -> Finding:
    """What is wrong in the engine's own words, which name no password, and what to do."""
    advice = SQLITE if configuration.settings.store.url.startswith("sqlite:") else POSTGRES
    words = _words(error)
    detail = f"cannot be used: {words}" if words else "cannot be used"
    return Finding(Part.STORE, State.FAILED, detail, f"{advice} {BEHIND_IT}", name_of_store(configuration))


def _words(error: BaseException) -> str:
    """What the library at the bottom of it said, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, StoreUnavailable):
        return ""
    text = " ".join(str(error).split())
    return "".join(character for character in text if character.isprintable())[:LONGEST_WORDS]
