"""The hint that a password is easily guessed: sound for everything one may type, and there for what people do type.

Spoiled by hand in guesses.js, one at a time: a word too cheap, sequences behind twins, years wherever digits look like one,
several signs for one letter, the keys that the server's map has gaps at, letters whose small form is longer. Each turned the
first test red. No words: the second and the third.
"""

from __future__ import annotations

import random
import re
import string
from unicodedata import normalize

import pytest
from playwright.async_api import Browser, expect
from zxcvbn_rs_py import zxcvbn

from pwreset.reset.policy import ESTIMATED_CHARACTERS
from pwreset.web.render import STATIC
from tests.browser.conftest import Site, browsing

pytestmark = pytest.mark.browser

SCRIPT = STATIC / "guesses.js"
WORDS = re.findall(r"[a-z0-9]{3,}", SCRIPT.read_text().partition("Object.entries({\n    50:")[2])
ROWS = ("`1234567890-=", "qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./")
LOOKS = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "$5", "t": "+7", "l": "1", "b": "8", "g": "69", "z": "2"}
ODD = ("é", "ß", "İ", "Σ", "Ж", "日本", "😀", " ", "-", "!", "$")
GUESSES = {1: 1e3, 2: 1e6, 3: 1e8, 4: 1e10}  # that a password of this strength takes, at least
PASSWORDS = 4000

# What is a pattern here only where one does not look closely.
TRAPS = ["marjorieefgh", "><:864201982", "trustn01", "yuiop[+-/13579;", "İGovernment"]

# Long enough, and nothing for somebody who guesses.
EASY = [
    "passwordpassword",
    "Password12345678",
    "P@ssw0rdP@ssw0rd",
    "iloveyouiloveyou",
    "123456789012345",
    "qwertyuiopasdfg",
    "abcdefghijklmnop",
    "aaaaaaaaaaaaaaaa",
    "monkeymonkey2024",
    "drowssapdrowssap",
    "QWERTYUIOPqwertyuiop",
    "computer12345678",
]


def some_password(dice: random.Random) -> str:
    """As people make them up, mostly."""
    return "".join(_piece(dice) for _ in range(dice.choice([1, 1, 2, 2, 2, 3, 4])))


def _piece(dice: random.Random) -> str:
    word = dice.choice(WORDS)
    return dice.choice([_word, _disguised, _sequence, _walk, _repeated, _anything])(dice, word)


def _word(dice: random.Random, word: str) -> str:
    return dice.choice([word, word, word.capitalize(), word.upper(), word[::-1], word[:-1] + word[-1].upper()])


def _disguised(dice: random.Random, word: str) -> str:
    return "".join(dice.choice(LOOKS[one]) if one in LOOKS and dice.random() < 0.5 else one for one in word)


def _sequence(dice: random.Random, _word: str) -> str:
    start, step = dice.randrange(32, 120), dice.choice([1, 1, -1, 2, -2, 3, 5, 0])
    return "".join(chr(start + step * at) for at in range(dice.randint(2, 9)) if 32 <= start + step * at < 127)


def _walk(dice: random.Random, _word: str) -> str:
    row = dice.choice(ROWS)
    start = dice.randrange(len(row) - 2)
    run = row[start : start + dice.randint(3, 9)]
    return dice.choice([run, run[::-1], run.upper(), "".join(dice.choices("qwertasdfgzxcvb12345QWERT!", k=5))])


def _repeated(dice: random.Random, word: str) -> str:
    return dice.choice([word, dice.choice(string.printable[:94]), "".join(dice.choices("ab1", k=3))]) * dice.randint(
        2, 6
    )


def _anything(dice: random.Random, _word: str) -> str:
    year = str(dice.randint(1900, 2039))
    return dice.choice([year, f"{dice.randint(1, 31)}{dice.randint(1, 12)}{year}", *ODD])


async def guesses(chromium: Browser, passwords: list[str]) -> list[float]:
    context = await chromium.new_context()
    try:
        page = await context.new_page()
        await page.add_script_tag(path=SCRIPT)
        found: list[float] = await page.evaluate("passwords => passwords.map(guessesAtMost)", passwords)
        return found
    finally:
        await context.close()


async def test_the_hint_calls_nothing_weak_that_the_server_takes(chromium: Browser) -> None:
    dice = random.Random(20)
    passwords = [*TRAPS, *(some_password(dice) for _ in range(PASSWORDS))]
    for password, at_most in zip(passwords, await guesses(chromium, passwords), strict=True):
        strength = int(zxcvbn(normalize("NFKC", password)[:ESTIMATED_CHARACTERS]).score)
        assert [least for least, number in GUESSES.items() if at_most < number and strength >= least] == [], password


@pytest.mark.parametrize("password", EASY)
async def test_what_people_type_first_is_hinted_at(chromium: Browser, password: str) -> None:
    assert (await guesses(chromium, [password]))[0] < GUESSES[2]


async def test_somebody_who_types_an_easy_password_is_told_before_it_is_sent(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.goto(site.link(token))
        rule = page.locator("[data-rule=too-common]")
        await page.fill("#password", "Password12345678")
        await page.locator("#password").blur()
        await expect(rule).to_contain_text("not yet kept")
        await page.fill("#password", "seven quiet lanterns")
        await expect(rule).not_to_contain_text("kept")


async def test_without_its_list_of_words_the_page_hints_all_the_same(chromium: Browser, site: Site) -> None:
    token, _ = await site.world.link()
    async with browsing(chromium, site) as (page, _):
        await page.route("**/static/guesses.js*", lambda route: route.fulfill(status=404))
        await page.goto(site.link(token))
        await page.fill("#password", "seven quiet lanterns")
        await expect(page.locator("[data-rule=min-length]")).to_have_class("kept")
