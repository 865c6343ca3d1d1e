"""What generators of passwords are told of the rules."""

from __future__ import annotations

import pytest

from pwreset.reset.policy import Rule, RuleCode
from pwreset.web.generator import for_generators
from tests.fakes.pages import PagesWorld
from tests.fakes.person import open_link


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([], ""),
        ([Rule(RuleCode.TOO_COMMON), Rule(RuleCode.HISTORY, 5)], ""),
        ([Rule(RuleCode.MIN_LENGTH, 15), Rule(RuleCode.MAX_LENGTH, 64)], "minlength: 15; maxlength: 64"),
        ([Rule(RuleCode.MIN_LENGTH, 15), Rule(RuleCode.MIN_LENGTH, 8)], "minlength: 15"),
        ([Rule(RuleCode.MAX_LENGTH, 64), Rule(RuleCode.MAX_LENGTH, 256)], "maxlength: 64"),
        ([Rule(RuleCode.MIN_DIGITS, 2), Rule(RuleCode.MAX_REPEATS, 2)], "max-consecutive: 2; required: digit"),
        (
            [Rule(RuleCode.COMPLEXITY, 3), Rule(RuleCode.MIN_DIGITS, 1)],
            "required: lower; required: upper; required: digit; required: special",
        ),
    ],
)
def test_generators_are_told_the_strictest_of_each_rule_that_they_know(rules: list[Rule], told: str) -> None:
    assert for_generators(rules) == told


async def test_the_form_tells_generators_its_rules() -> None:
    world = PagesWorld()
    page = await open_link(world.browser(), (await world.link())[0])
    assert 'autocomplete="new-password" passwordrules="minlength: 15; maxlength: 256"' in page.text
