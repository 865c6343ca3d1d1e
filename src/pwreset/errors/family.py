"""Kinds of failures, how each looks from outside, and the class that all of them come from."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import ClassVar


class Family(Enum):
    """What kind of failure it is; decides how it looks from outside (the table `LOOKS`)."""

    ASK = "ask"  # the request for a link fails: `false` to the caller
    PARAMETER = "parameter"  # a parameter is missing, unknown or wrongly typed
    ACCESS = "access"  # who asks is not known or not allowed
    THROTTLED = "throttled"  # too many failures from there
    UNAVAILABLE = "unavailable"  # cannot be done now; may work later
    LINK = "link"  # the link opens nothing
    PASSWORD = "password"  # noqa: S105 - the new password was refused; the link is still good
    DELIVERY = "delivery"  # a transport's answer; never reaches a caller as it is
    OPERATOR = "operator"  # settings, files, versions: told on the shell
    NOT_FOUND = "not-found"  # an id that names nothing


class Look:
    """How a family looks: JSON-RPC code, HTTP status of a page, exit code of a command."""

    __slots__ = ("exit_code", "http_status", "rpc_code")

    def __init__(self, rpc_code: int, http_status: int, exit_code: int) -> None:
        self.rpc_code = rpc_code
        self.http_status = http_status
        self.exit_code = exit_code


# The exit codes follow sysexits.h where it has a fitting one.
LOOKS: dict[Family, Look] = {
    Family.ASK: Look(-32603, 409, 65),
    Family.PARAMETER: Look(-32602, 400, 64),
    Family.ACCESS: Look(-32600, 403, 77),
    Family.THROTTLED: Look(-32000, 429, 75),
    Family.UNAVAILABLE: Look(-32000, 503, 75),
    Family.LINK: Look(-32603, 404, 65),
    Family.PASSWORD: Look(-32603, 422, 65),
    Family.DELIVERY: Look(-32603, 502, 69),
    Family.OPERATOR: Look(-32603, 500, 78),
    Family.NOT_FOUND: Look(-32602, 404, 66),
}


class PwresetError(Exception):
    """An expected failure. `str(error)` is a sentence for people and holds no secret and no peer's words."""

    family: ClassVar[Family]
    reason: ClassVar[str]
    meaning: ClassVar[str]  # one sentence for the generated reference

    @property
    def look(self) -> Look:
        """How this failure looks from outside."""
        return LOOKS[self.family]


def every_error() -> Iterator[type[PwresetError]]:
    """All concrete failures, in the order of the modules; for the reference and its test."""
    pending = [PwresetError]
    while pending:
        cls = pending.pop(0)
        pending.extend(cls.__subclasses__())
        if "reason" in vars(cls):
            yield cls
