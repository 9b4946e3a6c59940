"""Settings are held against the wished parallelism, with what would fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenplum_expansion.checks.finding import Severity
from greenplum_expansion.checks.settings import SettingsFacts, check_heap_checksums, check_settings
from tests.unit.clusters import recorded

GOOD = SettingsFacts(
    {
        "max_connections": "100",
        "max_prepared_transactions": "100",
        "max_locks_per_transaction": "128",
        "gp_interconnect_type": "udpifc",
    }
)


def with_settings(**settings: str) -> SettingsFacts:
    return replace(GOOD, settings={**GOOD.settings, **settings})


def test_ordinary_settings_have_no_finding() -> None:
    assert check_settings(GOOD, 4) == []


def test_too_few_connections_are_told_with_what_would_fit() -> None:
    (finding,) = check_settings(with_settings(max_connections="8"), 4)
    assert str(finding) == (
        "ERROR max_connections: it is 8; moving 4 tables at a time needs 9. "
        "Remedy: move at most 3 tables at a time, or raise max_connections."
    )
    assert finding.check == "max-connections"


def test_connections_that_are_taken_count_too() -> None:
    (finding,) = check_settings(replace(GOOD, sessions=95), 4)
    assert finding.severity is Severity.WARNING
    assert "of 100 connections 95 are taken" in finding.problem
    assert "move at most 2 tables" in finding.remedy
    (full,) = check_settings(replace(GOOD, sessions=100), 4)
    assert "move at most" not in full.remedy


@pytest.mark.parametrize(("partitions", "found"), [(20_400, 0), (20_500, 1)])
def test_locks_for_a_table_with_all_its_partitions(partitions: int, found: int) -> None:
    findings = check_settings(replace(GOOD, largest_trees={"demo": ("sales.facts", partitions)}), 4)
    assert len(findings) == found
    if findings:
        assert "the lock table holds 25600 locks (max_locks_per_transaction 128)" in findings[0].problem
        assert "gpconfig -c max_locks_per_transaction -v 129" in findings[0].remedy


def test_a_proxied_interconnect_is_an_error() -> None:
    (finding,) = check_settings(with_settings(gp_interconnect_type="proxy"), 4)
    assert finding.severity is Severity.ERROR
    assert "gpconfig -c gp_interconnect_type -v UDPIFC" in finding.remedy


def test_a_server_without_a_setting_is_not_judged_by_it() -> None:
    assert check_settings(SettingsFacts({"max_connections": "100"}), 4) == []


def test_tablespaces_of_users_are_noted() -> None:
    (finding,) = check_settings(replace(GOOD, tablespaces=("fast", "slow")), 4)
    assert finding.severity is Severity.NOTE
    assert "fast, slow" in finding.problem


CLUSTER = recorded()
EQUAL = {instance.dbid: "1" for instance in CLUSTER.instances}


def test_equal_checksums_have_no_finding() -> None:
    assert check_heap_checksums(CLUSTER, EQUAL) == []
    assert check_heap_checksums(CLUSTER, dict.fromkeys(EQUAL, "0")) == []


def test_a_segment_whose_checksums_differ_from_the_coordinator_s_is_named() -> None:
    (finding,) = check_heap_checksums(CLUSTER, {**EQUAL, 3: "0"})
    assert "they are on on the coordinator, but off on primary of content 1 (dbid 3)" in finding.problem


def test_control_data_that_cannot_be_read_is_an_error_of_its_own() -> None:
    (finding,) = check_heap_checksums(CLUSTER, {**EQUAL, 3: ""})
    assert "pg_controldata could not read /data/primary/gpseg1" in finding.problem


def test_a_host_that_was_not_looked_at_is_not_judged_by_its_checksums() -> None:
    assert check_heap_checksums(CLUSTER, {1: "1"}) == []
