"""The runbook in phases: every task in one of them, and each phase as its tasks are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from greenplum_expansion.pages.link import ExpansionLink
from greenplum_expansion.pages.phases import judge
from greenplum_expansion.pages.runbooks import RUNBOOK, RUNBOOKS, phases_of, titles_of

DAGS = Path(__file__).resolve().parents[2] / "dags"
T0 = datetime(2026, 11, 20, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Task:
    task_id: str
    state: str | None
    started: datetime | None = None
    ended: datetime | None = None


@pytest.fixture(scope="module")
def dags():
    return DagBag(dag_folder=str(DAGS)).dags


@pytest.fixture(scope="module")
def expand(dags):
    return dags["greenplum_expand"]


def states(*tasks: Task) -> dict[str, str]:
    return {state.phase.key: state.state for state in judge(RUNBOOK, tasks)}


@pytest.mark.parametrize("dag_id", RUNBOOKS)
def test_every_task_is_in_exactly_one_phase_that_says_what_it_means(dags, dag_id):
    task_ids = dags[dag_id].task_ids
    homes = {
        task_id: [phase.key for phase in phases_of(dag_id, task_ids) if phase.holds(task_id)] for task_id in task_ids
    }
    assert {task_id: found for task_id, found in homes.items() if len(found) != 1} == {}
    assert all(
        phase.what and any(phase.holds(task_id) for task_id in task_ids) for phase in phases_of(dag_id, task_ids)
    )


def test_phases_stand_in_the_order_of_the_tasks(expand):
    order = [
        next(number for number, phase in enumerate(RUNBOOK) if phase.holds(task.task_id))
        for task in expand.topological_sort()
        if task.task_id not in ("roll_back", "report")
    ]
    assert order == sorted(order)


def test_the_point_of_no_return_lies_where_segments_are_added():
    assert [phase.key for phase in RUNBOOK if phase.no_return] == ["segments"]
    assert next(phase for phase in RUNBOOK if phase.no_return).holds("add_segments")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([None, None], "not yet"),
        (["success", None], "running"),
        (["success", "running"], "running"),
        (["success", "deferred"], "running"),
        (["up_for_retry", None], "running"),
        (["success", "awaiting_input"], "waiting"),
        (["success", "success"], "done"),
        (["success", "skipped"], "done"),
        (["skipped", "skipped"], "skipped"),
        (["success", "failed"], "failed"),
        (["failed", "running"], "failed"),
        (["success", "upstream_failed"], "not reached"),
        (["upstream_failed", "upstream_failed"], "not reached"),
    ],
)
def test_a_phase_is_as_its_tasks_are(found, expected):
    assert states(*(Task(f"check_cluster.{n}", state) for n, state in enumerate(found)))["check"] == expected


def test_times_run_from_the_first_start_to_the_last_end():
    tasks = [
        Task("check_cluster.a", "success", T0, T0 + timedelta(minutes=2)),
        Task("judge_findings", "success", T0 + timedelta(minutes=2), T0 + timedelta(minutes=5)),
        Task("survey_before", "running", T0 + timedelta(minutes=5)),
        Task("exchange_keys", "skipped", T0, T0),
    ]
    check, survey, hosts, *_ = judge(RUNBOOK, tasks)
    assert check.seconds(T0 + timedelta(hours=9)) == 300
    assert survey.seconds(T0 + timedelta(minutes=6)) == 60
    assert survey.now == ("survey_before",)
    assert hosts.seconds(T0) is None


def test_the_rollback_is_shown_only_if_it_ran():
    assert "rollback" not in states(Task("roll_back", None))
    assert "rollback" not in states(Task("roll_back", "skipped"))
    assert states(Task("roll_back", "running"))["rollback"] == "running"


def test_a_task_that_is_in_no_phase_is_one_for_itself():
    found = phases_of("greenplum_rollback", ["probe", "of.another_version"])
    assert (found[0].title, found[-1].title) == ("Look", "Of: another version")
    assert titles_of("greenplum_rollback", ["roll_back", "of.another_version"]) == ("Take back", "Of: another version")


def test_the_link_is_on_the_tasks_it_names(dags):
    """Airflow compares names only: a renamed class would lose its link in silence."""
    tasks = [task for dag in dags.values() for task in dag.tasks]
    known = {(type(task).__module__, type(task).__name__) for task in tasks}
    known |= {(task.operator_class.__module__, task.operator_class.__name__) for task in tasks if task.is_mapped}
    linked = {(operator.__module__, operator.__name__) for operator in ExpansionLink.operators}
    assert linked <= known
    assert len(linked) > 8
