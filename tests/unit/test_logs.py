from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog

from pwreset import logs
from pwreset.secret import Secret

# The shape of a link's token: 43 characters of URL-safe base64.
TOKEN = "Zm9vYmFyYmF6cXV4LV9aTm90QVJlYWxUb2tlbkF0QWw"
LINK = f"https://reset.example.org/r/{TOKEN}"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Logging is the process's own: other tests find it as it was."""
    configured, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)


class Lines:
    """What was logged so far."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def text(self) -> str:
        return self._stream.getvalue()

    def one(self) -> dict[str, Any]:
        line: dict[str, Any] = json.loads(self.text())
        return line


SetUp = Callable[[Literal["debug", "info", "warning", "error"], Literal["json", "text"]], Lines]


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> SetUp:
    """Sets logging up, with a standard error of its own: pytest changes it between a fixture and its test."""

    def act(level: Literal["debug", "info", "warning", "error"], style: Literal["json", "text"]) -> Lines:
        stream = io.StringIO()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", stream)
            logs.set_up(level, style)
        return Lines(stream)

    return act


@pytest.fixture
def lines(set_up: SetUp) -> Lines:
    return set_up("debug", "json")


def fail(words: str) -> None:
    raise ValueError(words)


def test_a_line_is_one_json_object(lines: Lines) -> None:
    logs.get("test").info("request sent", domain="EXAMPLE", count=3)
    line = lines.one()
    assert (line["event"], line["level"], line["part"], line["domain"], line["count"]) == (
        "request sent",
        "info",
        "test",
        "EXAMPLE",
        3,
    )


def test_a_line_tells_its_time_in_utc(lines: Lines) -> None:
    logs.get("test").info("x")
    assert lines.one()["timestamp"].endswith("Z")


def test_a_line_feed_in_a_value_makes_no_second_line(lines: Lines) -> None:
    logs.get("test").info("login refused", login='x\n{"event": "forged"}')
    assert lines.text().count("\n") == 1


def test_a_line_carries_the_calls_correlation_id(lines: Lines) -> None:
    token = logs.correlation.set("c0ffee")
    try:
        logs.get("test").info("x")
    finally:
        logs.correlation.reset(token)
    assert lines.one()["correlation"] == "c0ffee"


def test_a_secret_is_shown_as_stars(lines: Lines) -> None:
    logs.get("test").info("x", password=Secret("hunter2"), nested={"password": Secret("hunter2")})
    text = lines.text()
    assert "hunter2" not in text
    assert "***" in text


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_what_looks_like_a_link_is_blotted_out_at_every_level(lines: Lines, level: str) -> None:
    getattr(logs.get("test"), level)(f"GET {LINK}", path=f"/r/{TOKEN}", where=LINK)
    text = lines.text()
    assert TOKEN not in text
    assert "/r/***" in text


@pytest.mark.parametrize("before", ["/r/", "/not-me/", "/report/"])
def test_the_tokens_of_all_addresses_are_blotted_out(lines: Lines, before: str) -> None:
    logs.get("test").info("x", seen=f"https://reset.example.org{before}{TOKEN}")
    assert f"https://reset.example.org{before}***" in lines.text()


def test_links_in_nested_values_are_blotted_out(lines: Lines) -> None:
    logs.get("test").info("x", seen={"headers": [("referer", LINK)]}, raw=LINK.encode())
    assert TOKEN not in lines.text()


def test_an_exceptions_words_are_not_logged(lines: Lines) -> None:
    try:
        fail("hunter2")
    except ValueError:
        logs.get("test").exception("it failed")
    line = lines.one()
    assert "hunter2" not in str(line)
    assert line["error"] == "ValueError"


def test_an_exception_is_logged_with_its_place(lines: Lines) -> None:
    try:
        fail("hunter2")
    except ValueError as error:
        logs.get("test").error("it failed", exc_info=error)
    assert "test_logs.py:" in lines.one()["raised_at"]


def test_the_standard_librarys_lines_have_the_same_form(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").warning("slow client at %s", "192.0.2.1")
    line = lines.one()
    assert (line["event"], line["level"]) == ("slow client at 192.0.2.1", "warning")


def test_links_in_the_standard_librarys_lines_are_blotted_out(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request: %s", LINK)
    assert TOKEN not in lines.text()


def test_an_exceptions_words_in_the_standard_librarys_lines_are_not_logged(lines: Lines) -> None:
    try:
        fail("hunter2")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    text = lines.text()
    assert "hunter2" not in text
    assert "ValueError" in text


def test_other_peoples_debug_lines_are_not_shown(lines: Lines) -> None:
    logging.getLogger("aiosmtplib").debug("AUTH LOGIN hunter2")
    assert lines.text() == ""


def test_a_level_hides_what_is_below_it(set_up: SetUp) -> None:
    lines = set_up("warning", "json")
    logs.get("test").info("x")
    assert lines.text() == ""


def test_text_for_a_terminal_has_the_same_care(set_up: SetUp) -> None:
    lines = set_up("info", "text")
    try:
        fail("hunter2")
    except ValueError:
        logs.get("test").exception("it failed", link=LINK, password=Secret("hunter2"))
    told = lines.text()
    assert "it failed" in told
    assert "hunter2" not in told
    assert TOKEN not in told
