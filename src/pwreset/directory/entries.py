"""What is asked of a directory, and what a person's entry says: raw attributes in, `User` out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from ldap.filter import escape_filter_chars

from pwreset.directory.shared import RawEntry
from pwreset.reset.model import AccountState, User
from pwreset.settings.domains import Domain

LOGIN_ATTRIBUTES = ("uid", "sAMAccountName", "userPrincipalName")
NAME_ATTRIBUTES = ("uid", "cn", "sn", "givenName", "displayName")


class Account(Protocol):
    """What a kind of directory says of an account, beside its names and addresses."""

    attributes: tuple[str, ...]
    logins: tuple[str, ...]  # the attributes that people log in with, where the settings name none

    def identity(self, entry: Entry) -> str:
        """What stays the same for a person through renames."""
        ...

    def identity_filter(self, identity: str) -> str:
        """A filter that finds the entry again."""
        ...

    def state(self, entry: Entry) -> AccountState:
        """Whether the account is usable."""
        ...

    def must_change(self, entry: Entry) -> bool:
        """Whether the password must be changed at the next log-in."""
        ...

    def is_protected(self, entry: Entry) -> bool:
        """Whether the directory itself guards this entry as an administrator's."""
        ...

    def password_mark(self, entry: Entry) -> str:
        """Changes whenever the password does; empty where the directory keeps no such thing."""
        ...

    def entry_mark(self, entry: Entry) -> str:
        """Changes whenever the entry does."""
        ...


class Entry:
    """An entry with its attributes by name, without regard to letter case."""

    __slots__ = ("_values", "dn")

    def __init__(self, raw: RawEntry) -> None:
        self.dn = raw[0]
        self._values = {name.lower(): values for name, values in raw[1].items()}

    def texts(self, attribute: str) -> list[str]:
        """The values that are text, in the directory's order; binary ones are dropped."""
        values = self._values.get(attribute.lower())
        if values is None:
            return []
        try:
            return [value.decode() for value in values]
        except UnicodeDecodeError:
            return [text for value in values if (text := _decoded(value)) is not None]

    def raw(self, attribute: str) -> list[bytes]:
        """The values as they came."""
        return self._values.get(attribute.lower(), [])

    def text(self, *attributes: str) -> str:
        """The first value of the first of these attributes that has one, else nothing."""
        for attribute in attributes:
            if texts := self.texts(attribute):
                return texts[0]
        return ""


class Reader:
    """Filters for a domain's users and the way from an entry to a User."""

    def __init__(self, name: str, domain: Domain, account: Account) -> None:
        self._name = name
        self._domain = domain
        self._account = account
        self.logins = domain.login_attributes or account.logins
        self.attributes = _unique(
            *self.logins,
            *domain.mail_attributes,
            *domain.mobile_attributes,
            *domain.name_attributes,
            domain.language_attribute,
            *NAME_ATTRIBUTES,
            "memberOf",
            *([known_as] if (known_as := domain.mfa.radius.username_attribute) else []),
            *account.attributes,
        )

    def by_login(self, username: str, *, or_mail: bool = False) -> str:
        """The filter for a typed name: any login attribute, as the directory compares it. The name is data (RFC 4515).

        With `or_mail` any mail attribute as well.
        """
        value = escape_filter_chars(username)
        attributes = _unique(*self.logins, *self._domain.mail_attributes) if or_mail else self.logins
        parts = "".join(f"({attribute}={value})" for attribute in attributes)
        return parts if len(attributes) == 1 else f"(|{parts})"

    def by_id(self, identity: str) -> str:
        """The filter for the entry of this identity among the users."""
        return self.among_users(self._account.identity_filter(identity))

    def found_by(self, wanted: str) -> str:
        """The filter for the users that another filter finds and that have a log-in name."""
        named = "".join(f"({attribute}=*)" for attribute in self.logins)
        return self.among_users(f"(&{_in_brackets(wanted)}(|{named}))")

    def user(self, entry: Entry, *, protected: bool, second_factor: bool = False, whole: bool = True) -> User:
        """The person. Without `whole` no context words are gathered: sending a link needs none, and they take time."""
        domain = self._domain
        mails = tuple(value for attribute in domain.mail_attributes for value in entry.texts(attribute))
        login = entry.text(*self.logins)
        known_as = domain.mfa.radius.username_attribute
        return User(
            id=self._account.identity(entry),
            dn=entry.dn,
            domain=self._name,
            login=login,
            name=entry.text(*domain.name_attributes) or login,
            mails=mails,
            mobiles=tuple(value for attribute in domain.mobile_attributes for value in entry.texts(attribute)),
            language=entry.text(domain.language_attribute) or None,
            state=self._account.state(entry),
            protected=protected,
            password_mark=self._account.password_mark(entry),
            entry_mark=self._account.entry_mark(entry),
            must_change=self._account.must_change(entry),
            given_name=entry.text("givenName"),
            context_words=_context_words(entry, mails) if whole else (),
            second_factor=second_factor,
            factor_name=login if known_as is None else entry.text(known_as),
        )

    def among_users(self, filter_text: str) -> str:
        """The same, for users only."""
        if self._domain.user_filter is None:
            return filter_text
        return f"(&{filter_text}{_in_brackets(self._domain.user_filter)})"


def _context_words(entry: Entry, mails: tuple[str, ...]) -> tuple[str, ...]:
    """What the person's password should not be made of."""
    words = [value for attribute in NAME_ATTRIBUTES for value in entry.texts(attribute)]
    return _unique(*words, *(mail.partition("@")[0] for mail in mails))


def read_time(value: str) -> datetime | None:
    """A generalized time (RFC 4517, 3.3.13) in UTC, as directories write their operational attributes."""
    if not value:
        return None
    try:
        return datetime.strptime(value[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _in_brackets(filter_text: str) -> str:
    return filter_text if filter_text.startswith("(") else f"({filter_text})"


def _unique(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
