"""What gpexpand cannot carry is told with the way to change it."""

from __future__ import annotations

from greenplum_expansion.checks.databases import DatabaseFacts, check_closed_databases, check_database
from greenplum_expansion.checks.finding import errors

UNCHANGED = {"statement_timeout": "0", "lock_timeout": "0", "default_transaction_read_only": "off"}


def test_an_ordinary_database_has_no_finding() -> None:
    assert check_database(DatabaseFacts("demo", settings=UNCHANGED)) == []
    assert check_closed_databases([]) == []


def test_a_database_that_allows_no_connections_is_an_error_with_the_statement_that_opens_it() -> None:
    (finding,) = errors(check_closed_databases(["old'db"]))

    assert finding.subject == "database old'db"
    assert "SET datallowconn = true WHERE datname = 'old''db'" in finding.remedy


def test_partitions_outside_their_root_s_schema_are_one_error_with_an_example() -> None:
    strays = {f"archive.p{number}": "sales" for number in range(12)}

    (finding,) = errors(check_database(DatabaseFacts("demo", strays, settings=UNCHANGED)))

    assert "archive.p0, archive.p1" in finding.problem
    assert "and 2 more" in finding.problem
    assert "ALTER TABLE archive.p0 SET SCHEMA sales" in finding.remedy


def test_read_only_sessions_are_an_error_and_timeouts_are_warnings() -> None:
    settings = {"statement_timeout": "40s", "lock_timeout": "5s", "default_transaction_read_only": "on"}

    findings = check_database(DatabaseFacts("demo", settings=settings))

    assert [finding.severity for finding in findings] == ["error", "warning", "warning"]
    assert "statement_timeout is 40s" in findings[1].problem


def test_materialized_views_without_data_are_a_warning() -> None:
    (finding,) = check_database(DatabaseFacts("demo", empty_views=("sales.v",), settings=UNCHANGED))

    assert finding.severity == "warning"
    assert "sales.v" in finding.problem
    assert "REFRESH MATERIALIZED VIEW" in finding.remedy


def test_a_commit_that_waits_for_no_mirror_is_a_warning() -> None:
    (finding,) = check_database(DatabaseFacts("demo", settings={**UNCHANGED, "synchronous_commit": "local"}))

    assert finding.severity == "warning"
    assert "synchronous_commit is local" in finding.problem
    assert check_database(DatabaseFacts("demo", settings={**UNCHANGED, "synchronous_commit": "remote_apply"})) == []


def test_what_is_broken_is_named_with_the_way_to_mend_it() -> None:
    facts = DatabaseFacts(
        "my demo",
        settings=UNCHANGED,
        invalid_indexes={"sales.i": "sales.orders"},
        without_policy=("sales.lost",),
        without_files={"sales.gone": (0, 3)},
        too_wide={"sales.wide": 9},
        unlogged=("stage.u",),
    )

    told = {finding.check: finding for finding in check_database(facts)}

    assert told["invalid-indexes"].severity == "warning"
    assert "sales.i of sales.orders" in told["invalid-indexes"].problem
    assert "REINDEX INDEX sales.i" in told["invalid-indexes"].remedy
    assert "sales.gone on content 0, 3" in told["missing-files"].problem
    assert told["unlogged-tables"].severity == "warning"
    policies = [str(f) for f in check_database(facts) if f.check == "distribution-policies"]
    assert "sales.lost" in policies[0]
    assert "gpcheckcat 'my demo'" in policies[0]
    assert "sales.wide (9)" in policies[1]
