"""The end of a backup: an archive that holds less than it should is told, one that holds nothing is no backup."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from greenplum_expansion.backup.archives import Archive, BackupTools, Tool, archives
from greenplum_expansion.backup.script import SIZES, BackupJob
from greenplum_expansion.backup.selection import BackupTable, select
from greenplum_expansion.checks.finding import Severity
from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks import backup
from greenplum_expansion.hooks.backup import BackupFacts, fewer_tables, finish
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.jobs import JobState, JobStatus
from tests.unit.clusters import cluster

JOB = BackupJob(
    expansion_id="e1",
    choice="everything",
    selected=(),
    release="6.24.3",
    segments=4,
    coordinator="mdw",
    directory="/backups/e1",
    gpbackup_directory="/backups/e1.gpbackup",
    archives=(Archive("01_dwh", Tool.PG_DUMP, "dwh", expected=3), Archive("02_empty", Tool.PG_DUMP, "empty")),
    tools=BackupTools("", False, "pg_dump 9.4", True),
    hosts=(),
    rows=True,
    jobs=2,
    dump_jobs=2,
)


class Coordinator:
    """Says how many tables an archive holds; remembers what it was told to do."""

    def __init__(self, tables: int) -> None:
        self.tables = {"01_dwh": tables, "02_empty": 0}
        self.commands: list[list[str]] = []
        self.written: list[str] = []

    def read_text(self, path: str) -> str:
        return f"{self.tables[path.rpartition('/')[2].removesuffix('.tables')]}\n"

    def run(self, command: list[str]) -> Any:
        self.commands.append(command)
        return SimpleNamespace(stdout="0" * 64)

    def write_json(self, path: str, value: Any) -> None:
        self.written.append(path)

    def write_json_lines(self, path: str, rows: Any) -> None:
        self.written.append(path)


def end(monkeypatch: pytest.MonkeyPatch, tables: int) -> tuple[Any, Coordinator]:
    """The manifest, or the error, with that many of three tables in the archive."""
    coordinator = Coordinator(tables)
    monkeypatch.setattr(backup, "_files", lambda hook, job: [])
    hook = cast(GreenplumHook, SimpleNamespace(coordinator=lambda: coordinator))
    try:
        return finish(hook, JOB, JobStatus(JobState.FINISHED, exit_code=0)), coordinator
    except StepFailed as error:
        return error, coordinator


def test_an_archive_without_any_of_its_tables_is_no_backup_and_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    error, coordinator = end(monkeypatch, 0)
    assert isinstance(error, StepFailed)
    assert "rows of 0 tables, 3 were there" in error.cause
    assert "02_empty" not in error.cause  # nothing was there to be saved
    assert coordinator.commands == [["rm", "-f", "--", f"{JOB.partial}/{SIZES}"]]
    assert coordinator.written == []


def test_an_archive_with_fewer_tables_is_a_warning_for_who_approves(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, _ = end(monkeypatch, 2)
    (finding,) = fewer_tables(manifest.archives)
    assert finding.severity is Severity.WARNING
    assert finding.subject == "Backup of database dwh"
    assert "rows of 2 tables, 3 were there when it began" in finding.problem
    assert fewer_tables(end(monkeypatch, 3)[0].archives) == []


def test_databases_whose_names_gpbackup_is_not_told_are_named_before_anything_is_written() -> None:
    tools = replace(JOB.tools, gpbackup="gpbackup 1.30")
    tables = [BackupTable("it's", "s", "t", 1), BackupTable("dwh", "s", "t", 1)]
    selection = select([], ["it's", "dwh"], tables)
    job = replace(JOB, tools=tools, archives=archives(selection, tools))
    facts = BackupFacts(job, selection, cluster(), {}, (), "")
    assert facts.estimate() == [
        "with gpbackup and pg_dump and pg_dumpall: 2 archives",
        "it's: by pg_dump, as gpbackup could be misled by the names in it",
    ]
