"""Which address of an entry is written to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.reset.model import AccountState, Channel, Recipient, User
from pwreset.reset.recipients import (
    country_code,
    is_mail_address,
    usable_mail,
    usable_mails,
    usable_mobile,
    usable_mobiles,
)

JANE = User(
    id="1",
    dn="uid=jane,dc=example,dc=org",
    domain="EXAMPLE",
    login="jane",
    name="Jane Doe",
    mails=(),
    mobiles=(),
    language=None,
    state=AccountState.ACTIVE,
    protected=False,
    password_mark="",
    entry_mark="",
)


def with_mails(*mails: str) -> User:
    return replace(JANE, mails=mails)


def with_mobiles(*mobiles: str) -> User:
    return replace(JANE, mobiles=mobiles)


@pytest.mark.parametrize(
    "address",
    [
        "jane.doe@example.org",
        "jane+reset@mail.example.org",
        "o'neil@example.org",
        "jane@localhost",
        "jöhn@example.org",
        "jane@exämple.org",
        "jane@straße.de",
        "用户@例子.广告",
        "a" * 64 + "@example.org",
    ],
)
def test_one_plain_address_is_usable(address: str) -> None:
    assert usable_mail(with_mails(address)) == Recipient(Channel.MAIL, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jane",
        "@example.org",
        "jane@",
        "jane@@example.org",
        "jane@example.org, john@example.org",
        "jane@example.org,john@example.org",
        "jane@example.org;john@example.org",
        "jane@example.org john@example.org",
        "Jane Doe <jane@example.org>",
        "<jane@example.org>",
        "jane@example.org\r\nBcc: everybody@example.org",
        "jane@example.org\n",
        "jane\x00@example.org",
        '"jane doe"@example.org',
        "jane(comment)@example.org",
        "jane%other.example@example.org",
        "other.example!jane@example.org",
        "jane@[192.0.2.1]",
        "jane@192.0.2.1",
        "jane@-example.org",
        "jane@example..org",
        ".jane@example.org",
        "jane..doe@example.org",
        "jane@example.org\u2028",
        "ja\u202ene@example.org",
        "ja\u200bne@example.org",
        "\uff4aane@example.org",
        "jane@example\uff0eorg",
        "jane\uff0cjohn@example.org",
        "a" * 65 + "@example.org",
        "é" * 33 + "@example.org",
        "jane@" + "a" * 64 + ".org",
        "jane@" + "example." * 40 + "org",
    ],
)
def test_anything_else_is_not(text: str) -> None:
    assert usable_mail(with_mails(text)) is None


def test_the_first_usable_mail_is_taken() -> None:
    assert usable_mail(with_mails("broken", "jane@example.org", "j@example.org")) == Recipient(
        Channel.MAIL, "jane@example.org"
    )


def test_all_usable_mails_are_given_once_and_in_order() -> None:
    found = usable_mails(with_mails("b@example.org", "broken", "a@example.org", "b@example.org"))
    assert [recipient.address for recipient in found] == ["b@example.org", "a@example.org"]


@given(st.text())
def test_no_text_with_more_than_an_address_is_one(text: str) -> None:
    if is_mail_address(text):
        assert text.isprintable()
        assert text.count("@") == 1
        assert not set(text) & set(' ,;:<>()[]"\\')


@pytest.mark.parametrize(
    ("typed", "country", "number"),
    [
        ("+33612345678", None, "+33612345678"),
        ("+33 6 12 34 56 78", None, "+33612345678"),
        ("+33 (0)6 12 34 56 78", None, "+33612345678"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("06.12.34.56.78", "fr", "+33612345678"),
        ("0033612345678", "FR", "+33612345678"),
        ("+49 151 12345678", "FR", "+4915112345678"),
        ("+33\u00a06\u00a012\u00a034\u00a056\u00a078", None, "+33612345678"),
        ("(202) 555-0143", "US", "+12025550143"),  # North America does not tell mobile numbers apart
        ("+44 56 1234 5678", None, "+445612345678"),  # nor does a phone over IP say where it is
    ],
)
def test_a_mobile_number_is_read_into_one_form(typed: str, country: str | None, number: str) -> None:
    assert usable_mobile(with_mobiles(typed), country) == Recipient(Channel.SMS, number)


@pytest.mark.parametrize(
    ("typed", "country"),
    [
        ("", None),
        ("06 12 34 56 78", None),
        ("not a number", "FR"),
        ("1-800-FLOWERS", "US"),
        ("+33612345678, +33612345679", None),
        ("+33612345678\r\n", None),
        ("+33612345678;ext=5", None),
        ("+33 1", None),
        ("+999 123 456 789", None),
        ("+1 900 555 1212", None),
        ("+33 899 12 34 56", None),  # premium rate
        ("+33 810 12 34 56", None),  # shared cost
        ("+44 800 123 4567", None),  # toll free
        ("+44 70 1234 5678", None),  # a personal number, which its caller pays for
        ("+44 76 4012 3456", None),  # a pager
        ("+44 55 1234 5678", None),  # a company's number
        ("01 23 45 67 89", "FR"),  # a fixed line
        ("+49 30 123456", None),
        ("06 12 34 56 78 x5", "FR"),
        ("06 12 34 56 78 ext. 5", "FR"),
        ("06 12 34 56 78 #5", "FR"),
        ("+33 " + "6" * 40, None),
    ],
)
def test_what_is_no_number_or_costs_its_caller_is_not_used(typed: str, country: str | None) -> None:
    assert usable_mobile(with_mobiles(typed), country) is None


def test_all_usable_numbers_are_given_once() -> None:
    found = usable_mobiles(with_mobiles("+33612345678", "none", "06 12 34 56 78", "+4915112345678"), "FR")
    assert [recipient.address for recipient in found] == ["+33612345678", "+4915112345678"]


@given(st.text(), st.sampled_from([None, "FR", "US", "DE"]))
def test_a_usable_number_has_digits_only(text: str, country: str | None) -> None:
    recipient = usable_mobile(with_mobiles(text), country)
    if recipient is not None:
        assert recipient.address.startswith("+")
        assert recipient.address[1:].isascii()
        assert recipient.address[1:].isdigit()


@pytest.mark.parametrize(
    ("number", "code"),
    [("+33612345678", "33"), ("+12025550143", "1"), ("+352621123456", "352"), ("+79161234567", "7")],
)
def test_a_number_names_its_country_code(number: str, code: str) -> None:
    assert country_code(Recipient(Channel.SMS, number)) == code
