"""Each finding names the thing, the fact and the remedy."""

from dataclasses import replace

import pytest

from greenplum_expansion.checks.cluster import (
    Replication,
    ServerFacts,
    check_expansion_state,
    check_segments,
    check_server,
    check_standby_in_sync,
)
from greenplum_expansion.checks.finding import Finding, errors, worst_first
from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.cluster.topology import Topology
from tests.unit.clusters import cluster, recorded

GOOD = ServerFacts("PostgreSQL 9.4.26 (Greenplum Database 6.24.3 build commit:x)")


def texts(findings: list[Finding]) -> str:
    return "\n".join(map(str, errors(findings)))


def changed(dbid: int, **change) -> Topology:
    return Topology(tuple(replace(i, **change) if i.dbid == dbid else i for i in recorded().instances))


def test_a_good_server_is_only_noted():
    assert [str(f) for f in check_server(GOOD)] == ["NOTE version: Greenplum 6 (6.24.3)."]


def test_a_server_of_no_known_version_is_refused_in_one_finding():
    findings = check_server(replace(GOOD, version_text="PostgreSQL 15.18 on x86_64, compiled"))
    assert len(findings) == 1
    assert "the server is of no version known here: PostgreSQL 15.18 on x86_64" in str(findings[0])


def test_an_unsupported_flavor_says_why():
    text = texts(check_server(replace(GOOD, version_text="PostgreSQL 8.3 (Greenplum Database 5.29.1)")))
    assert "Greenplum 5 (5.29.1): it is not supported. Remedy: its gpexpand takes the database down" in text


def test_a_healthy_cluster_has_no_finding():
    assert check_segments(recorded()) == []


def test_a_down_mirror_is_one_finding_not_two():
    findings = check_segments(changed(6, status="d", mode="n"))
    assert [str(f) for f in findings] == [
        (
            "ERROR mirror of content 0 (dbid 6) on sdw2:7000: it is down. "
            "Remedy: run gprecoverseg -a, wait until it is in sync, try again."
        )
    ]


def test_a_pair_out_of_sync_is_named_by_content():
    both = Topology(tuple(replace(i, mode="n") if i.content == 2 else i for i in recorded().instances))
    assert "content 2: primary and mirror are not in sync" in texts(check_segments(both))


def test_switched_roles_are_told_for_both():
    switched = Topology(
        tuple(replace(i, role="m" if i.role == "p" else "p") if i.content == 1 else i for i in recorded().instances)
    )
    text = texts(check_segments(switched))
    assert "primary of content 1 (dbid 3) on sdw1:6001: it acts as mirror" in text
    assert "mirror of content 1 (dbid 7) on sdw2:7001: it acts as primary" in text


def test_a_cluster_without_mirrors_is_not_judged_for_sync():
    assert errors(check_segments(cluster(mirroring="none"))) == []


def test_a_missing_standby_warns_but_does_not_block():
    findings = check_segments(cluster(standby=False))
    assert errors(findings) == []
    assert "the cluster has none" in str(findings[0])


def test_an_expansion_under_way_is_refused_with_the_way_on():
    findings = check_expansion_state(ExpansionState(Phase.READY, "because", "clear task x"))
    assert [str(f) for f in findings] == [
        "ERROR expansion already under way: ready to redistribute: because. Remedy: clear task x."
    ]
    assert check_expansion_state(ExpansionState(Phase.IDLE, "", "")) == []


def test_findings_are_told_worst_first_and_once():
    note, error = Finding.note("a", "b"), Finding.error("c", "d", "e")
    assert worst_first([note, error, note]) == [error, note]
    assert Finding.from_dict(error.to_dict()) == error


STANDBY = recorded().standby


def follower(**change) -> Replication:
    return replace(Replication(-1, "gp_walreceiver", "streaming", "sync", "none", 0), **change)


def test_a_standby_that_follows_has_no_finding():
    assert check_standby_in_sync(STANDBY, [follower()]) == []


def test_a_standby_that_does_not_follow_is_an_error_though_the_catalog_says_it_is_up():
    (finding,) = errors(check_standby_in_sync(STANDBY, [follower(content=0)]))
    assert "it does not follow the coordinator" in finding.problem
    assert "gpinitstandby -n" in finding.remedy
    assert finding.check == "standby-in-sync"


def test_a_standby_that_catches_up_is_an_error_and_one_far_behind_a_warning():
    (catching_up,) = check_standby_in_sync(STANDBY, [follower(state="catchup")])
    (behind,) = check_standby_in_sync(STANDBY, [follower(behind_bytes=3 * 1024**3)])
    assert "it is in state catchup" in str(catching_up)
    assert str(behind).startswith("WARNING")
    assert "3.0 GiB of log" in behind.problem


def test_no_standby_is_not_judged_for_following():
    assert check_standby_in_sync(None, []) == []


@pytest.mark.parametrize("suffix", ["location", "lsn"])
def test_the_log_behind_is_counted_under_the_names_of_both_versions(suffix):
    row = {
        "gp_segment_id": -1, "application_name": "gp_walreceiver", "state": "streaming", "sync_state": "sync",
        f"sent_{suffix}": "1/10", f"replay_{suffix}": "0/FFFFFFF0", "sync_error": "none",
    }  # fmt: skip
    assert Replication.from_row(row).behind_bytes == 0x20
    nobody = {**row, f"sent_{suffix}": None, "application_name": None, "state": None, "sync_state": None}
    assert Replication.from_row(nobody).behind_bytes is None
