"""A value that must not be seen: a password, a token, a key.

`Secret` is deliberately not a `str`: a subclass of `str` leaks through `+`, `join` and `json.dumps`.
Whoever needs the value says `reveal()`, which is easy to search for.
"""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """Holds one secret text; shows itself as `***` wherever it is printed, logged or formatted."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, to be handed to the library that needs it and to nobody else."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._value.encode(errors="surrogatepass"), other._value.encode(errors="surrogatepass")
        )

    def __hash__(self) -> int:
        raise TypeError("a Secret is not hashable: its hash would be a trace of it")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not serialised")
