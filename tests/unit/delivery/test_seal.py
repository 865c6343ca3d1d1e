"""Sealed messages open for the right row, recipient and key, and for nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.delivery.seal import AesGcmSealer
from pwreset.errors import SealBroken
from pwreset.reset.model import Channel, Content, Recipient
from pwreset.reset.tokens import Keys, new_key

KEYS = Keys((new_key(),))
SEALER = AesGcmSealer(KEYS)
JANE = Recipient(Channel.MAIL, "jane@example.org")
CONTENT = Content("Subject", "https://reset.example.org/r/secret", "<p>é</p>", "fr")


@given(st.builds(Content, st.text(), st.text(), st.text(), st.text()))
def test_what_is_sealed_opens_as_it_was(content: Content) -> None:
    assert SEALER.open(SEALER.seal(content, "d1", JANE), "d1", JANE) == content


def test_a_sealed_message_shows_nothing_of_its_content() -> None:
    body = SEALER.seal(CONTENT, "d1", JANE)
    assert b"secret" not in body
    assert b"Subject" not in body


def test_the_same_message_is_sealed_differently_each_time() -> None:
    assert SEALER.seal(CONTENT, "d1", JANE) != SEALER.seal(CONTENT, "d1", JANE)


def test_an_edited_address_opens_nothing() -> None:
    body = SEALER.seal(CONTENT, "d1", JANE)
    with pytest.raises(SealBroken):
        SEALER.open(body, "d1", Recipient(Channel.MAIL, "thief@example.org"))


def test_an_edited_channel_opens_nothing() -> None:
    body = SEALER.seal(CONTENT, "d1", JANE)
    with pytest.raises(SealBroken):
        SEALER.open(body, "d1", Recipient(Channel.SMS, JANE.address))


def test_a_body_moved_to_another_row_opens_nothing() -> None:
    body = SEALER.seal(CONTENT, "d1", JANE)
    with pytest.raises(SealBroken):
        SEALER.open(body, "d2", JANE)


def test_a_message_sealed_under_an_older_key_still_opens() -> None:
    body = SEALER.seal(CONTENT, "d1", JANE)
    rotated = AesGcmSealer(Keys((new_key(), *KEYS.keys)))
    assert rotated.open(body, "d1", JANE) == CONTENT


def test_a_new_key_seals() -> None:
    newer = new_key()
    body = AesGcmSealer(Keys((newer, *KEYS.keys))).seal(CONTENT, "d1", JANE)
    assert AesGcmSealer(Keys((newer,))).open(body, "d1", JANE) == CONTENT


def test_another_key_opens_nothing() -> None:
    body = SEALER.seal(CONTENT, "d1", JANE)
    with pytest.raises(SealBroken):
        AesGcmSealer(Keys((new_key(),))).open(body, "d1", JANE)


@given(st.data())
def test_a_body_with_one_bit_changed_opens_nothing(data: st.DataObject) -> None:
    body = bytearray(SEALER.seal(CONTENT, "d1", JANE))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        SEALER.open(bytes(body), "d1", JANE)


@given(st.data())
def test_a_body_cut_short_opens_nothing(data: st.DataObject) -> None:
    body = SEALER.seal(CONTENT, "d1", JANE)
    with pytest.raises(SealBroken):
        SEALER.open(body[: data.draw(st.integers(0, len(body) - 1))], "d1", JANE)


@given(st.binary())
def test_arbitrary_bytes_open_nothing(body: bytes) -> None:
    with pytest.raises(SealBroken):
        SEALER.open(body, "d1", JANE)
