"""Messages: their words, and what other people's text can do in them (nothing)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.delivery.messages import TemplateMessages
from pwreset.delivery.segments import is_gsm7, segments
from pwreset.languages import available, direction
from pwreset.reset.model import AccountState, Channel, MessageName, User
from pwreset.reset.ports import MessageFacts
from pwreset.secret import Secret
from pwreset.settings import Domain, Settings, Sms

LINK = "https://reset.example.org/r/" + "q" * 43
assert len(LINK) == 71
JANE = User(
    id="1",
    dn="uid=jane,dc=example,dc=org",
    domain="EXAMPLE",
    login="jane",
    name="Jane Doe",
    mails=("jane@example.org",),
    mobiles=(),
    language=None,
    state=AccountState.ACTIVE,
    protected=False,
    password_mark="",
    entry_mark="",
)
FACTS = MessageFacts(
    domain="EXAMPLE",
    user=JANE,
    at=datetime(2026, 11, 24, 13, 5, 59, tzinfo=UTC),
    expires_at=datetime(2026, 11, 25, 13, 5, 59, tzinfo=UTC),
    link=Secret(LINK),
)
NOTICE = replace(FACTS, link=None, expires_at=None)
LANGUAGES = available()
# Written in letters that an SMS has only as UCS-2. A link of 256 bits alone is longer than one of its segments.
BEYOND_GSM_7 = {"el", "bg", "uk", "ru", "ar", "he", "fa", "ja", "zh-Hans", "zh-Hant", "ko"}


def settings(
    language: str = "en", max_segments: int = 3, help_text: str | None = "Help desk: +33 1 23 45 67 89"
) -> Settings:
    domain = Domain(
        uris=("ldaps://ldap.example.org",),
        base_dn="dc=example,dc=org",
        title="Example Corp",
        help_text=help_text,
        time_zone="Europe/Paris",
        language=language,
    )
    return Settings(
        public_url="https://reset.example.org",
        domains={"EXAMPLE": domain},
        sms=Sms(max_segments=max_segments),
    )


MESSAGES = TemplateMessages(settings())


class Page(HTMLParser):
    """The tags and texts of an HTML mail, as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def mail(name: MessageName = MessageName.RESET_LINK, language: str | None = "en", facts: MessageFacts = FACTS) -> Page:
    return Page(MESSAGES.render(name, Channel.MAIL, language, facts).html)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MessageName)
def test_every_message_exists_in_every_language(name: MessageName, language: str) -> None:
    facts = FACTS if name is MessageName.RESET_LINK else NOTICE
    content = MESSAGES.render(name, Channel.MAIL, language, facts)
    assert content.language == language
    assert "Example Corp" in content.subject
    for body in (content.text, content.html):
        assert "Jane Doe" in body
        assert "Help desk: +33 1 23 45 67 89" in body
        assert "{" not in body.partition("</head>")[2]
    assert MESSAGES.render(name, Channel.SMS, language, facts).text.count("Example Corp") == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_link_stands_in_the_mail_as_button_and_as_text(language: str) -> None:
    content = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, language, FACTS)
    page = Page(content.html)
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == [LINK, LINK]
    assert LINK in page.text
    assert LINK in content.text.splitlines()


@pytest.mark.parametrize("name", [MessageName.LINK_ISSUED, MessageName.PASSWORD_CHANGED])
def test_a_notice_holds_no_link(name: MessageName) -> None:
    content = MESSAGES.render(name, Channel.MAIL, "en", NOTICE)
    assert not [tag for tag, _ in Page(content.html).tags if tag == "a"]
    assert "http" not in content.text


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "25 November 2026, 14:05"), ("fr", "25 novembre 2026, 14:05"), ("de", "25. November 2026, 14:05")],
)
def test_the_expiry_is_told_in_the_language_and_the_domains_zone(language: str, words: str) -> None:
    content = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, language, FACTS)
    assert words in content.text
    assert words in content.html


@pytest.mark.parametrize(
    ("wish", "chosen"), [("fr-CH, de;q=0.5", "fr"), ("xx, de;q=0.3", "de"), ("xx", "fr"), (None, "fr")]
)
def test_the_persons_language_is_taken_else_the_domains(wish: str | None, chosen: str) -> None:
    messages = TemplateMessages(settings(language="fr"))
    assert messages.render(MessageName.RESET_LINK, Channel.MAIL, wish, FACTS).language == chosen


def test_a_domain_language_that_is_not_there_gives_english() -> None:
    messages = TemplateMessages(settings(language="xx"))
    assert messages.render(MessageName.RESET_LINK, Channel.MAIL, None, FACTS).language == "en"


