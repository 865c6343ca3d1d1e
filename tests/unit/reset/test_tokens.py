from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.reset.model import Channel, DeliveryMode, Origin, Recipient, RequestState, ResetRequest
from pwreset.reset.tokens import Keys, new_id, new_key, new_token, read_keys, read_token, write_keys
from pwreset.secret import Secret

BORN = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_request(keys: Keys, token: Secret) -> ResetRequest:
    return keys.bind(
        ResetRequest(
            id=new_id(),
            digest=keys.digests(token)[0],
            domain="EXAMPLE",
            user_id="uuid-1",
            user_login="jdoe",
            user_name="Jane Doe",
            mode=DeliveryMode.MAIL,
            origin=Origin.MANAGER,
            asked_by="cn=helpdesk",
            asked_from="127.0.0.1",
            correlation="c",
            created_at=BORN,
            expires_at=BORN + timedelta(hours=1),
            password_mark="20260101000000Z",
            sent_to=(Recipient(Channel.MAIL, "jane.doe@example.org"),),
        )
    )


def test_a_token_has_256_bits_and_reads_back_from_a_url() -> None:
    token = new_token()
    assert read_token(token.reveal()) == token
    assert len(token) == 43


@given(st.text(max_size=60))
def test_what_is_not_shaped_like_a_token_is_none(text: str) -> None:
    token = read_token(text)
    assert token is None or token.reveal() == text


def test_the_digest_depends_on_the_key() -> None:
    token = new_token()
    assert Keys((new_key(),)).digests(token) != Keys((new_key(),)).digests(token)


def test_a_link_made_with_an_older_key_is_still_found() -> None:
    old, new = new_key(), new_key()
    token = new_token()
    assert Keys((old,)).digests(token)[0] in Keys((new, old)).digests(token)


@pytest.mark.parametrize(
    "edit",
    [
        {"user_id": "uuid-of-an-admin"},
        {"domain": "OTHER"},
        {"expires_at": BORN + timedelta(hours=720)},
        {"password_mark": "20270101000000Z"},
        {"sent_to": ()},
        {"digest": b"of another token"},
        {"origin": Origin.OPERATOR},
    ],
)
def test_an_edited_row_is_no_link(edit: dict[str, object]) -> None:
    keys = Keys((new_key(),))
    request = a_request(keys, new_token())
    assert keys.is_bound(request)
    assert not keys.is_bound(replace(request, **edit))  # type: ignore[arg-type] # one field at a time


def test_the_state_may_change_without_breaking_the_binding() -> None:
    keys = Keys((new_key(),))
    assert keys.is_bound(replace(a_request(keys, new_token()), state=RequestState.CLAIMED))


def test_a_form_token_is_good_for_its_own_link_only() -> None:
    keys = Keys((new_key(),))
    mine, other = keys.digests(new_token())[0], keys.digests(new_token())[0]
    assert keys.is_form_token(mine, keys.form_token(mine))
    assert not keys.is_form_token(other, keys.form_token(mine))


def test_a_form_token_of_any_text_is_no_failure() -> None:
    keys = Keys((new_key(),))
    assert not keys.is_form_token(b"digest", "é\udc80")


def test_a_key_file_reads_back_newest_first() -> None:
    keys = (new_key(), new_key())
    assert read_keys(write_keys(Keys(keys))).keys == keys


@pytest.mark.parametrize("text", ["", "# only a comment\n", "id notbase64!\n", "id YWJj\n", "one two three\n"])
def test_a_wrong_key_file_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="key") as refusal:
        read_keys(text)
    assert "YWJj" not in str(refusal.value)


def test_a_key_does_not_show_itself() -> None:
    key = new_key()
    assert key.value.hex() not in repr(key) + repr(Keys((key,)))
