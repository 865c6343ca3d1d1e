"""The methods of the Manager API as data: what `web.manager` reads, and what `rpc.discover` tells.

`rpc.discover` answers with an OpenRPC document (https://spec.open-rpc.org, version 1.3.2), made from the same declarations
that params are read by, so that it cannot tell of a parameter which is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pwreset
from pwreset.reset.model import (
    Channel,
    DeliveryMode,
    DeliveryState,
    Factor,
    MessageName,
    Origin,
    ReportState,
    RequestState,
)
from pwreset.reset.requests import EXPIRED, HIGHEST_LIMIT
from pwreset.reset.send import LONGEST_COMMENTS, LONGEST_LIFETIME, LONGEST_USERNAME
from pwreset.web.rpc import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, MESSAGES, SERVER_ERROR

OPENRPC = "1.3.2"
STATES = tuple(sorted({state.value for state in RequestState} | {EXPIRED}))
Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
OR_NULL: Schema = {"type": "null"}


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: its JSON Schema, and what it means."""

    name: str
    schema: Schema
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """One method as documented: its params in positional order, its result, and the codes of its errors."""

    name: str
    summary: str
    result: Schema
    params: tuple[Param, ...] = ()
    errors: tuple[int, ...] = (INVALID_REQUEST, INVALID_PARAMS, INTERNAL_ERROR, SERVER_ERROR)
    result_name: str = field(default="result")

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names in positional order."""
        return tuple(param.name for param in self.params)


def _words(kind: type[Any]) -> Schema:
    return {"type": "string", "enum": [word.value for word in kind]}


def _object(properties: Mapping[str, Schema], required: tuple[str, ...] | None = None) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties if required is None else required)}


_RECIPIENT = _object({"channel": _words(Channel), "address": TEXT})
_REQUEST: Mapping[str, Schema] = {
    "id": TEXT,
    "domain": TEXT,
    "username": TEXT,
    "name": TEXT,
    "state": {"type": "string", "enum": list(STATES)},
    "method": _words(DeliveryMode),
    "created": TIME,
    "expires": TIME,
    "settled": {"oneOf": [TIME, OR_NULL]},
    "reason": TEXT,
    "origin": _words(Origin),
    "manager": TEXT,
    "address": TEXT,
    "recipients": {"type": "array", "items": _RECIPIENT},
}
_REQUIRED = tuple(_REQUEST)
_FACTOR: Mapping[str, Schema] = {"factor": _words(Factor)}  # where the link demands one
_DELIVERY = _object(
    {
        "channel": _words(Channel),
        "address": TEXT,
        "message": _words(MessageName),
        "state": _words(DeliveryState),
        "attempts": {"type": "integer", "minimum": 0},
        "settled": {"oneOf": [TIME, OR_NULL]},
        "detail": TEXT,
        "report": {"oneOf": [_words(ReportState), OR_NULL]},
        "reported": {"oneOf": [TIME, OR_NULL]},
    }
)
_ID = Param("id", TEXT, "The id that Send_Request told in the header `Pwreset-Request`.", required=True)

SEND_REQUEST = Signature(
    "PwReset.Send_Request",
    "Sends a password reset link to a user.",
    {"oneOf": [{"type": "string", "format": "uri"}, {"const": False}]},
    (
        Param(
            "username",
            {"type": "string", "minLength": 1, "maxLength": LONGEST_USERNAME},
            "Matched against the domain's log-in attributes; exactly one entry must match.",
            required=True,
        ),
        Param("domain", TEXT, "A configured domain; else the default one."),
        Param(
            "method",
            _words(DeliveryMode),
            "How the link is sent, in any letter case; with NONE it is returned alone. Else the setting `links.delivery_mode`.",
        ),
        Param(
            "expires",
            {"type": "integer", "minimum": 1, "maximum": LONGEST_LIFETIME},
            "Hours that the link lives; else the setting `links.lifetime_hours`.",
        ),
        Param("comments", {"type": "string", "maxLength": LONGEST_COMMENTS}, "A note to the user, as plain text."),
        Param("mfa", FLAG, "A second factor is demanded when the link is opened; refused where none is configured."),
    ),
    result_name="link",
)
GET_REQUEST = Signature(
    "PwReset.Get_Request",
    "One reset request with its deliveries.",
    _object({**_REQUEST, **_FACTOR, "deliveries": {"type": "array", "items": _DELIVERY}}, (*_REQUIRED, "deliveries")),
    (_ID,),
    result_name="request",
)
LIST_REQUESTS = Signature(
    "PwReset.List_Requests",
    "Reset requests, newest first; a cursor is there when there may be more.",
    _object(
        {"requests": {"type": "array", "items": _object({**_REQUEST, **_FACTOR}, _REQUIRED)}, "cursor": TEXT},
        ("requests",),
    ),
    (
        Param("domain", TEXT, "Of this domain only."),
        Param("username", TEXT, "Of this user only."),
        Param("state", {"type": "string", "enum": list(STATES)}, "In this state only."),
        Param("limit", {"type": "integer", "minimum": 1, "maximum": HIGHEST_LIMIT}, "At most so many; else 50."),
        Param("cursor", TEXT, "Go on behind the answer that told this cursor."),
    ),
    result_name="page",
)
REVOKE_REQUEST = Signature(
    "PwReset.Revoke_Request",
    "Revokes a link; answers with the reset request as it is then.",
    _object({**_REQUEST, **_FACTOR}, _REQUIRED),
    (_ID,),
    result_name="request",
)
SERVER_STATUS = Signature(
    "Server_Status",
    "Version and status, and that of the parts that are asked for.",
    _object(
        {
            "version": TEXT,
            "status": FLAG,
            "servers": {"type": "object", "additionalProperties": FLAG},
            "webapps": {"type": "object"},
            "websrvs": {"type": "object"},
        },
        ("version", "status"),
    ),
    tuple(Param(name, FLAG, f"Tell of the {name}, too.") for name in ("servers", "webapps", "websrvs")),
    result_name="status",
)
DISCOVER = Signature("rpc.discover", "This document.", {"type": "object"}, result_name="document")
SIGNATURES = (SEND_REQUEST, SERVER_STATUS, GET_REQUEST, LIST_REQUESTS, REVOKE_REQUEST, DISCOVER)


def document(public_url: str) -> dict[str, object]:
    """The OpenRPC document of the Manager API at this address."""
    return {
        "openrpc": OPENRPC,
        "info": {"title": "pwreset Manager API", "version": pwreset.__version__, "license": {"name": "Apache-2.0"}},
        "servers": [{"name": "manag", "url": f"{public_url.rstrip('/')}/manag/"}],
        "methods": [_told(signature) for signature in SIGNATURES],
    }


def _told(signature: Signature) -> dict[str, object]:
    return {
        "name": signature.name,
        "summary": signature.summary,
        "paramStructure": "either",
        "params": [
            {"name": param.name, "description": param.meaning, "required": param.required, "schema": param.schema}
            for param in signature.params
        ],
        "result": {"name": signature.result_name, "schema": signature.result},
        "errors": [{"code": code, "message": MESSAGES[code]} for code in signature.errors],
    }
