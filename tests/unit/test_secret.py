from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import msgspec
import pytest

from pwreset.secret import Secret

HIDDEN = "correct horse battery staple"


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>40}",
        lambda secret: f"{secret:>40}",
        lambda secret: "%s" % secret,  # noqa: UP031 - the old way must not leak either
        lambda secret: str([secret]),
        lambda secret: str({"password": secret}),
    ],
)
def test_a_secret_is_shown_as_stars(show: object) -> None:
    assert callable(show)
    told = show(Secret(HIDDEN))
    assert "***" in told
    assert HIDDEN not in told


@pytest.mark.parametrize("encode", [json.dumps, msgspec.json.encode, pickle.dumps, copy.deepcopy])
def test_a_secret_is_not_serialised(encode: object) -> None:
    assert callable(encode)
    with pytest.raises(TypeError) as refused:
        encode(Secret(HIDDEN))
    assert HIDDEN not in str(refused.value)


@pytest.mark.parametrize("join", [lambda secret: "" + secret, lambda secret: secret + secret])
def test_a_secret_is_no_text(join: object) -> None:
    assert callable(join)
    with pytest.raises(TypeError):
        join(Secret(HIDDEN))


def test_secrets_are_not_joined() -> None:
    secrets: list[Any] = [Secret(HIDDEN)]
    with pytest.raises(TypeError):
        ", ".join(secrets)


def test_who_needs_it_says_so() -> None:
    assert Secret(HIDDEN).reveal() == HIDDEN


def test_equal_secrets_are_equal() -> None:
    assert Secret("a") == Secret("a")


def test_different_secrets_are_not() -> None:
    assert Secret("a") != Secret("b")


def test_a_secret_is_no_equal_of_its_text() -> None:
    assert Secret("a") != "a"


def test_lone_surrogates_compare() -> None:
    assert Secret("\udcff") == Secret("\udcff")


def test_a_secret_has_no_hash() -> None:
    with pytest.raises(TypeError, match="not hashable"):
        hash(Secret("a"))


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")


def test_a_secret_has_the_length_of_its_text() -> None:
    assert len(Secret("zwölf")) == 5
