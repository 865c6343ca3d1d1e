"""Writes passwords into one domain's directory: as our service account, or as the person who knows the present one.

As the person the directory's whole policy holds, as it does for whoever changes his password elsewhere. Where it knows the
present password for right and lets nobody in with it, because it has expired, our service account writes the new one.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

import ldap

from pwreset import logs
from pwreset.directory.connection import Trouble, close
from pwreset.directory.dialects import Dialect, LogIn, Write
from pwreset.directory.outcomes import LOSSES, Busy, Denied, Gone, Lost, NotRight, Raced, Refused, Unwilling
from pwreset.directory.pool import Pool, Session
from pwreset.errors import (
    ChangeRefused,
    DirectoryMisconfigured,
    DirectoryUnavailable,
    OutcomeUnclear,
    PasswordRefused,
    PwresetError,
    UserDisabled,
    UserLocked,
    UserUnknown,
    WriteDenied,
)
from pwreset.reset.model import AccountState, User
from pwreset.reset.policy import Rule, RuleCode
from pwreset.secret import Secret
from pwreset.settings.domains import Domain

TLS_FOR_LOG_INS = "it wants TLS for log-ins"
# What a person's log-in waits for on top of the write: the connection, the log-in, and what a refused write broke.
ANSWERS_AS_PERSON = 5

log = logs.get("directory")


class Writer:
    """`look` reads a person by id as he is now, `rules` tells the directory's rules for him. Both may raise Unavailable."""

    def __init__(
        self,
        name: str,
        settings: Domain,
        pool: Pool,
        look: Callable[[str], Awaitable[User]],
        rules: Callable[[User], Awaitable[tuple[Rule, ...]]],
    ) -> None:
        self._name = name
        self._settings = settings
        self._pool = pool
        self._look = look
        self._rules = rules
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def write(self, dialect: Dialect, user: User, password: Secret, *, old: Secret | None = None) -> None:
        """Write the password; as the person with `old`. See `Directory.set_password`, `Directory.change_own_password`."""
        # Two changes of one entry at once are a race that slapd loses in every fifth case.
        lock = self._locks.setdefault(user.id, asyncio.Lock())
        async with lock:
            try:
                await self._write(dialect, user, password, old)
            except Raced:
                await self._write_again(dialect, user, password, old)

    async def _write_again(self, dialect: Dialect, user: User, password: Secret, old: Secret | None) -> None:
        """Somebody else changed the entry at the same moment, and nothing of ours was written: once more."""
        try:
            await self._write(dialect, user, password, old)
        except Raced:
            raise DirectoryUnavailable(self._name) from None

    async def _write(self, dialect: Dialect, user: User, password: Secret, old: Secret | None) -> None:
        """One attempt. Raises Raced, and what `write` raises."""
        write = await self._prepared(user, password, old)
        answers = dialect.answers + (0 if old is None else ANSWERS_AS_PERSON)
        try:
            await self._pool.write(lambda session: self._write_on(dialect, session, write), answers=answers)
        except NotRight:
            raise ChangeRefused from None
        except Refused as error:
            raise PasswordRefused(await self._rules_broken(user, error.rules)) from None
        except UnicodeEncodeError:
            raise PasswordRefused((Rule(RuleCode.CHARACTERS),)) from None
        except (Lost, TimeoutError) as error:
            self._judge_lost(write, error)
        except (Denied, Gone, Unwilling, Busy) as error:
            raise self._failure(user, error) from None

    async def _prepared(self, user: User, password: Secret, old: Secret | None) -> Write:
        """The write, after a last look at the entry: a delegated change would lift any lock."""
        now = await self._look(user.id)
        if now.state is AccountState.DISABLED:
            raise UserDisabled
        locked = now.state is AccountState.LOCKED
        # Whoever is locked cannot log in, and so changes nothing as himself.
        if locked and (old is not None or not self._settings.unlock):
            raise UserLocked
        return Write(
            dn=now.dn,
            password=password,
            was_locked=locked,
            must_change=now.must_change,
            # A password that the person has changed himself need not be changed again.
            keep_must_change=old is None and self._settings.must_change == "keep",
            seconds=self._pool.seconds,
            old=old,
        )

    def _write_on(self, dialect: Dialect, session: Session, write: Write) -> None:
        if not session.server.encrypted and not session.server.loopback:
            raise Unwilling("passwords are written over TLS only; use ldaps:// or StartTLS")
        write.root = session.root
        write.another = functools.partial(self._pool.another, session.server)
        if write.old is None:
            dialect.write(session.connection, write)
        else:
            _change(dialect, session, write, write.old)

    def _judge_lost(self, write: Write, error: Exception) -> None:
        """Return if the password was set before the connection was lost, else raise what is known."""
        if write.done:
            return
        if write.begun:
            raise OutcomeUnclear from error
        raise DirectoryUnavailable(self._name) from error

    def _failure(self, user: User, error: Exception) -> PwresetError:
        if isinstance(error, Denied):
            log.error("the service account may not write a password", domain=self._name, dn=user.dn)
            return WriteDenied()
        if isinstance(error, Gone):
            return UserUnknown(user.login, self._name)
        if isinstance(error, Unwilling):
            return DirectoryMisconfigured(self._name, str(error))
        return DirectoryUnavailable(self._name)

    async def _rules_broken(self, user: User, codes: tuple[RuleCode, ...]) -> tuple[Rule, ...]:
        """The rules with their numbers, if the policy can be read."""
        try:
            known = {rule.code: rule for rule in await self._rules(user)}
        except PwresetError:
            known = {}
        return tuple(known.get(code, Rule(code)) for code in codes)


def _change(dialect: Dialect, session: Session, write: Write, old: Secret) -> None:
    """Log in as the person and change the password; by our service account where the right one lets nobody in."""
    try:
        person = write.another()
    except Trouble as trouble:
        raise Busy from trouble
    try:
        if _log_in(dialect, person, write, old) is LogIn.SHUT_OUT:
            dialect.write(session.connection, write)
        else:
            _change_as_person(dialect, session, person, write)
    finally:
        close(person)


def _log_in(dialect: Dialect, person: object, write: Write, old: Secret) -> LogIn:
    """Raises NotRight; and Lost, Unwilling, Busy when nothing was found out."""
    try:
        found = dialect.log_in(person, write.dn, old, write.seconds)
    except LOSSES as error:
        raise Lost from error
    except (ldap.CONFIDENTIALITY_REQUIRED, ldap.STRONG_AUTH_REQUIRED) as error:
        raise Unwilling(TLS_FOR_LOG_INS) from error
    except ldap.LDAPError as error:
        raise Busy from error
    if found is LogIn.WRONG:
        raise NotRight
    return found


def _change_as_person(dialect: Dialect, session: Session, person: object, write: Write) -> None:
    """Whom the directory does not let change the own password is told so: that is the policy's, not our account's."""
    try:
        dialect.change(person, session.connection, write)
    except Denied:
        raise Refused(RuleCode.NOT_ALLOWED) from None
