"""Reads the params of one call, in declared order, each with its type.

    params = Params(raw, ("username", "expires"))
    username = params.text("username")
    expires = params.optional_whole("expires")
    params.refuse_others()

Positional params are matched to the declared names. The first bad one in declared order is told, before anything is
looked up.
"""

from __future__ import annotations

from pwreset.web.rpc import INVALID_PARAMS, LONGEST_ECHO, Failure


class Params:
    """The raw params of a call under their declared names."""

    __slots__ = ("_declared", "_values")

    def __init__(self, raw: object, declared: tuple[str, ...]) -> None:
        self._declared = declared
        if isinstance(raw, list):
            names = (*declared, *(f"number {position + 1}" for position in range(len(declared), len(raw))))
            self._values: dict[str, object] = dict(zip(names, raw, strict=False))
        elif isinstance(raw, dict):
            self._values = raw
        else:
            self._values = {}

    def text(self, name: str) -> str:
        """A String that must be there. Raises Failure."""
        value = self.optional_text(name)
        if value is None:
            raise refused(name, "missing")
        return value

    def optional_text(self, name: str) -> str | None:
        """A String, or None when it was not sent. Raises Failure."""
        if name not in self._values:
            return None
        value = self._values[name]
        if not isinstance(value, str):
            raise refused(name, "not String")
        return value

    def optional_whole(self, name: str) -> int | None:
        """An Integer, which is never negative, or None when it was not sent. Raises Failure."""
        if name not in self._values:
            return None
        value = self._values[name]
        if type(value) is not int or value < 0:
            raise refused(name, "not Integer")
        return value

    def optional_flag(self, name: str) -> bool | None:
        """A Boolean, or None when it was not sent. Raises Failure."""
        if name not in self._values:
            return None
        value = self._values[name]
        if not isinstance(value, bool):
            raise refused(name, "not Boolean")
        return value

    def refuse_others(self) -> None:
        """Raise Failure when there is a parameter that the method does not know."""
        for name in self._values:
            if name not in self._declared:
                raise refused(name[:LONGEST_ECHO], "unknown")


def refused(name: str, why: str) -> Failure:
    """A bad parameter: `Parameter username missing`."""
    return Failure(INVALID_PARAMS, f"Parameter {name} {why}")
