"""A single task of an expansion against a real cluster, in this process; its deferrals are followed here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import TaskDeferred
from pydantic import BaseModel

from greenplum_expansion.params import dag_params
from greenplum_expansion.request import ExpansionRequest


class OneRun:
    """As much of a DAG run as tasks use: parameters, a run id, XComs.

    :param conf: what was asked for; everything else has the form's default
    :param model: of the form
    """

    def __init__(
        self, conf: Mapping[str, Any], run_id: str = "test", model: type[BaseModel] = ExpansionRequest
    ) -> None:
        self.params = {**{name: param.value for name, param in dag_params(model).items()}, **conf}
        self.run_id = run_id
        self.xcoms: dict[tuple[str, str], Any] = {}

    def context(self, task: Any) -> dict[str, Any]:
        dag_run = SimpleNamespace(dag_id="greenplum_expand", run_id=self.run_id)
        return {"params": self.params, "ti": _TaskInstance(task.task_id, self.xcoms), "dag_run": dag_run, "task": task}

    def start(self, task: Any) -> Any:
        """Its result, or the TaskDeferred it ends with."""
        try:
            result = task.execute(self.context(task))
        except TaskDeferred as deferred:
            return deferred
        self.xcoms[task.task_id, "return_value"] = result
        return result

    def resume(self, task: Any, deferred: TaskDeferred) -> Any:
        """Wait for the trigger's event and hand it to the task."""
        event = asyncio.run(_first_event(deferred.trigger))
        method = getattr(task, deferred.method_name)
        result = method(self.context(task), event=event, **(deferred.kwargs or {}))
        self.xcoms[task.task_id, "return_value"] = result
        return result

    def run(self, task: Any) -> Any:
        """From its beginning to its end, whatever lies between."""
        result = self.start(task)
        return self.resume(task, result) if isinstance(result, TaskDeferred) else result

    def left(self, task: Any, key: str) -> Any:
        """What it has left under a key."""
        return self.xcoms.get((task.task_id, key))


class _TaskInstance:
    def __init__(self, task_id: str, store: dict[tuple[str, str], Any]) -> None:
        self.task_id = task_id
        self._store = store

    def xcom_push(self, key: str, value: Any) -> None:
        self._store[self.task_id, key] = value

    def xcom_pull(self, task_ids: str | list[str], key: str = "return_value") -> Any:
        if isinstance(task_ids, str):
            return self._store.get((task_ids, key))
        return [self._store.get((task_id, key)) for task_id in task_ids]

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        return "failed"


async def _first_event(trigger: Any) -> dict[str, Any]:
    # Nobody has to be gone before it fires here, and a local cluster may be asked often.
    trigger.initial_delay, trigger.poll_interval = 0.0, 0.3
    async for event in trigger.run():
        payload: dict[str, Any] = event.payload
        return payload
    raise AssertionError("the trigger ended without an event")
