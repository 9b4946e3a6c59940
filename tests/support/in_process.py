"""The checks of greenplum_expand against a real cluster, in this process: seconds instead of a whole Airflow."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from greenplum_expansion.operators.checks.new_hosts import CheckNewHostOperator

DAGS = Path(__file__).resolve().parents[2] / "dags"
JUDGE, EACH_HOST = "judge_findings", "check_new_hosts.host"


class _TaskInstance:
    """As much of one as the checks use: XComs, and other runs' states."""

    def __init__(self, task_id: str, store: dict[tuple[str, str], list[Any]], active_runs: set[str]) -> None:
        self.task_id = task_id
        self._store = store
        self._active_runs = active_runs

    def xcom_push(self, key: str, value: Any) -> None:
        self._store.setdefault((self.task_id, key), []).append(value)

    def xcom_pull(self, task_ids: str | list[str], key: str = "return_value", map_indexes: int | None = None) -> Any:
        if map_indexes is not None:  # each instance has pushed once, in the order of the list it is mapped over
            return dict(enumerate(self._store.get((str(task_ids), key)) or [])).get(map_indexes)
        if isinstance(task_ids, str):
            return (self._store.get((task_ids, key)) or [None])[-1]
        return [value for task_id in task_ids for value in self._store.get((task_id, key)) or [None]]

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        return "running" if run_id in self._active_runs else "failed"


@cache
def _dag() -> Any:
    """Read once; whoever runs a task of it copies it first."""
    return DagBag(dag_folder=str(DAGS)).dags["greenplum_expand"]


def run_tasks(
    conf: Mapping[str, Any], *task_ids: str, run_id: str = "test", given: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """Run only these tasks of greenplum_expand, in this order: by task id the XComs each left.

    A task that defers is resumed when its trigger has fired. Whatever a task raises comes through, AirflowSkipException
    too. The connection counts as checked.

    :param given: what tasks that do not run here would have returned, by task id
    """
    dag = _dag()
    params = {**{name: dag.params.get_param(name).value for name in dag.params}, **conf}
    store: dict[tuple[str, str], list[Any]] = {("check_cluster.connection", "return_value"): [True]}
    store |= {(task_id, "return_value"): [value] for task_id, value in (given or {}).items()}
    for task_id in task_ids:
        task = copy.copy(dag.task_dict[task_id])
        ti = _TaskInstance(task_id, store, set())
        dag_run = SimpleNamespace(dag_id="greenplum_expand", run_id=run_id)
        ti.xcom_push("return_value", _to_its_end(task, {"params": params, "ti": ti, "dag_run": dag_run, "task": task}))
    return {task_id: {key: values[-1] for (of, key), values in store.items() if of == task_id} for task_id in task_ids}


def find(conf: Mapping[str, Any], *task_ids: str) -> list[dict[str, str]]:
    """What these check tasks find, and nothing else is looked at: a second each."""
    done = run_tasks(conf, *task_ids)
    return [finding for task_id in task_ids for finding in done[task_id]["findings"]]


def _to_its_end(task: Any, context: dict[str, Any]) -> Any:
    """What a task returns; its deferrals are waited for here, without the delays a whole Airflow needs."""
    try:
        return task.execute(context)
    except TaskDeferred as error:
        deferral = error
    while True:
        trigger = deferral.trigger
        vars(trigger).update({"initial_delay": 0.0, "poll_interval": 0.2})
        event = asyncio.run(_first_event(trigger))
        try:
            return getattr(task, deferral.method_name)(context, event=event, **(deferral.kwargs or {}))
        except TaskDeferred as error:
            deferral = error


async def _first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError(f"{trigger!r} ended without an event")


def run_checks(
    conf: Mapping[str, Any], run_id: str = "test", active_runs: set[str] | None = None
) -> list[dict[str, str]]:
    """What `judge_findings` finds for this request; raises whatever a check should not have raised.

    :param active_runs: run ids that Airflow would say are going on
    """
    dag = _dag()
    params = {**{name: dag.params.get_param(name).value for name in dag.params}, **conf}
    store: dict[tuple[str, str], list[Any]] = {}

    def execute(task: Any) -> None:
        ti = _TaskInstance(task.task_id, store, active_runs or set())
        dag_run = SimpleNamespace(dag_id="greenplum_expand", run_id=run_id)
        try:
            returned = _to_its_end(copy.copy(task), {"params": params, "ti": ti, "dag_run": dag_run, "task": task})
            ti.xcom_push("return_value", returned)
        except AirflowSkipException:
            return

    judge = dag.task_dict[JUDGE]
    checks = judge.get_flat_relatives(upstream=True)
    for task in [task for task in dag.topological_sort() if task in checks]:
        if task.task_id != EACH_HOST:
            execute(task)
            continue
        for place in (store.get(("check_new_hosts.places", "return_value")) or [[]])[-1] or []:
            host_task = CheckNewHostOperator(task_id="host", host=place)
            host_task.task_id = EACH_HOST
            execute(host_task)
    with suppress(AirflowFailException):  # what it judged is what is returned
        execute(judge)
    found: list[dict[str, str]] = store[JUDGE, "findings"][-1]
    return found


def run_checks_errors(conf: Mapping[str, Any], **options: Any) -> list[str]:
    """Only the errors, each as one sentence."""
    return [
        f"{finding['subject']}: {finding['problem']}. Remedy: {finding['remedy']}"
        for finding in run_checks(conf, **options)
        if finding["severity"] == "error"
    ]
