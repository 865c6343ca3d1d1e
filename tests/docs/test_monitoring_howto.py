"""The alerts of the monitoring how-to name what there is."""

from __future__ import annotations

import re

import pytest

from pwreset.errors import every_error
from pwreset.metrics import Kind, Metric
from tests.docs.markdown import ROOT

RULES = (ROOT / "docs" / "how-to" / "monitoring.md").read_text(encoding="utf-8")
EXPRESSIONS = re.findall(r"^ +expr: (.*)$", RULES, re.MULTILINE)
PARTS = ("_bucket", "_sum", "_count")
DECLARED = {
    name: metric.value
    for metric in Metric
    for name in (
        [metric.value.scraped + part for part in PARTS]
        if metric.value.kind is Kind.HISTOGRAM
        else [metric.value.scraped]
    )
}


def test_there_are_alerts() -> None:
    assert len(EXPRESSIONS) == RULES.count("- alert:") > 5


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_alert_names_metrics_and_labels_that_there_are(expression: str) -> None:
    for name, _, matchers in re.findall(r"\b(pwreset_\w+)(\{([^}]*)\})?", expression):
        labels = set(re.findall(r"(\w+)=", matchers))
        assert name in DECLARED
        assert labels <= {*DECLARED[name].labels, "le"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_alert_is_whole(expression: str) -> None:
    bare = re.sub(r'"[^"]*"', "", expression)
    for opening, closing in ("()", "{}", "[]"):
        assert bare.count(opening) == bare.count(closing)
    assert re.search(r"(==|>|<) ?[\w.]+$", bare)


def test_the_reasons_in_alerts_are_those_of_errors() -> None:
    reasons = set(re.findall(r'reason="([^"]+)"', RULES))
    assert reasons
    assert reasons <= {error.reason for error in every_error()}


def test_every_metric_named_in_the_text_is_declared() -> None:
    assert set(re.findall(r"\bpwreset_[a-z_]+", RULES)) <= set(DECLARED)
