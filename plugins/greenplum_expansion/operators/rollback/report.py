"""What a rollback has come to, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.server import ServerMode, read_state_without_server
from greenplum_expansion.operators.notices import end_without_report, tell_end
from greenplum_expansion.operators.rollback.run import TOLD_KEY, RollbackRun, rollback_run
from greenplum_expansion.operators.run import STEP_KEY
from greenplum_expansion.planning.progress import human_seconds


class RollbackReportOperator(BaseOperator):
    """Say what was found, done and proven; runs also after failures, and then fails itself.

    :param probe_task, proof_task, undo_task: task ids of the ProbeExpansionOperator, the VerifyRollbackOperator and the
        UndoPreparationOperator
    :return: ``{found, proven, told, state, next}``
    """

    ui_color = "#dbe6f4"

    def __init__(self, *, probe_task: str, proof_task: str, undo_task: str, **kwargs: Any) -> None:
        kwargs.setdefault("on_failure_callback", end_without_report)
        super().__init__(**kwargs)
        self.probe_task = probe_task
        self.proof_task = proof_task
        self.undo_task = undo_task

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        ti = context["ti"]
        above = {task.task_id for task in self.get_flat_relatives(upstream=True)}
        tasks = [task.task_id for task in self.dag.topological_sort() if task.task_id in above]
        steps = [step for step in ti.xcom_pull(task_ids=tasks, key=STEP_KEY) or [] if step]
        steps.sort(key=lambda step: step["started"])
        told = [line for lines in ti.xcom_pull(task_ids=tasks, key=TOLD_KEY) or [] if lines for line in lines]
        found = ti.xcom_pull(task_ids=self.probe_task) or {}
        proven = ti.xcom_pull(task_ids=self.proof_task)
        with rollback_run(context) as run:
            phase, cause, next_action = _judge(run)
            report = {
                "found": found,
                "proven": proven,
                "told": list(dict.fromkeys(told)),
                "state": str(phase),
                "next": "" if proven else next_action,
            }
            for line in _lines(report, steps):
                self.log.info("%s", line)
            ti.xcom_push(key="report", value=report)
            if proven and run.request.undo_preparation and ti.xcom_pull(task_ids=self.undo_task) is None:
                proven = ""
                cause = f"{report['proven']}, but not all that was changed on hosts was taken back"
                next_action = f"see the log of {self.undo_task}"
            tell_end(
                context,
                run.request,
                failed=not proven,
                title="rollback done" if proven else "rollback failed",
                facts=[*([proven] if proven else [cause]), *report["told"]],
                next_action="" if proven else next_action,
            )
            if not proven:
                raise StepFailed(run.subject, cause, next_action)
        return report


def _judge(run: RollbackRun) -> tuple[str, str, str]:
    """Phase of the cluster now, why it is not where it should be, and what a person does next."""
    if run.mode is ServerMode.DOWN:
        state = read_state_without_server(run.hook)
        left = f"; {state.because}" if state else ""
        return state.phase if state else Phase.IDLE, f"the cluster is down{left}", "see the log of start_cluster"
    situation = run.look(0.0)
    state = situation.state
    try:
        decision = run.decide(situation)
    except ActionRefused as error:
        return state.phase, error.cause, error.next_action
    next_action = "see the log of the task that failed" if state.phase is Phase.IDLE else state.next_action
    return state.phase, f"the cluster is '{state.phase}': {decision.because}", next_action


def _lines(report: Mapping[str, Any], steps: list[dict[str, Any]]) -> list[str]:
    found = report["found"]
    lines = [f"Found: '{found['phase']}', {found['because']}"] if found else ["Nothing could be found out"]
    lines += [f"  {line}" for line in report["told"]]
    lines += [f"  {step['task_id']}: {step['outcome']} ({human_seconds(step['seconds'])})" for step in steps]
    return [
        *lines,
        f"Proven: {report['proven'] or 'nothing'}",
        *([f"Next: {report['next']}"] if report["next"] else []),
    ]
