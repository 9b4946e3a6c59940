"""Runs of a DAG in a real Airflow, as tests speak of them: trigger, wait for a condition, look, answer, clear.

Every wait is for a condition. The patience beside it only ends a hang; no test's verdict hangs on it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import quote

from demo.airflow_api import RUN_ENDED, TASK_ENDED, AirflowApi, TaskInstance

EXPAND, ROLLBACK = "greenplum_expand", "greenplum_rollback"
PATIENCE = 1200.0
POLL = 0.5  # seconds between two looks at Airflow


class RunStuck(AssertionError):
    """The run will not, or does not, become what the test waits for; the text tells every task's state and errors."""


class Run:
    """One run of a DAG.

    :param api: the Airflow it belongs to
    :param patience: seconds until one wait is given up as hanging
    """

    def __init__(self, api: AirflowApi, dag_id: str, run_id: str, patience: float = PATIENCE) -> None:
        self.api = api
        self.dag_id = dag_id
        self.run_id = run_id
        self.patience = patience

    @classmethod
    def trigger(cls, api: AirflowApi, dag_id: str, conf: Mapping[str, Any], patience: float = PATIENCE) -> Self:
        """Begin a run with these parameters."""
        return cls(api, dag_id, api.trigger(dag_id, dict(conf)), patience)

    @classmethod
    def newest(cls, api: AirflowApi, dag_id: str) -> Self:
        """The run triggered last, for example the rollback which an expansion has triggered.

        :raises RunStuck: the DAG has none
        """
        runs = api.runs(dag_id)
        if not runs:
            raise RunStuck(f"{dag_id} has no run")
        return cls(api, dag_id, str(runs[0]["dag_run_id"]))

    def __repr__(self) -> str:
        return f"{self.dag_id} run {self.run_id}"

    # --- look --------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """queued, running, success or failed."""
        return self.api.run_state(self.dag_id, self.run_id)

    def tasks(self) -> list[TaskInstance]:
        """All task instances, those that began first in front."""
        found = self.api.tasks(self.dag_id, self.run_id)
        return sorted(found, key=lambda task: task.started.timestamp() if task.started else math.inf)

    def states(self) -> dict[str, str | None]:
        """State of every task by name; a mapped one is ``task_id [label]``."""
        return {task.name: task.state for task in self.tasks()}

    def task(self, name: str) -> TaskInstance:
        """One task by its name, or the first mapped instance by its task id.

        :raises RunStuck: the run has no such task
        """
        tasks = self.tasks()
        found = next((task for task in tasks if task.name == name or task.task_id == name), None)
        if found is None:
            raise RunStuck(f"{self!r} has no task {name}, but {', '.join(task.name for task in tasks)}")
        return found

    def xcom(self, name: str, key: str = "return_value") -> Any:
        """What a task left under a key; None if nothing."""
        task = self.task(name)
        return self.api.xcom(self.dag_id, self.run_id, task.task_id, key, task.map_index)

    def findings(self, name: str = "judge_findings", severity: str | None = None) -> list[dict[str, str]]:
        """What a check, or all of them, found: ``{severity, subject, problem, remedy}``.

        :param severity: only those of "error", "warning" or "note"
        """
        found = self.xcom(name, "findings") or []
        return [finding for finding in found if severity in (None, finding["severity"])]

    def log(self, name: str) -> str:
        """The log of a task's newest try, a line an event, exceptions with their causes."""
        task = self.task(name)
        if task.try_number < 1:
            return ""
        lines: list[str] = []
        for line in self.api.log(self.dag_id, self.run_id, task):
            if not line.event.startswith("::"):
                lines += [f"{line.level}: {line.event}", *line.exceptions]
        return "\n".join(lines)

    def explain(self) -> str:
        """States of all tasks and the end of the log of each that failed."""
        lines = [f"{self!r} is {self.state}"]
        for task in self.tasks():
            lines.append(f"  {task.name}: {task.state}, try {task.try_number}")
            if task.state == "failed":
                lines += [f"    {text}" for text in self.log(task.name).splitlines()[-15:]]
        return "\n".join(lines)

    # --- wait --------------------------------------------------------------------------------------------------------

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Return as soon as the condition holds.

        :raises RunStuck: the run has ended without it, or patience is over
        """
        deadline = time.monotonic() + self.patience
        while True:
            ended = self.state in RUN_ENDED  # looked at first: what its end brought about is then seen below
            if condition():
                return
            if ended or time.monotonic() > deadline:
                raise RunStuck(f"waiting for {what}, but {self.explain()}")
            time.sleep(POLL)

    def wait_for_task(self, name: str, *states: str) -> str:
        """Wait until a task is in one of these states, or without any in one it will not leave; return it."""
        wanted = states or tuple(TASK_ENDED)

        def reached() -> bool:
            return any(task.state in wanted for task in self.tasks() if name in (task.name, task.task_id))

        self.wait(reached, f"task {name} to be {' or '.join(wanted)}")
        return str(self.task(name).state)

    def wait_ended(self) -> str:
        """Wait until the run is over; return its state."""
        self.wait(lambda: self.state in RUN_ENDED, "the end of the run")
        return self.state

    def wait_succeeded(self) -> None:
        """Wait until the run is over.

        :raises RunStuck: it was no success
        """
        if self.wait_ended() != "success":
            raise RunStuck(self.explain())

    # --- act ---------------------------------------------------------------------------------------------------------

    def wait_for_question(self) -> dict[str, Any]:
        """Wait until the run asks a person something: ``{subject, body, options, task_instance…}``."""
        found: list[dict[str, Any]] = []

        def asked() -> bool:
            found[:] = self.api.required_actions(self.dag_id, self.run_id)
            return bool(found)

        self.wait(asked, "a required action")
        return found[0]

    def answer(self, option: str, **entered: str) -> None:
        """Answer what the run asks, for example "Approve" or "Reject"; returns when the task has taken the answer.

        Answered while the worker that asked is still leaving, Airflow 3.3.2 takes the task for failed and tries it
        again, which asks anew and forgets the answer (see apache/airflow#72716). So the scheduler gets the time to see
        the worker leave, as it does with a person, who reads first; and what is asked again is answered again.

        :param entered: texts of the form
        """
        while True:
            asks = self.wait_for_question()["task_instance"]
            task_id, index = str(asks["task_id"]), int(asks["map_index"])
            self._wait_for_scheduler(loops=2)
            self.api.answer(self.dag_id, self.run_id, task_id, [option], entered, index)

            def ended(task_id: str = task_id, index: int = index) -> bool:
                asked = next(t for t in self.tasks() if (t.task_id, t.map_index) == (task_id, index))
                return asked.state in TASK_ENDED

            def asked_again() -> bool:
                return bool(self.api.required_actions(self.dag_id, self.run_id))

            self.wait(lambda: ended() or asked_again(), f"{task_id} to take its answer")
            if ended():
                return

    def answer_refused(self, option: str, **entered: str) -> dict[str, Any]:
        """Answer with what will be refused; return what is asked then, which says so (see `answer` for the rest)."""
        before = self.wait_for_question()
        while True:
            self._wait_for_scheduler(loops=2)
            asked = self.wait_for_question()
            if asked["body"] != before["body"]:
                return asked
            asks = asked["task_instance"]
            self.api.answer(self.dag_id, self.run_id, asks["task_id"], [option], entered, asks["map_index"])

            def asked_again() -> bool:
                return bool(self.api.required_actions(self.dag_id, self.run_id))

            self.wait(asked_again, "the question to be asked again")

    def _wait_for_scheduler(self, loops: int) -> None:
        """Return when the scheduler has said so many times again that it lives."""
        seen = {self.api.scheduler_heartbeat()}

        def has_gone_round() -> bool:
            seen.add(self.api.scheduler_heartbeat())
            return len(seen) > loops

        self.wait(has_gone_round, "the scheduler to go round")

    def clear(self, *names: str, downstream: bool = False) -> list[str]:
        """Let tasks run again, all of them without names; the run is under way when this returns."""
        return self.api.clear(self.dag_id, self.run_id, list(names) or None, downstream=downstream)

    def mark(self, name: str, state: str) -> None:
        """Mark a task failed or success, as the buttons in the UI do."""
        self.api.set_task_state(self.dag_id, self.run_id, name, state)


@contextmanager
def ended_with_test(run: Run) -> Iterator[Run]:
    """The run; at the end of the block it is marked failed if it is still under way, so that none outlives its test."""
    try:
        yield run
    finally:
        if run.state not in RUN_ENDED:
            path = f"/api/v2/dags/{run.dag_id}/dagRuns/{quote(run.run_id, safe='')}"
            run.api.request("PATCH", path, json={"state": "failed"})
