"""Distinguished names are compared as a directory compares them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.directory.names import is_below, read_dn


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uid=jdoe,ou=people,dc=example,dc=org", "UID=JDoe , OU=People , DC=example,DC=org"),
        ("cn=O'Brien\\, Pat,dc=example", "cn=o'brien\\2c pat,dc=EXAMPLE"),
        ("cn=a+uid=b,dc=example", "uid=b+cn=a,dc=example"),
        ("cn=two  blanks,dc=example", "cn=two blanks,dc=example"),
        ("cn=Ümlaut,dc=example", "cn=\\c3\\9cMLAUT,dc=example"),
    ],
)
def test_two_spellings_of_one_name_are_equal(one: str, other: str) -> None:
    assert read_dn(one) == read_dn(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a,dc=example", "cn=b,dc=example"),
        ("cn=a,dc=example", "uid=a,dc=example"),
        ("cn=a,dc=example", "cn=a,ou=people,dc=example"),
    ],
)
def test_two_names_are_not_equal(one: str, other: str) -> None:
    assert read_dn(one) != read_dn(other)


@pytest.mark.parametrize("base", ["", "dc=org", "dc=example,dc=com", "nonsense"])
def test_a_name_is_not_below_another_base(base: str) -> None:
    assert not is_below(read_dn("uid=jdoe,dc=example,dc=net"), read_dn(base))


@given(st.text())
def test_any_text_is_a_name_or_none(text: str) -> None:
    name = read_dn(text)
    assert name is None or isinstance(name, tuple)


def test_the_names_of_a_large_group_are_all_kept_when_read_in_turn() -> None:
    members = [f"uid=member{number:05d},ou=people,dc=example,dc=org" for number in range(10_000)]
    first = [read_dn(member) for member in members]
    assert all(read_dn(member) is name for member, name in zip(members, first, strict=True))
