"""The report, written whatever has happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.facts import read_expansion_state
from greenplum_expansion.operators.approval import ANSWER_KEY, ApprovePlanOperator
from greenplum_expansion.operators.forecasting import read_forecast
from greenplum_expansion.operators.notices import end_without_report, tell_end
from greenplum_expansion.operators.run import SECTION_KEY, STEP_KEY, ExpansionRun, expansion_run
from greenplum_expansion.operators.segments import SAID_KEY
from greenplum_expansion.planning.forecast_text import compared, sections
from greenplum_expansion.planning.section import Section, join_sections
from greenplum_expansion.redistribution import history
from greenplum_expansion.report import Report, render_text


class ReportOperator(BaseOperator):
    """Write the report, whatever has happened, and end the run as it deserves.

    Runs also after failures: then it says how far the expansion came and what is to be done, and fails itself, as a run
    whose last task succeeds would count as a success. After a rejected plan it succeeds: that is a result.

    Collects what the tasks upstream of it left about themselves.

    :param plan_task, approval_task, edit_task, segments_task, proof_task, rollback_task: whose results it shows
    :return: the report as a dictionary (``Report.to_dict``)
    """

    ui_color = "#dbe6f4"

    def __init__(
        self,
        *,
        plan_task: str,
        approval_task: str,
        edit_task: str,
        segments_task: str,
        proof_task: str,
        rollback_task: str,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("on_failure_callback", end_without_report)
        super().__init__(**kwargs)
        self.plan_task = plan_task
        self.approval_task = approval_task
        self.edit_task = edit_task
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
            tell_end(
                context,
                run.request,
                failed=bool(report.failure),
                title=report.outcome,
                facts=report.facts(),
                next_action=report.next_action,
            )
            if report.failure:
                raise StepFailed(run.subject, report.failure, report.next_action)
        return report.to_dict()

    def _rolled_back(self, context: Mapping[str, Any]) -> bool | None:
        """Whether the greenplum_rollback that was triggered has succeeded; None if none was."""
        dag_run = context["dag_run"]
        states = context["ti"].get_task_states(
            dag_id=dag_run.dag_id, task_ids=[self.rollback_task], run_ids=[dag_run.run_id]
        )
        state = states.get(dag_run.run_id, {}).get(self.rollback_task)
        return None if state in (None, "skipped", "upstream_failed") else state == "success"

    def _collect(self, context: Mapping[str, Any], run: ExpansionRun) -> Report:
        ti = context["ti"]
        tasks = sorted(task.task_id for task in self.get_flat_relatives(upstream=True))
        steps = [step for step in ti.xcom_pull(task_ids=tasks, key=STEP_KEY) or [] if step]
        steps.sort(key=lambda step: step["started"])
        place = {step["task_id"]: number for number, step in enumerate(steps)}
        left = [section for section in ti.xcom_pull(task_ids=tasks, key=SECTION_KEY) or [] if section]
        left.sort(key=lambda section: place.get(section["task_id"], len(place)))
        answers = ti.xcom_pull(task_ids=[self.approval_task, self.edit_task], key=ANSWER_KEY) or []
        return Report.build(
            expansion_id=run.expansion_id,
            connection=run.request.greenplum_conn_id,
            state=read_expansion_state(run.hook),
            dry_run=run.request.dry_run and ti.xcom_pull(task_ids=self.plan_task) is not None,
            rejected=ApprovePlanOperator.REJECT in answers,
            gpexpand_said=ti.xcom_pull(task_ids=self.segments_task, key=SAID_KEY) or "",
            segments=ti.xcom_pull(task_ids=self.segments_task),
            proof=ti.xcom_pull(task_ids=self.proof_task, key="proof"),
            expect_writes=run.request.expect_writes,
            cleaned_up=run.request.clean_up,
            rolled_back=self._rolled_back(context),
            steps=steps,
            sections=[*join_sections(map(Section.from_dict, left)), *_forecast(run)],
        )


def _forecast(run: ExpansionRun) -> list[Section]:
    """What was forecast; beside it what happened, as soon as a table has moved."""
    expected = read_forecast(run)
    if expected is None:
        return []
    happened = history.read_totals(run.hook, run.expansion_id, run.foreseen().calendar())
    known = sections(expected)
    return known if happened is None else [known[0], compared(expected, happened)]
