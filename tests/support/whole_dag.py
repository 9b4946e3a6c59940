"""A whole DAG against a real cluster in this process, task by task, as Airflow would run it: seconds, not minutes.

What Airflow does between tasks is imitated and no more: trigger rules, XComs, deferral (the trigger's own coroutine
runs here), a person's answer. A retry is not: a task that fails has failed.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import AirflowException, AirflowSkipException, TaskDeferred

from greenplum_expansion.errors import ExpansionError

DAGS = Path(__file__).resolve().parents[2] / "dags"
SUCCESS, FAILED, SKIPPED, UPSTREAM_FAILED = "success", "failed", "skipped", "upstream_failed"


class DagRunHere:
    """One run of a DAG.

    :param conf: parameters; the others have the form's defaults
    :param answers: task id to what a person answers there ("Approve", "Reject"); a question without one fails the test
    :param active_runs: run ids that Airflow would say are going on
    :param window: the run is one of a schedule, with this data interval; None: somebody triggered it now
    """

    def __init__(
        self,
        dag_id: str,
        conf: Mapping[str, Any],
        run_id: str = "test",
        answers: Mapping[str, str] | None = None,
        active_runs: Iterable[str] = (),
        window: tuple[datetime.datetime, datetime.datetime] | None = None,
    ) -> None:
        self.dag = _dags()[dag_id]
        self.run_id = run_id
        self.params = {**{name: self.dag.params.get_param(name).value for name in self.dag.params}, **conf}
        self.answers = dict(answers or {})
        self.active_runs = set(active_runs)
        now = datetime.datetime.now(datetime.UTC)
        start, end = window or (now, now)
        self.run_facts = {
            "run_type": "scheduled" if window else "manual",
            "run_after": start,
            "start_date": now,
            "data_interval_start": start,
            "data_interval_end": end,
            "triggering_user_name": None if window else "tester",
        }
        self.states_elsewhere: dict[tuple[str, str], str] = {}
        """By run id and task id, of other runs."""
        self.states: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        """Why a task skipped itself."""
        self.questions: dict[str, str] = {}
        self.xcoms: dict[tuple[str, str], Any] = {}

    # --- whole -------------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """All tasks in order; the state of the run, which is that of its leaves."""
        for task in self.dag.topological_sort():
            self.states[task.task_id] = self._ruled(task) or self.execute(task.task_id)
        return FAILED if any(self.states[t.task_id] in (FAILED, UPSTREAM_FAILED) for t in self.dag.leaves) else SUCCESS

    def run_tasks(self, *task_ids: str) -> None:
        """Only these, in this order; AssertionError if one does not succeed."""
        for task_id in task_ids:
            state = self.execute(task_id)
            assert state == SUCCESS, f"{task_id} is {state}: {self.errors.get(task_id)}"

    def _ruled(self, task: Any) -> str | None:
        """The state in which its trigger rule leaves the task without running it; None: it runs."""
        above = [self.states[task_id] for task_id in task.upstream_task_ids]
        failed = any(state in (FAILED, UPSTREAM_FAILED) for state in above)
        if self.states.get(task.task_id) == SKIPPED and task.trigger_rule != TriggerRule.ALL_DONE:
            return SKIPPED
        if task.trigger_rule == TriggerRule.ALL_DONE:
            return None
        if task.trigger_rule == TriggerRule.ALL_SUCCESS:
            return UPSTREAM_FAILED if failed else SKIPPED if SKIPPED in above else None
        if task.trigger_rule == TriggerRule.ONE_FAILED:
            return None if failed else SKIPPED
        raise NotImplementedError(f"trigger rule {task.trigger_rule} of {task.task_id}")

    # --- one task ----------------------------------------------------------------------------------------------------

    def execute(self, task_id: str) -> str:
        """One task from its beginning to its end, whatever lies between; its state."""
        task = self.dag.task_dict[task_id]
        context = self.context(task)
        try:
            result = self._answered(task, context) if task_id in self.answers else task.execute(context)
        except TaskDeferred as deferred:
            result = self._resume(task, context, deferred)
        except (AirflowException, ExpansionError) as error:
            return self._ended_by(task_id, error)
        if result is _FAILED:
            return FAILED
        self.xcoms[task_id, "return_value"] = result
        return SUCCESS

    def start(self, task_id: str) -> TaskDeferred:
        """Up to its deferral, and no further: what is left of a task whose worker and triggerer have died."""
        task = self.dag.task_dict[task_id]
        try:
            task.execute(self.context(task))
        except TaskDeferred as deferred:
            return deferred
        raise AssertionError(f"{task_id} did not defer")

    def _resume(self, task: Any, context: dict[str, Any], deferred: TaskDeferred) -> Any:
        while True:
            event = asyncio.run(first_event(deferred.trigger))
            try:
                return getattr(task, deferred.method_name)(context, event=event, **(deferred.kwargs or {}))
            except TaskDeferred as again:
                deferred = again
            except (AirflowException, ExpansionError) as error:
                self._ended_by(task.task_id, error)
                return _FAILED

    def _answered(self, task: Any, context: dict[str, Any]) -> Any:
        """Let a person answer at once what the task asks, if it asks."""
        asked: list[dict[str, Any]] = []
        with mock.patch("airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **k: asked.append(k)):
            try:
                return task.execute(context)
            except BaseException:
                if not asked:
                    raise
        self.questions[task.task_id] = asked[0]["body"] or ""
        event = {
            "chosen_options": [self.answers[task.task_id]],
            "params_input": {},
            "responded_at": datetime.datetime.now(datetime.UTC),
            "responded_by_user": {"id": "1", "name": "tester"},
        }
        with mock.patch.object(type(task), "skip", lambda _self, ti, tasks: self._skip(tasks)):
            return task.execute_complete(context, event)

    def _skip(self, tasks: Iterable[Any]) -> None:
        for task in tasks:
            self.states[task.task_id] = SKIPPED

    def _ended_by(self, task_id: str, error: Exception) -> str:
        if isinstance(error, AirflowSkipException):
            self.reasons[task_id] = str(error)
            return SKIPPED
        self.errors[task_id] = str(error)
        return FAILED

    def context(self, task: Any) -> dict[str, Any]:
        """As much of a task's context as operators use."""
        ti = _TaskInstance(task.task_id, self)
        dag_run = SimpleNamespace(dag_id=self.dag.dag_id, run_id=self.run_id, **self.run_facts)
        return {"params": self.params, "ti": ti, "task_instance": ti, "dag_run": dag_run, "task": task}

    def explain(self) -> str:
        """States and errors, for a failed assertion."""
        return "\n".join(f"{task_id}: {state} {self.errors.get(task_id, '')}" for task_id, state in self.states.items())


