"""The list of passwords that became known: made from public lists, looked up in a file."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.reset import breached_build
from pwreset.reset.breached import HEAD, BreachedList, prefix_of, starter_list
from pwreset.reset.breached_build import NotAHashList, build


def digest(password: str) -> str:
    return sha1(password.encode()).hexdigest().upper()


def hash_list(path: Path, passwords: dict[str, int]) -> Path:
    """As the large public list comes: sorted, CR LF, with counts."""
    path.write_bytes(
        b"".join(f"{digest(p)}:{n}\r\n".encode() for p, n in sorted(passwords.items(), key=lambda i: digest(i[0])))
    )
    return path


def test_a_public_list_becomes_a_file_that_knows_its_passwords_and_no_others(tmp_path: Path) -> None:
    source = hash_list(tmp_path / "list", {"hunter2": 5, "s3cret": 1, "geheim": 900})
    assert build([source], tmp_path / "out") == 3
    known = BreachedList.open(tmp_path / "out")
    assert [known.knows(p) for p in ("hunter2", "s3cret", "geheim", "Hunter2", "")] == [True, True, True, False, False]


def test_what_was_seen_seldom_can_be_left_out(tmp_path: Path) -> None:
    source = hash_list(tmp_path / "list", {"hunter2": 5, "s3cret": 1})
    assert build([source], tmp_path / "out", least_seen=2) == 1


def test_several_lists_are_merged_and_each_password_counts_once(tmp_path: Path) -> None:
    one, two = hash_list(tmp_path / "one", {"a": 1, "b": 1}), hash_list(tmp_path / "two", {"b": 1, "c": 1})
    assert build([one, two], tmp_path / "out") == 3


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_a_list_in_any_order_is_sorted(tmp_path_factory: pytest.TempPathFactory, passwords: list[str]) -> None:
    folder = tmp_path_factory.mktemp("lists")
    (folder / "list").write_text("".join(f"{digest(p)}\n" for p in passwords))
    build([folder / "list"], folder / "out")
    known = BreachedList.open(folder / "out")
    assert list(known) == sorted({prefix_of(p) for p in passwords})
    assert all(map(known.knows, passwords))


def test_a_list_larger_than_a_run_is_sorted_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breached_build, "RUN", 7)
    (tmp_path / "list").write_text("".join(f"password {n}\n" for n in range(100)))
    assert build([tmp_path / "list"], tmp_path / "out", plain=True) == 100
    assert list(BreachedList.open(tmp_path / "out")) == sorted(prefix_of(f"password {n}") for n in range(100))


def test_more_runs_than_may_be_open_are_joined_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breached_build, "RUN", 7)
    monkeypatch.setattr(breached_build, "RUNS", 3)
    (tmp_path / "list").write_text("".join(f"password {n}\n" for n in range(100)))
    assert build([tmp_path / "list"], tmp_path / "out", plain=True) == 100
    assert list(BreachedList.open(tmp_path / "out")) == sorted(prefix_of(f"password {n}") for n in range(100))
    assert [path.name for path in tmp_path.iterdir() if path.name not in {"list", "out"}] == []


def test_what_is_no_hash_is_told_by_its_line_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{digest('a')}\nmy own password\n")
    with pytest.raises(NotAHashList, match="line 2") as caught:
        build([tmp_path / "list"], tmp_path / "out")
    assert "my own" not in str(caught.value)


def test_a_failed_build_leaves_the_former_file(tmp_path: Path) -> None:
    build([hash_list(tmp_path / "list", {"a": 1})], tmp_path / "out")
    (tmp_path / "list").write_text("nothing\n")
    with pytest.raises(NotAHashList):
        build([tmp_path / "list"], tmp_path / "out")
    assert BreachedList.open(tmp_path / "out").knows("a")
    assert {path.name for path in tmp_path.iterdir()} == {"list", "out"}


@pytest.mark.parametrize("content", [b"", b"123456", HEAD + b"seven b", b"x" * 64])
def test_another_file_is_no_list(content: bytes) -> None:
    with pytest.raises(ValueError, match="no list"):
        BreachedList(content)


def test_the_list_that_ships_knows_the_most_common_ones() -> None:
    known = starter_list()
    assert len(known) == 30_000
    assert known.knows("password1")
    assert not known.knows("a sunny river walk")
