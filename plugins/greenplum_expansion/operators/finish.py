"""The end: gpexpand's schema removed, the report written."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.facts import SCHEMA_DATABASE, read_expansion_state
from greenplum_expansion.operators.plan import ANSWER_KEY, ApprovePlanOperator
from greenplum_expansion.operators.run import STEP_KEY, ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.operators.segments import SAID_KEY
from greenplum_expansion.planning.decisions import Action, decide_clean_up
from greenplum_expansion.report import Report, render_text


class CleanUpOperator(BaseOperator):
    """Keep gpexpand's list of tables beside the report, then remove its schema (``gpexpand -c``).

    Probes: without the schema ``gpexpand -c`` would start its interview, so it is not run; with tables left it is
    refused. The one question it asks for a complete expansion, whether to dump the list, is answered with no: it was
    just exported.

    :return: what was done
    """

    ui_color = "#f4ecd8"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            if not run.request.clean_up:
                outcome = "left to be done by hand, as asked"
            else:
                outcome = self._clean_up(run)
        record_step(context, started, outcome)
        return outcome

    def _clean_up(self, run: ExpansionRun) -> str:
        decision = decide_clean_up(run.subject, read_expansion_state(run.hook))
        self.log.info("Decision: %s, because %s", decision.action, decision.because)
        if decision.action is Action.DONE:
            return "clean already"
        self._export(run)
        # One line, for the one question; anything else it asked would read the end of the input and stop.
        result = run.hook.run_utility(["gpexpand", "-c"], stdin="n\n", check=False, cwd=run.directory.path)
        for line in (result.stdout + result.stderr).splitlines():
            self.log.info("gpexpand: %s", line)
        state = read_expansion_state(run.hook)
        if state.phase is not Phase.IDLE:
            raise StepFailed(f"Clean-up of {run.subject}", f"{state.phase}: {state.because}", state.next_action)
        return "schema gpexpand removed"

    def _export(self, run: ExpansionRun) -> None:
        rows = run.hook.query("status_detail", dbname=SCHEMA_DATABASE)
        if not rows:
            return
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        path = run.directory.file("status_detail.csv")
        run.hook.coordinator().write_text(path, buffer.getvalue())
        self.log.info("%d rows of gpexpand.status_detail kept in %s", len(rows), path)


class ReportOperator(BaseOperator):
    """Write the report, whatever has happened, and end the run as it deserves.

    Runs also after failures: then it says how far the expansion came and what is to be done, and fails itself, as a run
    whose last task succeeds would count as a success. After a rejected plan it succeeds: that is a result.

    Collects what the tasks upstream of it left about themselves.

    :param approval_task, segments_task, proof_task, rollback_task: task ids whose results it shows
    :return: the report as a dictionary (``Report.to_dict``)
    """

    ui_color = "#dbe6f4"

    def __init__(
        self, *, approval_task: str, segments_task: str, proof_task: str, rollback_task: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.approval_task = approval_task
        self.segments_task = segments_task
        self.proof_task = proof_task
        self.rollback_task = rollback_task

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        with expansion_run(context) as run:
            report = self._collect(context, run)
            text = render_text(report)
            for line in text.splitlines():
                self.log.info("%s", line)
            context["ti"].xcom_push(key="report", value=report.to_dict())
            if report.segments is not None:
                run.hook.coordinator().write_json(run.directory.file("report.json"), report.to_dict())
                run.hook.coordinator().write_text(run.directory.file("report.txt"), text)
            if report.is_over:
                run.claim.release(run.expansion_id)
            if report.failure:
                raise StepFailed(run.subject, report.failure, report.next_action)
        return report.to_dict()

    def _collect(self, context: Mapping[str, Any], run: ExpansionRun) -> Report:
        ti = context["ti"]
        tasks = sorted(task.task_id for task in self.get_flat_relatives(upstream=True))
        steps = [step for step in ti.xcom_pull(task_ids=tasks, key=STEP_KEY) or [] if step]
        answer = ti.xcom_pull(task_ids=self.approval_task, key=ANSWER_KEY)
        return Report.build(
            expansion_id=run.expansion_id,
            connection=run.request.greenplum_conn_id,
            state=read_expansion_state(run.hook),
            rejected=answer == ApprovePlanOperator.REJECT,
            gpexpand_said=ti.xcom_pull(task_ids=self.segments_task, key=SAID_KEY) or "",
            segments=ti.xcom_pull(task_ids=self.segments_task),
            proof=ti.xcom_pull(task_ids=self.proof_task, key="proof"),
            expect_writes=run.request.expect_writes,
            cleaned_up=run.request.clean_up,
            rolled_back=any(step["task_id"] == self.rollback_task for step in steps),
            steps=sorted(steps, key=lambda step: step["started"]),
        )
