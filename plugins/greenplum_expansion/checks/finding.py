"""The result of a check, in the form every reader gets it: log, approval, page, mail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """An error blocks the expansion; a warning is shown at the approval; a note only informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True)
class Finding:
    """What is wrong with what, and how to mend it.

    :param severity: whether it blocks
    :param subject: the thing concerned, by name ("sdw3", "segment 4 on sdw1:6000")
    :param problem: the fact found, with both values where two differ
    :param remedy: what the reader does; empty only for a note
    :param check: id of the check that found it, as docs/reference/checks.md explains it; empty if none did
    """

    severity: Severity
    subject: str
    problem: str
    remedy: str = ""
    check: str = ""

    @classmethod
    def error(cls, subject: str, problem: str, remedy: str) -> Finding:
        return cls(Severity.ERROR, subject, problem, remedy)

    @classmethod
    def warning(cls, subject: str, problem: str, remedy: str) -> Finding:
        return cls(Severity.WARNING, subject, problem, remedy)

    @classmethod
    def note(cls, subject: str, problem: str) -> Finding:
        return cls(Severity.NOTE, subject, problem)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Finding:
        return cls(
            Severity(data["severity"]), data["subject"], data["problem"], data.get("remedy", ""), data.get("check", "")
        )

    def to_dict(self) -> dict[str, str]:
        return {**asdict(self), "severity": self.severity.value}

    def __str__(self) -> str:
        remedy = f" Remedy: {self.remedy}." if self.remedy else ""
        return f"{self.severity.upper()} {self.subject}: {self.problem}.{remedy}"


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Without repetitions, errors before warnings before notes, otherwise in the order they were found."""
    return sorted(dict.fromkeys(findings), key=lambda finding: _ORDER[finding.severity])


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.ERROR]
