"""What all check operators have in common: gather facts, hand them to a pure check, leave its findings.

A check task succeeds although it found errors, so that a run shows every problem at once. Only
`JudgeFindingsOperator` fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    open_run,
    record_step,
    started_now,
)
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.plan import Plan


def expansion_begun(run: ExpansionRun) -> Plan | None:
    """This run's plan, if it is being carried out or was; else None."""
    plan = run.directory.read_plan()
    if plan is None:
        return None
    present = plan.presence(read_topology(run.hook)) is not Presence.NONE
    return plan if present or run.directory.job_runs("add_segments") else None


class CheckOperator(BaseOperator):
    """Base of all checks: runs `find`, logs each finding and leaves them under the XCom key "findings".

    An error while looking (host not reachable, request not valid) becomes a finding as well. A task cleared after its
    expansion has begun notes that and looks no further: what it would find is what the expansion itself has changed.
    """

    ui_color = "#e8f3ec"

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Return what `find` returns besides findings, for the tasks behind."""
        started = started_now()
        result = None
        try:
            with open_run(context) as run:
                plan = self.plan_begun(run)
                if plan is None:
                    findings, result = self.find(run)
                else:
                    findings = [Finding.note(run.subject, "it has begun; the state before it is no longer checked")]
                    result = self.result_when_begun(run, plan)
        except ExpansionError as error:
            findings = [Finding.error(error.subject, error.cause, error.next_action)]
        for finding in findings:
            self.log.log(30 if errors([finding]) else 20, "%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        record_step(context, started, f"{len(errors(findings))} errors")
        return result

    def plan_begun(self, run: ExpansionRun) -> Plan | None:
        """This run's plan, if it is being carried out or was; else None."""
        return expansion_begun(run)

    def result_when_begun(self, run: ExpansionRun, plan: Plan) -> Any:
        """What the tasks behind get instead of what `find` would return."""
        return None

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        """Look and judge. :return: findings, and a value for the tasks behind (or None)."""
        raise NotImplementedError


class DependentCheckOperator(CheckOperator):
    """A check that needs the connection: skipped, not failed, if that does not work, so that one fault is told once.

    :param connection_task: task id of the CheckConnectionOperator
    """

    def __init__(self, *, connection_task: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connection_task = connection_task

    def execute(self, context: Mapping[str, Any]) -> Any:
        if not context["ti"].xcom_pull(task_ids=self.connection_task):
            raise AirflowSkipException(
                f"{self.connection_task} found errors; without a connection nothing can be checked"
            )
        return super().execute(context)
