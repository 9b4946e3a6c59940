"""What a window came to, written down whatever has happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from greenplum_expansion.cluster.names import expansion_id
from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.facts import read_expansion_state
from greenplum_expansion.operators.notices import tell_end
from greenplum_expansion.operators.redistribution import FAILED_TABLES_KEY
from greenplum_expansion.operators.window.probe import BEFORE_KEY
from greenplum_expansion.operators.window.run import PROBE, WindowRun, read_claim, window_run
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.redistribution.engine import read_progress
from greenplum_expansion.redistribution.steering import read_steering

_SHOWN = 20


class WindowReportOperator(BaseOperator):
    """Say what moved in this window, what failed and what is left, and end the run as it deserves.

    Kept as JSON in the directory of the expansion, one file a run, and under the XCom key "report".

    :param move_task: the task that moves the tables
    :return: ``{expansion_id, window, moved, bytes, failed, left, bytes_left, state, steering, triggered_by}``
    :raises StepFailed: the tables that failed, or that the task that moves them did
    """

    ui_color = "#dbe6f4"

    def __init__(self, *, move_task: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.move_task = move_task

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        ti, dag_run = context["ti"], context["dag_run"]
        tasks = [PROBE, self.move_task]
        found = ti.get_task_states(dag_id=dag_run.dag_id, task_ids=tasks, run_ids=[dag_run.run_id])
        states = found.get(dag_run.run_id, {})
        if states.get(PROBE) == "skipped":
            raise AirflowSkipException("There was nothing to do in this window; task probe says why")
        moved_well = states.get(self.move_task) == "success"
        with window_run(context) as run:
            report = self._collect(context, run)
            path = run.directory.file(f"redistribution_{expansion_id(dag_run.run_id)}.json")
            run.hook.coordinator().write_json(path, report)
            ti.xcom_push(key="report", value=report)
            for line in self._lines(run, report):
                self.log.info("%s", line)
            self.log.info("Kept in %s", path)
            if report["failed"] or not moved_well:
                cause = (
                    f"{len(report['failed'])} tables failed" if report["failed"] else f"task {self.move_task} failed"
                )
                next_action = (
                    f"see the log of {self.move_task}; mend what the errors say; clear that task while its window "
                    "lasts, or let the next run try them again"
                )
                tell_end(
                    context,
                    run.request,
                    failed=True,
                    title="a window failed",
                    facts=[cause],
                    next_action=next_action,
                    expansion=run.expansion_id,
                )
                raise StepFailed(f"Redistribution of {run.subject}", cause, next_action)
        return report

    def _collect(self, context: Mapping[str, Any], run: WindowRun) -> dict[str, Any]:
        ti, dag_run = context["ti"], context["dag_run"]
        tables, size = ti.xcom_pull(task_ids=PROBE, key=BEFORE_KEY) or (0, 0)
        progress = read_progress(run.hook)
        window = run.window
        return {
            "expansion_id": run.expansion_id,
            "window": None
            if window is None
            else [window.start.isoformat(), window.end.isoformat() if window.has_end else None],
            "moved": max(0, progress.tables_done - tables),
            "bytes": max(0, progress.bytes_done - size),
            "failed": ti.xcom_pull(task_ids=self.move_task, key=FAILED_TABLES_KEY) or [],
            "left": progress.tables_total - progress.tables_done,
            "bytes_left": progress.bytes_total - progress.bytes_done,
            "state": str(read_expansion_state(run.hook).phase),
            "steering": str(read_steering(run.hook, run.expansion_id)),
            "triggered_by": dag_run.triggering_user_name or str(getattr(dag_run.run_type, "value", dag_run.run_type)),
        }

    def _lines(self, run: WindowRun, report: Mapping[str, Any]) -> list[str]:
        failed = report["failed"]
        lines = [
            f"{report['moved']} tables moved in this run: {human_bytes(report['bytes'])}",
            f"{len(failed)} failed; {report['left']} left: {human_bytes(report['bytes_left'])}",
            f"Steering: {report['steering']}",
            *(f"Not moved: {table['table']}: {table['error']}" for table in failed[:_SHOWN]),
        ]
        if not report["left"]:
            claim = read_claim(run.hook)
            of = f"run {claim.run_id} of {claim.dag_id}" if claim else "the expansion's run"
            lines.append(
                f"Nothing is left. If {of} waits, it goes on with the proof by itself; else clear its task "
                "redistribute.move_tables with what follows"
            )
        return lines
