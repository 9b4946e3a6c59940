"""Wait until every table has moved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology, read_version
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.redistribution import engine, inheritance
from greenplum_expansion.triggers.jobs import UNREACHABLE
from greenplum_expansion.triggers.progress import RedistributionTrigger

FAILED_TABLES_KEY = "failed_tables"
_SHOWN = 20


class RedistributionSensor(BaseSensorOperator):
    """Wait, without a worker, until the redistribution's job has ended; succeed if nothing is left.

    Logs gpexpand's output and a line of progress in between. Fails if tables are left, naming each with its error, also
    under the XCom key "failed_tables"; clearing the task that starts the moves then moves just those. Judges by the
    cluster's state, not by gpexpand's exit code, which is 0 after failed tables too.

    :param job_task: task id of the MoveTablesOperator
    :param patience: time to wait in all
    """

    ui_color = "#f7dcc0"

    def __init__(self, *, job_task: str, patience: timedelta = timedelta(days=14), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_task = job_task
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> Any:
        started = started_now()
        job_dir = context["ti"].xcom_pull(task_ids=self.job_task)
        with expansion_run(context) as run:
            run.require_claim()
            if job_dir is None or not run.directory.job_runs("move_tables"):
                return self._judge(context, run, started, "")
            conn_id = run.request.greenplum_conn_id
        self.defer(
            trigger=RedistributionTrigger(conn_id, job_dir),
            method_name="execute_complete",
            kwargs={"started": started},
            timeout=self.patience,
        )

    def execute_complete(self, context: Mapping[str, Any], event: dict[str, Any], started: float) -> Any:
        """The job has ended, or cannot be asked after."""
        with expansion_run(context) as run:
            if event["state"] == UNREACHABLE:
                raise StepFailed(run.subject, event["message"], "clear this task: it finds the job and follows it")
            self.log.info("%s", event["message"])
            return self._judge(context, run, started, run.hook.job(event["job_dir"]).read_log_tail(4 * 1024 * 1024))

    def _judge(self, context: Mapping[str, Any], run: ExpansionRun, started: float, log: str) -> dict[str, Any]:
        state = read_expansion_state(run.hook)
        if state.phase is Phase.IDLE:
            if run.directory.require_plan().presence(read_topology(run.hook)) is not Presence.ALL:
                raise state.refuse(run.subject)
            record_step(context, started, "nothing left")
            return {"tables": 0, "bytes": 0}
        if read_version(run.hook).flavor.moves_children_with_parents and not state.phase.is_running:
            for name in inheritance.settle(run.hook, read_topology(run.hook).segment_count):
                self.log.error("Not moved with the table it inherits from: %s", name)
            state = read_expansion_state(run.hook)
        left = engine.read_tables_left(run.hook, log)
        context["ti"].xcom_push(key=FAILED_TABLES_KEY, value=[vars(table) for table in left[:1000]])
        if state.phase is not Phase.COMPLETE or left:
            raise self._failure(run, state.because, left)
        progress = engine.read_progress(run.hook)
        record_step(context, started, f"{progress.tables_done} tables moved")
        return {"tables": progress.tables_done, "bytes": progress.bytes_done}

    def _failure(self, run: ExpansionRun, because: str, left: list[engine.TableLeft]) -> StepFailed:
        for table in left:
            self.log.error("Not moved: %s (%s) %s", table.table, table.status, table.error)
        named = "; ".join(f"{t.table}: {t.error or t.status}" for t in left[:_SHOWN])
        return StepFailed(
            f"{len(left)} tables of {run.subject} have not moved",
            f"{because}. {named}" + ("; and more, see the log" if len(left) > _SHOWN else ""),
            "mend what the errors say, then clear redistribute.move_tables with what follows: only these are moved",
        )
