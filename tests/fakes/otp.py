"""A server of one-time passwords in memory; tests/contract/test_one_time_passwords.py runs on it and on the real ones."""

from __future__ import annotations

import secrets

from pwreset.errors import FactorUnavailable
from pwreset.reset.model import ServerHealth
from pwreset.reset.ports import OtpAnswer, Verdict
from pwreset.secret import Secret


class FakeOneTimePasswords:
    """`OneTimePasswords`. `down` makes it unreachable; `questions` ask once more, after the right password."""

    def __init__(self, passwords: dict[str, str] | None = None, questions: dict[str, str] | None = None) -> None:
        self.passwords = passwords or {}
        self.questions = questions or {}
        self.down = False
        self.asked: list[str] = []
        self._open: dict[bytes, str] = {}

    async def try_password(self, name: str, password: Secret, state: bytes = b"") -> OtpAnswer:
        if self.down:
            raise FactorUnavailable("EXAMPLE")
        self.asked.append(name)
        typed = password.reveal()
        if state:
            right = self._open.pop(state, None) == name and typed == self.questions.get(name)
            return OtpAnswer(Verdict.RIGHT if right else Verdict.WRONG)
        if not typed or self.passwords.get(name) != typed:
            return OtpAnswer(Verdict.WRONG)
        if name not in self.questions:
            return OtpAnswer(Verdict.RIGHT)
        state = secrets.token_bytes(8)
        self._open[state] = name
        return OtpAnswer(Verdict.MORE, "Enter the number on your token", state)

    async def health(self) -> tuple[ServerHealth, ...]:
        return (ServerHealth("fake", ok=not self.down),)
