"""What was found, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from pwreset.reset.findings import Finding, State

MARKS = {
    State.OK: "[green]ok  [/]",
    State.WARNING: "[yellow]WARN[/]",
    State.FAILED: "[red]FAIL[/]",
    State.UNTOLD: "[cyan]?   [/]",
}


def exit_code(findings: Sequence[Finding], *, strict: bool) -> int:
    """0 when nothing has failed, else 1; with `strict` a warning counts as a failure."""
    bad = (State.FAILED, State.WARNING) if strict else (State.FAILED,)
    return int(any(finding.state in bad for finding in findings))


def plain(findings: Sequence[Finding]) -> dict[str, Any]:
    """For programs; the shape stands in docs/reference/check.md."""
    return {
        "ok": all(finding.ok for finding in findings),
        "counts": {state.word: sum(finding.state is state for finding in findings) for state in State},
        "findings": [
            {
                "part": finding.part.word,
                "state": finding.state.word,
                "domain": finding.domain or None,
                "subject": finding.subject or None,
                "detail": finding.detail,
                "advice": finding.advice or None,
            }
            for finding in findings
        ],
    }


def print_findings(findings: Sequence[Finding]) -> None:
    """For people: under each domain a mark, the part, what was seen, and below it what to do."""
    console = Console(highlight=False, soft_wrap=True)
    domain = ""
    for finding in findings:
        if finding.domain != domain:
            domain = finding.domain
            console.print(f"\n[bold]{escape(domain)}[/]" if domain else "")
        of = f" {escape(finding.subject)}" if finding.subject else ""
        console.print(f"{MARKS[finding.state]} [bold]{escape(finding.part.word)}[/]{of}: {escape(finding.detail)}")
        if finding.advice:
            console.print(f"       {escape(finding.advice)}")
    console.print(f"\n{_summary(findings)}")


def _summary(findings: Sequence[Finding]) -> str:
    failed = sum(finding.state is State.FAILED for finding in findings)
    warnings = sum(finding.state is State.WARNING for finding in findings)
    untold = sum(finding.state is State.UNTOLD for finding in findings)
    told = [
        f"{failed} failed" if failed else "nothing failed",
        *([f"{warnings} warning{'s' if warnings > 1 else ''}"] if warnings else []),
        *([f"{untold} could not be told"] if untold else []),
    ]
    return ", ".join(told)
