"""A whole expansion of a real cluster, once; each test looks at one thing that must be true of it.

The cluster stays expanded: gpexpand cannot take segments out again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.airflow_api import AirflowApi
from tests.greenplum.cluster import RealCluster
from tests.greenplum.conftest import CONNECTION_ID
from tests.support.airflow_runs import EXPAND, ROLLBACK, Run, ended_with_test

# A real cluster takes the time it takes: only a wait of a day counts as a hang.
A_DAY = 24 * 3600.0
pytestmark = [pytest.mark.greenplum, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(0)]


@dataclass(frozen=True)
class Expansion:
    """What was seen on the way.

    :param question: the required action that a person was asked
    :param waiting: snapshot of the cluster while it waited for the answer
    :param second: a run triggered meanwhile
    """

    run: Run
    hosts_before: dict[str, int]
    before: dict[str, Any]
    question: dict[str, Any]
    waiting: dict[str, Any]
    second: Run


@pytest.fixture(scope="module")
def expansion(cluster: RealCluster, airflow: AirflowApi) -> Iterator[Expansion]:
    """Trigger, look at what is asked, trigger once more, approve, follow to the end."""
    request = {"greenplum_conn_id": CONNECTION_ID, "new_hosts": cluster.new_hosts, **cluster.wishes}
    hosts_before, before = cluster.primaries(), cluster.snapshot()
    with ended_with_test(Run.trigger(airflow, EXPAND, request, A_DAY)) as run:
        question = run.wait_for_question()
        second = Run.trigger(airflow, EXPAND, request, A_DAY)
        second.wait_ended()
        waiting = cluster.snapshot()
        run.answer("Approve")
        run.wait_succeeded()
        yield Expansion(run, hosts_before, before, question, waiting, second)


def test_no_check_finds_an_error(expansion: Expansion) -> None:
    assert expansion.run.findings(severity="error") == []


def test_nothing_in_the_cluster_changes_before_the_approval(expansion: Expansion) -> None:
    assert expansion.waiting == expansion.before


def test_a_person_is_asked_with_the_plan_and_what_can_be_undone(expansion: Expansion, cluster: RealCluster) -> None:
    body = expansion.question["body"]

    assert set(expansion.question["options"]) == {"Approve", "Reject"}
    assert "**From there on the way is forward only.**" in body
    for host in cluster.new_hosts:
        name = host.partition("=")[0]
        assert f"\n| {name} | new |" in body  # a row of the layout
        assert f"\n{name}|" in "\n" + expansion.question["params"]["input_file"]["value"]


def test_a_second_expansion_while_the_first_waits_is_refused_in_one_finding(expansion: Expansion) -> None:
    errors = expansion.second.findings(severity="error")

    assert expansion.second.state == "failed"
    assert [finding["subject"] for finding in errors] == ["Expansion already under way"]
    assert expansion.run.run_id in errors[0]["problem"]
    assert expansion.second.states()["add_segments"] == "upstream_failed"


def test_the_report_proves_every_row(expansion: Expansion) -> None:
    report = expansion.run.xcom("report")

    assert report["outcome"] == "complete"
    assert report["is_proven"] is True
    assert report["proof"]["checksums"] is True
    assert report["proof"]["differences"] == report["proof"]["not_moved"] == []


def test_new_hosts_carry_primaries_as_the_report_says(expansion: Expansion, cluster: RealCluster) -> None:
    segments = expansion.run.xcom("report", "return_value")["segments"]
    now = cluster.primaries()

    assert segments["hosts_before"] == expansion.hosts_before
    assert segments["hosts_after"] == now
    assert segments["segments_after"] == segments["segments_before"] + segments["added"] == sum(now.values())
    assert set(now) - set(expansion.hosts_before) == {host.partition("=")[0] for host in cluster.new_hosts}


def test_every_table_lies_on_all_segments(expansion: Expansion, cluster: RealCluster) -> None:
    moved, tables = cluster.tables_on(sum(cluster.primaries().values()))

    assert moved == tables


def test_gpexpand_leaves_no_schema(expansion: Expansion, cluster: RealCluster) -> None:
    assert cluster.rows("SELECT nspname FROM pg_namespace WHERE nspname = 'gpexpand'") == []


def test_clearing_every_task_of_the_finished_run_changes_nothing(expansion: Expansion, cluster: RealCluster) -> None:
    before = cluster.snapshot()

    expansion.run.clear()
    expansion.run.wait_succeeded()

    assert cluster.snapshot() == before
    assert expansion.run.xcom("report")["is_proven"] is True


def test_a_rollback_by_hand_after_the_end_is_refused_and_changes_nothing(
    expansion: Expansion, cluster: RealCluster, airflow: AirflowApi
) -> None:
    before = cluster.snapshot()
    rollback = Run.trigger(airflow, ROLLBACK, {"greenplum_conn_id": CONNECTION_ID}, A_DAY)

    assert rollback.wait_ended() == "failed"
    assert "has been carried out" in rollback.log("roll_back")
    assert cluster.snapshot() == before