def test_a_mail_loads_nothing_from_elsewhere() -> None:
    html = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", FACTS).html
    tags = {tag for tag, _ in Page(html).tags}
    assert not tags & {"img", "link", "script", "iframe", "object", "form", "base"}
    assert not re.search(r"url\(|@import|src=", html)


def test_styles_are_inlined_and_dark_mode_is_kept() -> None:
    html = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", FACTS).html
    assert 'class="button" href="' in html
    assert re.search(r'<a class="button"[^>]*style="[^"]*background: #1d5a96', html)
    assert "prefers-color-scheme: dark" in html
    assert '<meta name="color-scheme" content="light dark">' in html


def test_comments_keep_their_line_breaks() -> None:
    content = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", replace(FACTS, comments="one\ntwo"))
    assert "one<br>two" in content.html
    assert "one\ntwo" in content.text


def test_comments_are_not_compiled() -> None:
    comments = "{{ 7 * 7 }} {% raw %} {# gone #} ${7*7} %s {link}"
    page = mail(facts=replace(FACTS, comments=comments))
    assert comments in page.text


def test_links_in_comments_are_text_that_no_mail_program_recognises() -> None:
    content = MESSAGES.render(
        MessageName.RESET_LINK, Channel.MAIL, "en", replace(FACTS, comments="Go to https://evil.example/x now")
    )
    assert "evil.example" not in content.text
    assert "evil.example" not in content.html
    assert "evil\u200b.example" in content.text


def test_a_name_cannot_bring_a_link() -> None:
    jane = replace(JANE, name="Win at evil.example")
    content = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", replace(FACTS, user=jane))
    assert "evil.example" not in content.text
    assert "evil.example" not in content.html


def test_a_login_can_be_copied_as_it_is() -> None:
    jane = replace(JANE, login="jane.doe@example.org")
    content = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", replace(FACTS, user=jane))
    assert "jane.doe@example.org" in content.text


SHAPE = [
    (tag, attributes.get("href")) for tag, attributes in mail(facts=replace(FACTS, comments="x")).tags if tag != "br"
]


PIECES = [
    "<b>",
    "</p>",
    "<script>",
    '"',
    "'",
    "<!--",
    "-->",
    "&lt;",
    "&#60;",
    "<a href=x>",
    "\n",
    "{{",
    "%}",
    "x",
    " ",
    "<",
]
HOSTILE = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=20).map("".join))


@given(comments=HOSTILE, name=HOSTILE, login=HOSTILE)
def test_whatever_people_wrote_the_mail_has_the_same_tags_and_links(comments: str, name: str, login: str) -> None:
    user = replace(JANE, name=name, login=login)
    page = mail(facts=replace(FACTS, user=user, comments=f"x{comments}"))
    assert [(tag, attributes.get("href")) for tag, attributes in page.tags if tag != "br"] == SHAPE


@given(comments=st.sampled_from(["<", ">", '"', "'", "&", "</p>", "<script>", "&lt;", "<!--", "]]>"]))
def test_markup_in_comments_is_shown_as_it_was_typed(comments: str) -> None:
    assert f"note {comments} end" in mail(facts=replace(FACTS, comments=f"note {comments} end")).text


@given(name=st.text(max_size=300), login=st.text(max_size=300))
def test_the_subject_is_one_line_whatever_people_wrote(name: str, login: str) -> None:
    facts = replace(FACTS, user=replace(JANE, name=name, login=login))
    content = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", facts)
    assert content.subject == "Set a new password for Example Corp"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reset_sms_is_one_segment_all_year_or_two_where_the_letters_want_ucs_2(language: str) -> None:
    for month in range(1, 13):
        facts = replace(FACTS, expires_at=datetime(2026, month, 28, 23, 59, tzinfo=UTC))
        content = MESSAGES.render(MessageName.RESET_LINK, Channel.SMS, language, facts)
        assert LINK in content.text
        assert is_gsm7(content.text) is (language not in BEYOND_GSM_7)
        assert segments(content.text) <= (2 if language in BEYOND_GSM_7 else 1)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [MessageName.LINK_ISSUED, MessageName.PASSWORD_CHANGED])
def test_a_notice_by_sms_is_one_segment_and_with_the_help_desk_s_number_two(name: MessageName, language: str) -> None:
    text = MESSAGES.render(name, Channel.SMS, language, NOTICE).text
    assert segments(text) <= 2
    alone = TemplateMessages(settings(help_text=None)).render(name, Channel.SMS, language, NOTICE).text
    assert is_gsm7(alone) is (language not in BEYOND_GSM_7)
    assert segments(alone) <= (2 if language in BEYOND_GSM_7 else 1)


