"""The settings told to people: the reference page, a commented file with every setting, and a file to start from.

Everything but the file to start from is read from the declarations in `pwreset.settings`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import getdoc
from typing import Any

import msgspec
from msgspec import NODEFAULT, inspect

from pwreset.settings.sections import Settings

# A domain's name is the operator's; this one stands for it.
EXAMPLE_DOMAIN = "EXAMPLE"
# What settings without a default could be, so that the commented file is a whole one.
EXAMPLES: Mapping[str, object] = {
    "public_url": "https://reset.example.org",
    f"domains.{EXAMPLE_DOMAIN}.uris": ("ldaps://ldap1.example.org", "ldaps://ldap2.example.org"),
    f"domains.{EXAMPLE_DOMAIN}.base_dn": "ou=people,dc=example,dc=org",
}
WIDTH = 118
INTRODUCTION = """\
# Settings

The settings file is TOML, read once at the start: `pwreset serve --config FILE`. Unknown names are refused, and so is a
file that others may read (mode 0600, or 0640 with a group that only pwreset is in).

Passwords are never written into it. Each comes from a file of its own (the settings that end in `password_file`, relative
to the settings file's folder, not readable by others either) or from the environment, which wins.

`pwreset config init` writes a file to start from, `pwreset config reference` prints this page as a commented settings
file, and `pwreset config show` what is in force."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as people are told of it. `default` is msgspec's NODEFAULT where there is none."""

    path: str
    kind: str
    default: object
    description: str
    secret: bool

    @property
    def name(self) -> str:
        """The name within its table."""
        return self.path.rpartition(".")[2]

    @property
    def required(self) -> bool:
        """Whether a settings file must name it."""
        return self.default is NODEFAULT


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the settings file; the one without a name is the file's head."""

    name: str
    meaning: str
    settings: tuple[Setting, ...]


def tables() -> tuple[Table, ...]:
    """Every table with its settings, in the order of the declarations, the domains last."""
    whole = inspect.type_info(Settings)
    if not isinstance(whole, inspect.StructType):
        raise TypeError("Settings is not a struct")
    found = list(_tables("", whole))
    return tuple(sorted(found, key=lambda table: table.name.startswith("domains")))


def every_setting() -> Iterator[Setting]:
    """All settings of all tables."""
    for table in tables():
        yield from table.settings


def markdown() -> str:
    """The reference page."""
    parts = [INTRODUCTION]
    for table in tables():
        parts += [_heading(table), textwrap.dedent(table.meaning).strip(), _rows(table)]
    return "\n\n".join(parts) + "\n"


def toml_reference() -> str:
    """Every setting with its meaning and default as a settings file; what has a default is commented out."""
    parts = ["# Every setting of pwreset. What has a default stands behind a #."]
    for table in tables():
        head = _comment(table.meaning.split("\n\n")[0])
        parts.append(f"{head}\n[{table.name}]" if table.name else head)
        parts += [_toml_setting(setting) for setting in table.settings]
    return "\n\n".join(parts) + "\n"


def starter() -> str:
    """A settings file to start from: what an operator meets first, to be edited."""
    return STARTER


def shown(settings: Settings) -> dict[str, Any]:
    """The settings as they may be printed: what may hold a secret is `***` where it is set."""
    told: dict[str, Any] = msgspec.to_builtins(settings)
    for setting in every_setting():
        if setting.secret and not setting.name.endswith("_file"):
            table = told[setting.path.split(".")[0]]
            table[setting.name] = "***" if table[setting.name] else table[setting.name]
    if not (told["sms"]["url"] or "http:").startswith(("http", "kannel")):
        told["sms"]["url"] = "***"  # one of apprise, in which keys may stand
    return told


def _tables(name: str, struct: inspect.StructType) -> Iterator[Table]:
    settings = []
    inner: list[Table] = []
    for field in struct.fields:
        path = f"{name}.{field.encode_name}" if name else field.encode_name
        kind, description, extra = _unwrapped(field.type)
        if isinstance(kind, inspect.StructType):
            inner += _tables(path, kind)
        elif isinstance(kind, inspect.DictType) and isinstance(kind.value_type, inspect.StructType):
            inner += _tables(f"{path}.{EXAMPLE_DOMAIN}", kind.value_type)
        else:
            default = field.default if field.default_factory is NODEFAULT else field.default_factory()
            settings.append(Setting(path, _kind(kind), default, description, bool(extra.get("secret"))))
    yield Table(name, getdoc(struct.cls) or "", tuple(settings))
    yield from inner


def _unwrapped(kind: inspect.Type) -> tuple[inspect.Type, str, Mapping[str, object]]:
    """A field's type without its description; the description; what else is said of it."""
    if isinstance(kind, inspect.Metadata):
        return kind.type, (kind.extra_json_schema or {}).get("description", ""), kind.extra or {}
    return kind, "", {}


def _kind(kind: inspect.Type) -> str:
    """A type in words."""
    kind, _, _ = _unwrapped(kind)
    for cls, words in KINDS:
        if isinstance(kind, cls):
            return words(kind)
    raise TypeError(f"no words for {kind}")


def _number(kind: inspect.IntType | inspect.FloatType, words: str) -> str:
    if kind.gt is not None:
        words = f"{words} above {kind.gt:g}"
    if kind.ge is not None and kind.le is not None:
        return f"{words}, {kind.ge:g} to {kind.le:g}"
    if kind.ge is not None:
        return f"{words}, {kind.ge:g} or more"
    return words if kind.le is None else f"{words}, {kind.le:g} at most"


def _either(kind: inspect.UnionType) -> str:
    return " or ".join(_kind(one) for one in kind.types if not isinstance(one, inspect.NoneType))


KINDS: tuple[tuple[type[inspect.Type], Callable[..., str]], ...] = (
    (inspect.BoolType, lambda _: "true or false"),
    (inspect.IntType, lambda kind: _number(kind, "whole number")),
    (inspect.FloatType, lambda kind: _number(kind, "number")),
    (inspect.StrType, lambda _: "text"),
    (inspect.LiteralType, lambda kind: "one of " + ", ".join(_value(value) for value in kind.values)),
    (inspect.VarTupleType, lambda kind: f"list of {_plural(_kind(kind.item_type))}"),
    (inspect.DictType, lambda kind: f"table of {_plural(_kind(kind.value_type))}"),
    (inspect.UnionType, _either),
)


def _plural(words: str) -> str:
    if words.startswith("one of "):
        return words.removeprefix("one of ")
    kind, comma, bounds = words.partition(",")
    return {"text": "texts", "whole number": "whole numbers"}[kind] + comma + bounds


def _value(value: object) -> str:
    """A value as TOML."""
    if value is None:
        return '""'
    if isinstance(value, tuple):
        return f"[{', '.join(_value(one) for one in value)}]"
    # JSON's texts, numbers and booleans are TOML's too; the only tables that are defaults are empty.
    return msgspec.json.encode(value).decode()


def _heading(table: Table) -> str:
    return f"## `[{table.name}]`" if table.name else "## The file's head"


def _rows(table: Table) -> str:
    head = "| setting | type | default | meaning |\n|---|---|---|---|"
    return "\n".join([head, *(_row(setting) for setting in table.settings)])


def _row(setting: Setting) -> str:
    cells = (
        f"`{setting.name}`",
        _cell(setting.kind),
        _default(setting),
        _cell(setting.description) + _secrecy(setting),
    )
    return f"| {' | '.join(cells)} |"


def _secrecy(setting: Setting) -> str:
    if not setting.secret:
        return ""
    return " **Names a secret.**" if setting.name.endswith("_file") else " **May hold a secret; never shown.**"


def _default(setting: Setting) -> str:
    if setting.required:
        return "**required**"
    return "not set" if setting.default is None else f"`{_cell(_value(setting.default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _comment(text: str) -> str:
    return "\n".join(textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent="# ", subsequent_indent="# "))