@cache
def _dags() -> Mapping[str, Any]:
    bag = DagBag(dag_folder=str(DAGS))
    assert bag.import_errors == {}, bag.import_errors
    return bag.dags


class _Failed:
    pass


_FAILED = _Failed()


class _TaskInstance:
    def __init__(self, task_id: str, run: DagRunHere) -> None:
        self.task_id = task_id
        self.id = task_id
        self.start_date = datetime.datetime.now(datetime.UTC)
        self._run = run

    def xcom_push(self, key: str, value: Any) -> None:
        self._run.xcoms[self.task_id, key] = value

    def xcom_pull(self, task_ids: str | list[str], key: str = "return_value") -> Any:
        if isinstance(task_ids, str):
            return self._run.xcoms.get((task_ids, key))
        return [self._run.xcoms.get((task_id, key)) for task_id in task_ids]

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, dict[str, str]]:
        if run_ids == [self._run.run_id]:
            return {run_id: {name: self._run.states.get(name, SUCCESS) for name in task_ids} for run_id in run_ids}
        elsewhere = self._run.states_elsewhere
        return {run_id: {name: elsewhere.get((run_id, name), "failed") for name in task_ids} for run_id in run_ids}

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        return "running" if run_id in self._run.active_runs else "failed"


async def first_event(trigger: Any) -> Any:
    """Run a trigger as the triggerer does until it fires; its event."""
    # Nobody has to be gone before it fires here, and a cluster of one's own may be asked often.
    trigger.initial_delay, trigger.poll_interval = 0.0, 0.2
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")
