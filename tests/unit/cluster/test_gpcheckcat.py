"""gpcheckcat's reports, recorded and as its source prints them, and what is made of them."""

from __future__ import annotations

from pathlib import Path

from greenplum_expansion.checks.catalog import check_catalog
from greenplum_expansion.checks.finding import Severity
from greenplum_expansion.cluster.gpcheckcat import parse

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings"

BROKEN = """
Connected as user 'gpadmin' to database 'my dwh', port '5432', gpdb version '6.24'
-------------------------------------------------------------------
Batch size: 5
Found and dropped 2 unbound temporary schemas
Performing test 'missing_extraneous'
Total runtime for test 'missing_extraneous': 0:00:00.34

catalog issue(s) found , repair script(s) generated in dir gpcheckcat.repair.20261120072132

SUMMARY REPORT
===================================================================
Completed 13 test(s) on database 'my dwh' at 2026-11-20 07:21:32 with elapsed time 0:00:07
Found a total of 1 issue(s)

----------------------------------------------------
Object oid: 16999
Table name: pg_namespace

    Name of test which found this issue: missing_extraneous_pg_namespace
        Extra namespace metadata of {'oid': 16999} on segment {0} (sdw1:6000)


Failed test(s) that are not reported here: distribution_policy
See /home/gpadmin/gpAdminLogs/gpcheckcat_20261120.log for detail

"""
REFUSED = (
    "ERROR: Usage of gpcheckcat is not supported while the cluster is in a reconfiguration state, exit gpcheckcat\n"
)


def judge(text: str, exit_code: int | None):
    return check_catalog(parse(text), exit_code, "/home/gpadmin/greenplum-expansions/x", "/x/job/log")


def test_a_recorded_clean_run_is_one_note() -> None:
    text = (RECORDINGS / "50_gpcheckcat_before.txt").read_text()
    (finding,) = judge(text, 0)
    assert finding.severity is Severity.NOTE
    assert "13 tests on 1 databases found no catalog issue" in finding.problem


def test_recorded_runs_on_several_databases_are_told_apart() -> None:
    text = (RECORDINGS / "94_gpcheckcat_more.txt").read_text()
    report = parse(text)
    assert [database.dbname for database in report.databases] == ["template1"]  # its head was cut off by the recording
    assert report.databases[0].is_clean


def test_issues_are_told_with_tests_objects_and_repair_scripts() -> None:
    dropped, error = judge(BROKEN, 3)
    assert "dropped 2 temporary schemas" in dropped.problem
    assert error.subject == "database my dwh"
    assert "found 1 issues, tests that failed: missing_extraneous_pg_namespace, distribution_policy" in error.problem
    assert "Object oid: 16999, Table name: pg_namespace, Extra namespace metadata of {'oid': 16999}" in error.problem
    assert "/home/gpadmin/gpAdminLogs/gpcheckcat_20261120.log" in error.remedy
    assert "scripts in /home/gpadmin/greenplum-expansions/x/gpcheckcat.repair.20261120072132" in error.remedy


def test_what_6_24_3_said_of_a_schema_that_was_on_one_segment_only() -> None:
    said = """
Connected as user 'gpadmin' to database 'demo', port '5432', gpdb version '6.24'
-------------------------------------------------------------------
Batch size: 9
Performing test 'missing_extraneous'
Total runtime for test 'missing_extraneous': 0:00:03.39
Performing test 'namespace'
Total runtime for test 'namespace': 0:00:00.35

SUMMARY REPORT
===================================================================
Completed 2 test(s) on database 'demo' at 2026-11-20 14:00:24 with elapsed time 0:00:03
Found a total of 1 issue(s)

----------------------------------------------------
Object oid: 33420
Table name: pg_namespace

    Name of test which found this issue: missing_extraneous_pg_namespace
        Extra namespace metadata of {'oid': 33420} on content 0 (sdw1:6000) \n\n
"""
    (error,) = judge(said, 3)
    assert error.problem == (
        "gpcheckcat found 1 issues, tests that failed: missing_extraneous_pg_namespace (Object oid: 33420, "
        "Table name: pg_namespace, Extra namespace metadata of {'oid': 33420} on content 0 (sdw1:6000))"
    )
    assert "it wrote no repair scripts" in error.remedy


def test_a_refusal_is_told_in_its_own_words_and_left_to_the_check_of_the_expansion() -> None:
    (finding,) = judge(REFUSED, 1)
    assert finding.severity is Severity.NOTE
    assert "reconfiguration state" in finding.problem


def test_a_run_that_was_killed_proves_nothing() -> None:
    (finding,) = judge("Connected as user 'gpadmin' to database 'demo', port '5432', gpdb version '6.24'\n", None)
    assert finding.severity is Severity.ERROR
    assert "it was ended without a verdict" in finding.problem
    (silent,) = judge("", 2)
    assert "it ended with exit code 2 without a verdict" in silent.problem


def test_a_test_that_could_not_run_is_no_clean_bill() -> None:
    text = BROKEN.split("Found a total")[0] + "  Execution error: canceling statement due to user request\n"
    findings = [finding for finding in judge(text, 3) if finding.severity is Severity.ERROR]
    assert "could not run: Execution error: canceling statement" in findings[0].problem
