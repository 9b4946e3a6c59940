"""A look at the practice cluster, and at hosts that may be added: what it leaves for the pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.operators.checks.new_hosts import CheckNewHostOperator
from greenplum_expansion.operators.look import LookAtClusterOperator, LookAtPlacesOperator
from tests.support.one_task import OneRun
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

CLUSTER = LookAtClusterOperator(task_id="cluster")
PLACES = LookAtPlacesOperator(task_id="places", connection_task="cluster")


@pytest.fixture(autouse=True)
def fresh(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    practice.clear_faults()
    practice.reset()
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
    yield
    practice.clear_faults()


def test_a_cluster_is_seen_as_it_is() -> None:
    run = OneRun({"greenplum_conn_id": "practice"})
    assert run.run(CLUSTER) is True
    seen = run.left(CLUSTER, "cluster")
    topology = Topology.from_rows(seen["instances"])
    assert (topology.segment_count, topology.segment_hosts) == (4, ("sdw1", "sdw2"))
    assert seen["version"] == "Greenplum 6 (6.24.3)"
    assert (seen["state"], all(i.is_up for i in topology.instances)) == ("idle", True)
    assert {database["name"] for database in seen["databases"]} >= {"demo", "postgres"}
    assert min(database["bytes"] for database in seen["databases"]) > 0
    assert run.left(CLUSTER, "findings") == []


def test_without_hosts_only_the_cluster_is_looked_at() -> None:
    run = OneRun({"greenplum_conn_id": "practice"})
    run.run(CLUSTER)
    assert run.run(PLACES) == []
    assert run.left(PLACES, "findings") is None


def test_each_host_gets_its_own_findings_even_if_one_alone_cannot_be_placed() -> None:
    run = OneRun({"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23"]})
    run.run(CLUSTER)
    (place,) = run.run(PLACES)
    assert ["at least 2 new hosts" in finding["problem"] for finding in run.left(PLACES, "findings")] == [True]
    host = CheckNewHostOperator(task_id="host", host=place, places_task="places")
    assert run.run(host)["hostname"] == "sdw3"
    assert run.left(host, "findings") is not None


def test_a_cluster_that_does_not_answer_is_a_finding_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", '{"conn_type": "greenplum", "host": "127.0.0.1", "port": 1}')
    run = OneRun({"greenplum_conn_id": "practice"})
    assert run.run(CLUSTER) is False
    assert run.left(CLUSTER, "cluster") is None
    (finding,) = run.left(CLUSTER, "findings")
    assert finding["severity"] == "error"
    assert finding["remedy"]
