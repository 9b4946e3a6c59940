"""The one task that fails: all findings of all checks, judged together."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.finding import Finding, errors, worst_first
from greenplum_expansion.errors import ChecksFailed
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    final_errors,
    record_step,
    started_now,
)


class JudgeFindingsOperator(BaseOperator):
    """Show all findings together; fail if one of them is an error, before anything was touched.

    Judges the findings of all tasks upstream of it.

    :param mapped_checks: by id of a mapped check the task whose list it is mapped over: over an empty one it does not
        run at all, and that it left nothing is right
    :return: all findings, worst first
    """

    ui_color = "#cfe8d8"

    def __init__(self, *, mapped_checks: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mapped_checks = dict(mapped_checks or {})

    def execute(self, context: Mapping[str, Any]) -> list[dict[str, str]]:
        started = started_now()
        lists = context["ti"].xcom_pull(task_ids=self._check_tasks(), key=FINDINGS_KEY) or []
        findings = worst_first(Finding.from_dict(data) for found in lists if found for data in found)
        for finding in findings:
            self.log.log(40 if errors([finding]) else 20, "%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        wrong = errors(findings)
        record_step(context, started, f"{len(wrong)} errors, {len(findings) - len(wrong)} others")
        with final_errors():
            if wrong:
                raise ChecksFailed(
                    "The checks",
                    f"{len(wrong)} of {len(findings)} findings are errors: " + " ".join(map(str, wrong)),
                    "mend what the remedies say and trigger again; nothing was touched",
                )
            # A check whose process died has left nothing; that must not count as passed.
            silent = self._silent(context)
            if silent:
                raise ChecksFailed(
                    "The checks",
                    f"{', '.join(silent)} ended without a result",
                    "see the log of that task and clear it",
                )
        return [finding.to_dict() for finding in findings]

    def _check_tasks(self) -> list[str]:
        return sorted(task.task_id for task in self.get_flat_relatives(upstream=True))

    def _silent(self, context: Mapping[str, Any]) -> list[str]:
        pull = context["ti"].xcom_pull
        idle = {check for check, source in self.mapped_checks.items() if pull(task_ids=source) == []}
        return [
            task
            for task in self._check_tasks()
            if task not in idle and set(map(type, pull(task_ids=[task], key=FINDINGS_KEY))) <= {NoneType}
        ]
