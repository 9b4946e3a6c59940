"""Beside the moves: how far they are, in a log of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator

from greenplum_expansion.operators.recording import read_watched
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.planning import limits
from greenplum_expansion.redistribution import engine
from greenplum_expansion.triggers.progress import ENDED, ProgressTrigger


class RedistributionSensor(BaseSensorOperator):
    """Log, without a worker, how far the redistribution is, until the task that moves the tables has ended.

    Reads only, by a few short queries at a time; says nothing of success, which is that task's to judge. Each line has
    the rate of late, what is left as a range by what moves have shown of each storage class, and the windows that are
    still needed; the figures stand under the XCom key "progress" as well, while it waits.

    :param move_task: task id of the RedistributeOperator, in the same run
    :param patience: time to watch in all
    :return: tables and bytes moved when it ended
    """

    ui_color = "#f7dcc0"

    def __init__(self, *, move_task: str, patience: timedelta = limits.WATCHING, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.move_task = move_task
        self.patience = patience

    def open_run(self, context: Mapping[str, Any]) -> AbstractContextManager[ExpansionRun]:
        """What this run is about."""
        return expansion_run(context)

    def execute(self, context: Mapping[str, Any]) -> Any:
        started = started_now()
        dag_run, ti = context["dag_run"], context["ti"]
        states = ti.get_task_states(dag_id=dag_run.dag_id, task_ids=[self.move_task], run_ids=[dag_run.run_id])
        if states.get(dag_run.run_id, {}).get(self.move_task) in ENDED:
            return self.execute_complete(context, None, started)
        with self.open_run(context) as run:
            conn_id, watched = run.request.greenplum_conn_id, read_watched(run)
        self.defer(
            trigger=ProgressTrigger(conn_id, dag_run.dag_id, dag_run.run_id, self.move_task, watched=watched.to_dict()),
            method_name="execute_complete",
            kwargs={"started": started},
            timeout=self.patience,
        )

    def execute_complete(self, context: Mapping[str, Any], event: Any, started: float) -> dict[str, Any]:
        """The moves have ended, well or not."""
        with self.open_run(context) as run:
            progress = engine.read_progress(run.hook)
        self.log.info("Progress: %s", progress.say(progress, 0.0))
        record_step(context, started, f"{progress.tables_done} of {progress.tables_total} tables moved")
        return {"tables": progress.tables_done, "bytes": progress.bytes_done}
