"""The checks of greenplum_expand against a real cluster, in this process: seconds instead of a whole Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

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

    def xcom_pull(self, task_ids: str | list[str], key: str = "return_value") -> Any:
        if isinstance(task_ids, str):
            return (self._store.get((task_ids, key)) or [None])[-1]
        return [value for task_id in task_ids for value in self._store.get((task_id, key)) or [None]]

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        return "running" if run_id in self._active_runs else "failed"


def run_checks(
    conf: Mapping[str, Any], run_id: str = "test", active_runs: set[str] | None = None
) -> list[dict[str, str]]:
    """What `judge_findings` finds for this request; raises whatever a check should not have raised.

    :param active_runs: run ids that Airflow would say are going on
    """
    dag = DagBag(dag_folder=str(DAGS)).dags["greenplum_expand"]
    params = {**{name: dag.params.get_param(name).value for name in dag.params}, **conf}
    store: dict[tuple[str, str], list[Any]] = {}

    def execute(task: Any) -> None:
        ti = _TaskInstance(task.task_id, store, active_runs or set())
        dag_run = SimpleNamespace(dag_id="greenplum_expand", run_id=run_id)
        try:
            ti.xcom_push("return_value", task.execute({"params": params, "ti": ti, "dag_run": dag_run, "task": task}))
        except AirflowSkipException:
            return

    judge = dag.task_dict[JUDGE]
    checks = judge.get_flat_relatives(upstream=True)
    for task in [task for task in dag.topological_sort() if task in checks and task.task_id != EACH_HOST]:
        execute(task)
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