@pytest.mark.parametrize("name", MessageName)
def test_an_sms_of_a_right_to_left_language_begins_in_its_own_letters(name: MessageName) -> None:
    """Phones take the direction of a text from its first letter; a company's name in Latin would turn it round."""
    facts = FACTS if name is MessageName.RESET_LINK else NOTICE
    for language in LANGUAGES:
        text = MESSAGES.render(name, Channel.SMS, language, facts).text
        first = next(character for character in text if character.isalpha())
        assert (unicodedata.bidirectional(first) in {"R", "AL"}) is (direction(language) == "rtl")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MessageName)
def test_a_mail_says_in_which_direction_it_is_read(name: MessageName, language: str) -> None:
    html = MESSAGES.render(name, Channel.MAIL, language, FACTS if name is MessageName.RESET_LINK else NOTICE).html
    page = Page(html)
    assert [attributes["dir"] for tag, attributes in page.tags if tag in {"html", "body"}] == [direction(language)] * 2
    assert page.tags[0][1]["lang"] == language
    assert not re.search(r"(?:text-align|margin|padding|border)-?(?:left|right)|: (?:left|right)\b", html)


def test_a_name_of_the_other_direction_is_isolated_in_plain_text() -> None:
    there = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", replace(FACTS, user=replace(JANE, name="دانا")))
    assert "Hello \u2068دانا\u2069," in there.text
    assert "<bdi>دانا</bdi>" in there.html
    assert "\u2068" not in MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", FACTS).text


def test_short_comments_are_in_the_sms() -> None:
    text = MESSAGES.render(MessageName.RESET_LINK, Channel.SMS, "en", replace(FACTS, comments="As you asked")).text
    assert text.endswith("As you asked")


def test_a_link_in_comments_is_taken_apart_in_the_sms_without_leaving_gsm_7() -> None:
    facts = replace(FACTS, comments="See https://evil.example/x")
    text = MESSAGES.render(MessageName.RESET_LINK, Channel.SMS, "en", facts).text
    assert text.endswith("See https ://evil .example/x")
    assert is_gsm7(text)


def test_comments_that_would_cost_more_segments_than_allowed_are_left_out() -> None:
    messages = TemplateMessages(settings(max_segments=1))
    long = replace(FACTS, comments="x" * 200)
    assert messages.render(MessageName.RESET_LINK, Channel.SMS, "en", long) == messages.render(
        MessageName.RESET_LINK, Channel.SMS, "en", FACTS
    )


@given(st.text(max_size=1000))
def test_comments_never_take_an_sms_beyond_its_segments(comments: str) -> None:
    text = MESSAGES.render(MessageName.RESET_LINK, Channel.SMS, "en", replace(FACTS, comments=comments)).text
    assert segments(text) <= 3
    assert LINK in text


@pytest.mark.parametrize("language", ["en", "el"])
def test_a_title_that_takes_too_much_leaves_the_link_alone_in_the_sms(language: str) -> None:
    wordy = settings(max_segments=1)
    domain = msgspec.structs.replace(wordy.domains["EXAMPLE"], title="A very long title " * 20)
    messages = TemplateMessages(msgspec.structs.replace(wordy, domains={"EXAMPLE": domain}))
    assert messages.render(MessageName.RESET_LINK, Channel.SMS, language, FACTS).text == LINK


@pytest.mark.parametrize("name", [MessageName.LINK_ISSUED, MessageName.PASSWORD_CHANGED])
@given(title=st.text(min_size=1, max_size=400), help_text=st.text(max_size=400), most=st.integers(1, 3))
def test_a_notice_never_takes_more_segments_than_allowed(
    name: MessageName, title: str, help_text: str, most: int
) -> None:
    wordy = settings(help_text=help_text, max_segments=most)
    domain = msgspec.structs.replace(wordy.domains["EXAMPLE"], title=title)
    messages = TemplateMessages(msgspec.structs.replace(wordy, domains={"EXAMPLE": domain}))
    text = messages.render(name, Channel.SMS, "en", NOTICE).text
    assert text.strip()
    assert segments(text) <= most


def test_rendering_twice_gives_the_same() -> None:
    later = replace(FACTS, at=FACTS.at + timedelta(seconds=1))
    first, second = (MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", facts) for facts in (FACTS, later))
    assert first == second