def _toml_setting(setting: Setting) -> str:
    kind = setting.kind[0].upper() + setting.kind[1:]
    note = " Not set by default." if setting.default is None else ""
    comment = _comment(f"{setting.description} {kind}.{note}")
    if setting.required:
        return f"{comment}\n{setting.name} = {_value(EXAMPLES[setting.path])}"
    return f"{comment}\n# {setting.name} = {_value(setting.default)}"


STARTER = """\
# Settings of pwreset. Every setting with its meaning: pwreset config reference
# Passwords are kept in files of their own (mode 0600, named below) or in the environment, never here.

# The address people open. Links are made from this alone.
public_url = "https://reset.example.org"
default_domain = "EXAMPLE"

[server]
bind = "0.0.0.0:8443"
# Without a certificate, plain HTTP is served, on loopback only. ECDSA P-256 is the fastest.
# tls_certificate = "/etc/pwreset/tls/fullchain.pem"
# tls_key = "/etc/pwreset/tls/privkey.pem"

[store]
url = "sqlite:///var/lib/pwreset/pwreset.db"
# Made at the first start. Keep it out of the database's backup: without it, a copy of the database opens nothing.
# key_file = "/etc/pwreset/pwreset.toml.key"

[links]
delivery_mode = "MAIL"  # or SMS, MAILSMS, NONE
lifetime_hours = 24

[mail]
url = "smtp://relay.example.org:25"  # STARTTLS is demanded; smtps:// speaks TLS at once
sender = "Help Desk <helpdesk@example.org>"
# username = "pwreset"
# password_file = "mail.password"

[sms]
# url = "https://gateway.example.org/send"
# password_file = "sms.password"

[manager_api]
# Who may call: loopback and private networks, unless you say otherwise.
# allowed_networks = ["10.1.2.0/24"]

[domains.EXAMPLE]
uris = ["ldaps://ldap1.example.org", "ldaps://ldap2.example.org"]
# ca_file = "/etc/pwreset/tls/directory-ca.pem"
base_dn = "ou=people,dc=example,dc=org"
bind_dn = "cn=pwreset,ou=services,dc=example,dc=org"
# bind_password_file = "ldap.password"
login_attributes = ["uid", "mail"]
managers = ["cn=pwreset-managers,ou=groups,dc=example,dc=org"]
# protected = ["cn=Domain Admins,ou=groups,dc=example,dc=org"]
# help_text = "Help desk: +33 1 23 45 67 89"
"""
