"""The job's script, run here with stand-ins for the tools: what it leaves, and that no name in it is executed."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from greenplum_expansion.backup.archives import Archive, BackupTools, Tool
from greenplum_expansion.backup.manifest import read_lists
from greenplum_expansion.backup.script import BackupJob, script

TOOLS = {
    "pg_dumpall": "echo 'create role x;'; echo '-- Greenplum Database cluster dump complete'",
    "pg_dump": 'for a; do case $a in --file=*) d=${a#--file=};; esac; done; mkdir "$d"; echo row >"$d/1.dat.gz"',
    "pg_restore": "echo '1; 0 0 TABLE DATA public t gpadmin'",
}
HOSTILE = ["a b", "it's", 'say "x"', "$(touch executed)", "`touch executed`", "; touch executed;", "*", "-rf", "顧客"]


@pytest.fixture
def machine(tmp_path):
    """A directory with stand-ins, in which the script runs; returns how to run it."""
    (tmp_path / "bin").mkdir()

    def run(job, **tools):
        for name, body in {**TOOLS, **tools}.items():
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/bash\n{body}\n")
            path.chmod(0o755)
        return subprocess.run(
            ["bash", "-c", script(job)],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def job(tmp_path):
    return BackupJob(
        expansion_id="e1",
        choice="everything",
        selected=(),
        release="6.24.3",
        segments=4,
        coordinator="mdw",
        directory=str(tmp_path / "backups" / "e1"),
        gpbackup_directory=str(tmp_path / "backups" / "e1.gpbackup"),
        archives=(Archive("01_demo", Tool.PG_DUMP, "demo", expected=1),),
        tools=BackupTools("", False, "pg_dump 9.4", True),
        hosts=(),
        rows=True,
        jobs=2,
        dump_jobs=2,
    )


def files(directory):
    return sorted(str(p.relative_to(directory)) for p in Path(directory).rglob("*") if p.is_file())


def test_everything_is_written_under_the_partial_name_only(machine, job):
    done = machine(job)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not Path(job.directory).exists()
    partial = Path(job.partial)
    listed = read_lists("mdw", (partial / "SHA256SUMS").read_text(), (partial / "SIZES").read_text())
    assert [file.path for file in listed] == [
        "data/01_demo.list",
        "data/01_demo.tables",
        "data/01_demo/1.dat.gz",
        "globals.sql",
        "schema.sql",
    ]
    assert (partial / "data/01_demo.tables").read_text() == "1\n"


def test_nobody_else_may_read_it(machine, job):
    machine(job)
    for path in (Path(job.partial), *Path(job.partial).rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("tool", "body", "said"),
    [
        ("pg_dump", "exit 3", "FAILED: pg_dump of database demo"),
        ("pg_dumpall", "echo cut off", "FAILED: globals.sql is not complete"),
        ("pg_dumpall", "exit 1", "FAILED: pg_dumpall, roles"),
        ("pg_restore", "exit 1", "FAILED: pg_restore cannot read"),
    ],
)
def test_a_tool_that_fails_ends_it_without_lists(machine, job, tool, body, said):
    done = machine(job, **{tool: body})
    assert done.returncode == 1
    assert said in done.stdout
    assert not (Path(job.partial) / "SIZES").exists()


def test_what_an_interrupted_attempt_left_is_removed(machine, job):
    partial = Path(job.partial)
    (partial / "data/01_demo").mkdir(parents=True)
    (partial / "OWNER").write_text("e1\n")
    (partial / "data/01_demo/old.dat.gz").write_text("half")
    assert machine(job).returncode == 0
    assert "data/01_demo/old.dat.gz" not in files(partial)


@pytest.mark.parametrize("owner", ["e2\n", None])
def test_what_is_not_ours_is_left_alone(machine, job, owner):
    partial = Path(job.partial)
    partial.mkdir(parents=True)
    (partial / "precious").write_text("x")
    if owner:
        (partial / "OWNER").write_text(owner)
    done = machine(job)
    assert done.returncode == 1
    assert "is not of this expansion; move it away" in done.stderr
    assert (partial / "precious").read_text() == "x"


def test_a_link_is_never_followed_into_what_it_names(machine, job, tmp_path):
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "OWNER").write_text("e1\n")
    Path(job.partial).parent.mkdir()
    Path(job.partial).symlink_to(target)
    assert machine(job).returncode == 1
    assert files(target) == ["OWNER"]


def test_a_finished_backup_is_never_written_over(machine, job):
    Path(job.directory).mkdir(parents=True)
    done = machine(job)
    assert done.returncode == 1
    assert "exists already" in done.stdout
    assert not Path(job.partial).exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_executed(machine, job, tmp_path, name):
    by_schema = Archive("01_x", Tool.PG_DUMP, name, schemas=(name,))
    by_table = Archive("02_x", Tool.PG_DUMP, name, names=((name, name),))
    done = machine(replace(job, archives=(by_schema, by_table)), pg_dump=TOOLS["pg_dump"] + '; printf "%s\\n" "$@"')
    assert done.returncode == 0, done.stdout + done.stderr
    quoted = '"' + name.replace('"', '""') + '"'
    assert f"--schema={quoted}\n" in done.stdout
    assert f"--table={quoted}.{quoted}\n" in done.stdout
    assert not (tmp_path / "executed").exists()
    assert not list(tmp_path.rglob("executed"))


def test_gpbackup_counts_only_if_its_report_says_success(machine, job):
    made = replace(
        job,
        archives=(Archive("01_demo", Tool.GPBACKUP, "demo", expected=2),),
        tools=replace(job.tools, gpbackup="gpbackup version 1.30.5"),
    )
    body = (
        'd="$4/gpseg-1/backups/20261120/20261120125441"; mkdir -p "$d"; '
        "echo '[INFO]:-Backup Timestamp = 20261120125441'; "
        'printf "rowscopied: 1\\n  rowscopied: 2\\n" >"$d/gpbackup_20261120125441_toc.yaml"; '
        'echo "backup status:         {}" >"$d/gpbackup_20261120125441_report"'
    )
    failed = machine(made, gpbackup=body.format("Failure"))
    assert failed.returncode == 1
    assert "report of gpbackup does not say success" in failed.stdout
    done = machine(made, gpbackup=body.format("Success"))
    assert done.returncode == 0, done.stdout + done.stderr
    partial = Path(job.partial)
    assert (partial / "data/01_demo.timestamp").read_text() == "20261120125441\n"
    assert (partial / "data/01_demo.tables").read_text() == "2\n"
    sums, mark, sizes = (partial / "gpbackup.lists").read_text().partition("---\n")
    assert mark
    assert len(read_lists("mdw", sums, sizes)) == 2


def test_a_job_survives_its_file(job):
    made = replace(job, archives=(Archive("01", Tool.GPBACKUP, "d", ("s",), (("a", "b"),), 3),), hosts=("h",))
    again = BackupJob.from_dict(made.to_dict())
    assert again == made
    assert again.uses_gpbackup
