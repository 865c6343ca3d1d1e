"""Reads forms, above all the one with the new password: bounded, as typed, and never into a log or an exception."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from pwreset.errors import FormStale, FormTooLarge, PasswordsDiffer
from pwreset.secret import Secret

# Two passwords of 256 characters take at most 6 kB when every character is four bytes, each written as %XX.
MAX_BODY = 8192
# With a third one, and a name of 256 such characters.
MAX_CHANGE_BODY = 16384
MAX_FIELDS = 10


@dataclass(frozen=True, slots=True)
class PasswordForm:
    """What the form held."""

    form_token: str
    password: Secret
    repeat: Secret

    def accepted(self) -> Secret:
        """The new password, exactly as typed. Raises PasswordsDiffer."""
        if self.password != self.repeat:
            raise PasswordsDiffer
        return self.password


@dataclass(frozen=True, slots=True)
class ChangeForm:
    """What the form on `/change` held; `domain` is empty where there is no choice."""

    domain: str
    username: str
    present: Secret
    new: PasswordForm


async def read_form(request: Request) -> PasswordForm:
    """The form with a new password. Raises FormTooLarge, and FormStale when it is no form of ours."""
    return _password_form(await read_fields(request))


async def read_change_form(request: Request) -> ChangeForm:
    """The form on `/change`. Raises FormTooLarge, FormStale."""
    fields = await read_fields(request, MAX_CHANGE_BODY)
    return ChangeForm(
        domain=fields.get("domain", ""),
        username=fields.get("username", ""),
        present=Secret(fields.get("present", "")),
        new=_password_form(fields),
    )


def _password_form(fields: dict[str, str]) -> PasswordForm:
    return PasswordForm(
        form_token=fields.get("form_token", ""),
        password=Secret(fields.get("password", "")),
        repeat=Secret(fields.get("repeat", "")),
    )


async def read_fields(request: Request, most: int = MAX_BODY) -> dict[str, str]:
    """The form in the request's body, by name. Raises FormTooLarge, and FormStale when it is no form of ours."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise FormStale
    return _fields(await _body(request, most))


async def _body(request: Request, most: int) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise FormTooLarge
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise FormTooLarge
    return body


def _fields(body: bytes) -> dict[str, str]:
    """The fields by name. Raises FormStale when there are too many of them, or one of them twice.

    Bytes that are no UTF-8 come out as lone surrogates, which the password rules refuse in words.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise FormStale from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise FormStale
    return fields
