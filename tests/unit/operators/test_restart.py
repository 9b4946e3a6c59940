"""What is looked at before the cluster is stopped, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from greenplum_expansion.checks.activity import Session
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.operators import restart
from greenplum_expansion.operators.restart import RestartClusterOperator
from greenplum_expansion.planning.restart import RestartAction
from greenplum_expansion.request import SessionsChoice
from tests.unit.clusters import cluster

BUSY = Session(7, "etl", "demo", "psql", "local", "idle in transaction", 5.0, "INSERT INTO")


class Stage:
    """A whole cluster with a standby; each host answers until it is taken away."""

    subject = "Expansion x"
    expansion_id = "x"

    def __init__(self) -> None:
        self.silent: dict[str, str] = {}
        self.sessions: list[Session] = []
        self.done: list[str] = []
        self.request = SimpleNamespace(
            restart=True,
            dry_run=False,
            sessions=SessionsChoice.WAIT,
            sessions_patience=180,
            protected_roles=(),
            greenplum_conn_id="practice",
        )
        self.hook = SimpleNamespace(query=self.done.append)
        self.directory = SimpleNamespace(start_job=self.start_job)

    def start_job(self, name: str, script: Any) -> Any:
        self.done.append(script.name)
        return SimpleNamespace(job_dir="/home/gpadmin/expansion/job")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()

    @contextmanager
    def expansion_run(context: Any) -> Iterator[Stage]:
        yield made

    answers: dict[str, Callable[..., Any]] = {
        "expansion_run": expansion_run,
        "running_job": lambda hook, expansion_id: None,
        "read_sessions": lambda hook: made.sessions,
        "read_probed_topology": lambda hook: cluster(),
        "unreachable_hosts": lambda hook, topology: made.silent,
        "note_begin": lambda hook, directory: made.done.append("noted"),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(restart, name, answer)
    monkeypatch.setattr(RestartClusterOperator, "_decide", lambda self, run: RestartAction.RESTART)
    return made


def test_a_standby_that_dies_while_sessions_are_waited_for_keeps_the_cluster_up(stage: Stage) -> None:
    stage.sessions = [BUSY]
    task = RestartClusterOperator(task_id="restart_cluster")
    with pytest.raises(TaskDeferred) as waiting:
        task.execute({})
    stage.silent = {"smdw": "No route to host"}
    with pytest.raises(ActionRefused, match="smdw does not answer: No route to host"):
        task.execute_drained({}, {"drained": True}, **waiting.value.kwargs)
    assert stage.done == []


def test_nobody_is_waited_for_if_the_cluster_could_not_be_started_again(stage: Stage) -> None:
    stage.sessions, stage.silent = [BUSY], {"smdw": "No route to host"}
    with pytest.raises(ActionRefused, match="nothing was stopped"):
        RestartClusterOperator(task_id="restart_cluster").execute({})


def test_a_cluster_that_is_whole_is_stopped_and_started(stage: Stage) -> None:
    with pytest.raises(TaskDeferred):
        RestartClusterOperator(task_id="restart_cluster").execute({})
    assert stage.done == ["checkpoint", "noted", "restart the cluster"]
