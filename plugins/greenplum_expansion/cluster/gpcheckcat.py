"""What gpcheckcat prints, understood.

Source: gpcheckcat 6.24.3 (``checkcatReport``, ``runAllChecks``); one report a database, issues object by object, and
only names of those failed tests whose issues it does not list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONNECTED = re.compile(r"^Connected as user '.*' to database '(?P<name>.*)', port ", re.MULTILINE)
_COMPLETED = re.compile(r"^Completed (?P<tests>\d+) test\(s\) on database ", re.MULTILINE)
_ISSUES = re.compile(r"^Found a total of (?P<count>\d+) issue", re.MULTILINE)
# What is wrong with an object is indented; its number alone says little.
_OBJECT = re.compile(r"^(?:Object oid|Table name|Relation name): .*|^ {8}\S.*", re.MULTILINE)
_LISTED = re.compile(r"Name of test which found this issue: (\S+)")
_NOT_LISTED = re.compile(r"^Failed test\(s\) that are not reported here: (?P<names>.+)$", re.MULTILINE)
_REPAIR = re.compile(r"repair script\(s\) generated in dir (?P<dir>.+)$", re.MULTILINE)
_LOG = re.compile(r"^See (?P<path>\S+) for detail", re.MULTILINE)
_DROPPED = re.compile(r"^Found and dropped (?P<count>\d+) unbound temporary schemas", re.MULTILINE)
_FAILED = re.compile(r"^\s*(?:\[ERROR\] (?:executing test|executing): .*|Execution error: .*)$", re.MULTILINE)
_REFUSED = re.compile(r"Usage of gpcheckcat is not supported while .*")


@dataclass(frozen=True)
class DatabaseReport:
    """One database.

    :param tests: number that ran; None if it did not come to the end
    :param issues: objects with an issue
    :param failed_tests: by name, in gpcheckcat's words (``missing_extraneous_pg_class``)
    :param said: first lines about the objects concerned
    :param errors: tests that could not be run, in gpcheckcat's words
    :param repair_directory: where it wrote scripts that mend some of it; empty if it wrote none
    :param dropped_schemas: temporary schemas without a session, which it dropped
    """

    dbname: str
    tests: int | None
    issues: int = 0
    failed_tests: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    repair_directory: str = ""
    log: str = ""
    dropped_schemas: int = 0

    @property
    def is_clean(self) -> bool:
        return self.tests is not None and not self.issues and not self.failed_tests and not self.errors


@dataclass(frozen=True)
class CheckcatReport:
    """All databases, or why it would not begin.

    :param refusal: its own words, when an expansion is being prepared; else empty
    """

    databases: tuple[DatabaseReport, ...]
    refusal: str = ""


def parse(text: str) -> CheckcatReport:
    """Read the output of ``gpcheckcat -A`` or of a run on one database."""
    refusal = _REFUSED.search(text)
    starts = list(_CONNECTED.finditer(text))
    ends = [*(start.start() for start in starts[1:]), len(text)]
    databases = tuple(
        _parse_one(start["name"], text[start.end() : end]) for start, end in zip(starts, ends, strict=False)
    )
    return CheckcatReport(databases, refusal.group(0) if refusal else "")


def _parse_one(dbname: str, text: str) -> DatabaseReport:
    completed, issues, dropped = _COMPLETED.search(text), _ISSUES.search(text), _DROPPED.search(text)
    not_listed, repair, log = _NOT_LISTED.search(text), _REPAIR.search(text), _LOG.search(text)
    failed = dict.fromkeys(_LISTED.findall(text))
    if not_listed:
        failed |= dict.fromkeys(name.strip() for name in not_listed["names"].split(","))
    said = (line.strip() for line in _OBJECT.findall(text))
    return DatabaseReport(
        dbname,
        tests=int(completed["tests"]) if completed else None,
        issues=int(issues["count"]) if issues else 0,
        failed_tests=tuple(failed),
        said=tuple(dict.fromkeys(said)),
        errors=tuple(dict.fromkeys(line.strip() for line in _FAILED.findall(text))),
        repair_directory=repair["dir"].strip() if repair else "",
        log=log["path"] if log else "",
        dropped_schemas=int(dropped["count"]) if dropped else 0,
    )
