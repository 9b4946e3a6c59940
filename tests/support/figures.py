"""What tests have measured, printed behind the last test, from whichever worker it comes."""

from __future__ import annotations

import pytest
from _pytest.terminal import TerminalReporter

FIGURE = "figure"
"""``record_property(FIGURE, text)`` in a test has the text printed."""


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """A section with all of them; none without."""
    told = [
        str(text)
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if isinstance(report, pytest.TestReport)
        for name, text in report.user_properties
        if name == FIGURE
    ]
    if told:
        terminalreporter.section("figures")
        for text in told:
            terminalreporter.line(text)
