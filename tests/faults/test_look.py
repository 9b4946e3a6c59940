"""A look at the practice cluster, and at hosts that may be added: what it leaves for the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.operators.look import (
    LookAtClusterOperator,
    LookAtHostOperator,
    LookAtPlacesOperator,
    LookAtWorkloadOperator,
)
from greenplum_expansion.planning.moves import Storage
from greenplum_expansion.planning.workload import LARGEST, Workload
from greenplum_expansion.request import LookRequest
from tests.support.one_task import OneRun
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

CLUSTER = LookAtClusterOperator(task_id="cluster")
WORKLOAD = LookAtWorkloadOperator(task_id="workload", cluster_task="cluster")
PLACES = LookAtPlacesOperator(task_id="places", connection_task="cluster")


def look(**conf: Any) -> OneRun:
    return OneRun({"greenplum_conn_id": "practice", **conf}, model=LookRequest)


@pytest.fixture(autouse=True)
def connection(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    """The practice cluster as an Airflow connection. Looks change nothing, so all tests share it as it is."""
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())


def test_a_cluster_is_seen_as_it_is() -> None:
    run = look()
    assert run.run(CLUSTER) is True
    seen = run.left(CLUSTER, "cluster")
    topology = Topology.from_rows(seen["instances"])
    assert (topology.segment_count, topology.segment_hosts) == (4, ("sdw1", "sdw2"))
    assert seen["version"] == "Greenplum 6 (6.24.3)"
    assert (seen["state"], all(i.is_up for i in topology.instances)) == ("idle", True)
    assert {database["name"] for database in seen["databases"]} >= {"demo", "postgres"}
    assert min(database["bytes"] for database in seen["databases"]) > 0
    assert [finding["severity"] for finding in run.left(CLUSTER, "findings")] == ["note"]  # which version it is


def test_without_hosts_only_the_cluster_is_looked_at() -> None:
    run = look()
    run.run(CLUSTER)
    assert run.run(PLACES) == []
    assert run.left(PLACES, "findings") is None


def test_each_host_gets_its_own_findings_even_if_one_alone_cannot_be_placed() -> None:
    run = look(new_hosts=["sdw3=10.77.0.23"])
    run.run(CLUSTER)
    (place,) = run.run(PLACES)
    assert ["at least 2 new hosts" in finding["problem"] for finding in run.left(PLACES, "findings")] == [True]
    host = LookAtHostOperator(task_id="host", host=place, places_task="places")
    assert run.run(host)["hostname"] == "sdw3"
    assert run.left(host, "findings") is not None


def test_a_cluster_that_does_not_answer_is_a_finding_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", '{"conn_type": "greenplum", "host": "127.0.0.1", "port": 1}')
    run = look()
    assert run.run(CLUSTER) is False
    assert run.left(CLUSTER, "cluster") is None
    (finding,) = run.left(CLUSTER, "findings")
    assert finding["severity"] == "error"
    assert finding["remedy"]


def test_tables_are_measured_as_the_plan_will_measure_them(rows: Callable[..., list[tuple[Any, ...]]]) -> None:
    run = look(with_tables=True)
    run.run(CLUSTER)
    assert run.run(WORKLOAD) is True
    seen = Workload.from_dict(run.left(WORKLOAD, "workload"))
    counted = rows("SELECT count(*) FROM gp_distribution_policy p JOIN pg_class c ON c.oid = p.localoid")[0][0]
    assert 5 < seen.total.tables <= counted
    assert set(seen.volumes) == set(Storage)  # the practice cluster has every kind
    sizes = [move.bytes + move.index_bytes for move in seen.largest]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < sizes[0] < seen.total.bytes
    assert len(seen.largest) == min(LARGEST, seen.total.tables)
    assert seen.finished == ()
    assert run.left(WORKLOAD, "findings") == []


def test_tables_are_measured_only_if_asked_for() -> None:
    run = look()
    run.run(CLUSTER)
    with pytest.raises(AirflowSkipException, match="not asked for"):
        run.run(WORKLOAD)


def test_tables_of_a_cluster_that_did_not_answer_are_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", '{"conn_type": "greenplum", "host": "127.0.0.1", "port": 1}')
    run = look(with_tables=True)
    run.run(CLUSTER)
    with pytest.raises(AirflowSkipException, match="was not answered"):
        run.run(WORKLOAD)


def test_tables_that_cannot_be_measured_are_a_finding_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    run = look(with_tables=True)
    run.run(CLUSTER)
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", '{"conn_type": "greenplum", "host": "127.0.0.1", "port": 1}')
    assert run.run(WORKLOAD) is False
    (finding,) = run.left(WORKLOAD, "findings")
    assert finding["severity"] == "error"
    assert run.left(WORKLOAD, "workload") is None
