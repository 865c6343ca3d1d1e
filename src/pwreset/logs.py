"""Structured logs: one event a line, with the correlation id of the call it belongs to, and no secrets.

What may be logged is decided where it is logged: no function of ours hands a token, a password or a credential to the
log. `Secret` shows itself as `***`; as a second line of defence anything that has the shape of a link's token is
blotted out of the finished line.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import structlog

correlation: ContextVar[str] = ContextVar("correlation", default="")

_BEFORE_TOKENS = ("/r/", "/not-me/", "/report/")
_TOKEN = re.compile("(?:" + "|".join(f"(?<={before})" for before in _BEFORE_TOKENS) + ")[A-Za-z0-9_-]{43}")
_BYTES = (bytes, bytearray, memoryview)  # made once: the union is made anew each time it is written
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

EventDict = MutableMapping[str, Any]


def set_up(level: Literal["debug", "info", "warning", "error"], style: Literal["json", "text"]) -> None:
    """Send structlog's and the standard library's lines to standard error in one form."""
    renderer = _as_json if style == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    finish = _blotting_out(renderer)
    structlog.configure(
        processors=[_complete, finish],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, finish],
            foreign_pre_chain=[_complete],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Other people's debug lines may show what they send (aiosmtplib and the HTTP client do): warnings are enough.
    root.setLevel(max(_LEVELS[level], logging.WARNING))


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines name this part of pwreset."""
    return structlog.get_logger(part=name)  # type: ignore[no-any-return]


def _complete(logger: object, method: str, event: EventDict) -> EventDict:
    """Whose line it is, when, how grave; and nothing of what somebody typed. One step: it runs for every request."""
    if identifier := correlation.get():
        event.setdefault("correlation", identifier)
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    event["level"] = "error" if method == "exception" else method
    if "exc_info" in event:
        _exception_names_only(logger, method, event)
    return _sizes_of_bytes(event)


def _as_json(_logger: object, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def _exception_names_only(_logger: object, _method: str, event: EventDict) -> EventDict:
    """An exception is logged as its class and where it was raised: its text may hold what somebody typed."""
    info = event.pop("exc_info", None)
    if not info:
        return event
    error = info if isinstance(info, BaseException) else (info[1] if isinstance(info, tuple) else sys.exc_info()[1])
    if error is None:
        return event
    places = []
    trace = error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    event["error"] = type(error).__qualname__
    event["raised_at"] = " > ".join(places[-6:])
    return event


def _sizes_of_bytes(event: EventDict) -> EventDict:
    """Bytes are told by their number: they are somebody's input, and base64 would hide a token from the next step."""
    for key, value in event.items():
        if isinstance(value, _BYTES):
            event[key] = f"{len(value)} bytes"
    return event


def _blotting_out(renderer: structlog.typing.Processor) -> structlog.typing.Processor:
    """The renderer, with what has the shape of a token replaced in the whole line, however deep it was."""

    def render(logger: object, method: str, event: EventDict) -> str:
        line = str(renderer(logger, method, event))
        # The pattern alone takes as long as all the rest of a line.
        return _TOKEN.sub("***", line) if any(before in line for before in _BEFORE_TOKENS) else line

    return render
