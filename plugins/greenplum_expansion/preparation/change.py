"""A change to one host, described so that it can be shown, made, made again after a crash, and taken back."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from greenplum_expansion.checks.finding import Finding


@dataclass(frozen=True)
class FileChange:
    """A file of which all of the text is known beforehand.

    :param old: its text now; None if there is none
    :param mode, owner: for a file that is not there yet; one that is keeps its own
    :param check: shell that must succeed once it is written, else the old file is put back (``sshd -t``)
    :param then: shell that makes it felt (``systemctl restart chronyd``); also run when it is taken back
    :param needs_reboot: felt only after a reboot
    """

    path: str
    old: str | None
    new: str
    why: str
    mode: int = 0o644
    owner: str = "0:0"
    check: str = ""
    then: str = ""
    needs_reboot: bool = False
    part: str = ""

    @property
    def subject(self) -> str:
        return self.path

    def diff(self) -> str:
        return _unified(self.path, self.old, self.new)


@dataclass(frozen=True)
class StateChange:
    """Anything else: a kernel parameter that is live, a service, an account.

    :param subject: what, as a person calls it
    :param old, new: what `probe` prints before and after, blanks aside
    :param probe: shell that prints the state, as short text
    :param do: shell that makes `new` of `old`; harmless if it is that already
    :param undo: shell that makes `old` of `new`; empty if that is not for us to do
    """

    subject: str
    old: str
    new: str
    why: str
    probe: str
    do: str
    undo: str = ""
    needs_reboot: bool = False
    part: str = ""

    def diff(self) -> str:
        return _unified(self.subject, f"{self.old}\n" if self.old else "", f"{self.new}\n")


Change = FileChange | StateChange


@dataclass(frozen=True)
class PartPlan:
    """What is to be done about one part on one host, and what a person has to know or decide."""

    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    part: str = ""

    def stamped(self, part: str) -> PartPlan:
        """With the part's name on itself and on each change."""
        return PartPlan(tuple(replace(change, part=part) for change in self.changes), self.findings, part)

    def diff(self) -> str:
        """All changes as one text; empty if there is nothing to do."""
        return "".join(change.diff() for change in self.changes)


@dataclass
class Draft:
    """A PartPlan in the making."""

    changes: list[Change] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def file(self, path: str, old: str | None, new: str, why: str, **details: object) -> None:
        """Add a file, unless it is so already."""
        if old != new:
            self.changes.append(FileChange(path, old, new, why, **details))  # type: ignore[arg-type]

    def state(self, change: StateChange) -> None:
        """Add a state, unless it is so already."""
        if change.old.split() != change.new.split():
            self.changes.append(change)

    def warn(self, subject: str, problem: str, remedy: str) -> None:
        self.findings.append(Finding.warning(subject, problem, remedy))

    def refuse(self, subject: str, problem: str, remedy: str) -> None:
        self.findings.append(Finding.error(subject, problem, remedy))

    def note(self, subject: str, problem: str) -> None:
        self.findings.append(Finding.note(subject, problem))

    def plan(self) -> PartPlan:
        return PartPlan(tuple(self.changes), tuple(self.findings))


def _unified(subject: str, old: str | None, new: str) -> str:
    before = (old or "").splitlines(keepends=True)
    after = new.splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, f"{subject} (now)" if old is not None else "/dev/null", subject)
    return "".join(_ended(lines))


def _ended(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
