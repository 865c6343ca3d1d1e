from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pwreset.directory.inspection.active_directory import last_number
from pwreset.directory.inspection.index_lists import equality_in
from pwreset.directory.inspection.servers import offset_between, printable

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["uid eq"], {"uid"}),
        (["cn,sn eq,sub", "mail pres"], {"cn", "sn"}),
        (["Mail,uid  pres,eq"], {"mail", "uid"}),
        (["default pres,eq", "uid", "cn sub"], {"uid", "default"}),
        (["uid", "cn sub"], set()),
        ([], set()),
    ],
)
def test_equality_indexes_are_read_from_the_configuration(lines: list[str], expected: set[str]) -> None:
    assert equality_in(lines) == expected


@pytest.mark.parametrize(
    ("theirs", "offset"),
    [
        (NOON, 0),  # told in whole seconds, while ours went from 12:00:00.5 to 12:00:02
        (NOON + SECOND, 0),
        (NOON + 2 * SECOND, 0),
        (NOON + 10 * SECOND, 8),
        (NOON - 10 * SECOND, -9.5),
    ],
)
def test_a_clock_is_off_only_by_what_waiting_for_its_answer_cannot_explain(theirs: datetime, offset: float) -> None:
    before, after = NOON + SECOND / 2, NOON + 2 * SECOND
    assert offset_between(before, theirs, after) == timedelta(seconds=offset)


def test_the_last_number_of_a_security_identifier_is_read() -> None:
    domain_admins = bytes([1, 5, 0, 0, 0, 0, 0, 5]) + b"".join(n.to_bytes(4, "little") for n in (21, 1, 2, 3, 512))
    assert last_number(domain_admins) == 512


def test_what_a_server_says_of_itself_cannot_command_a_terminal() -> None:
    assert printable("389\x1b[2J\r\nok") == "389?[2J??ok"
