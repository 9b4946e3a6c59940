"""The one task that fails: all findings of all checks, judged together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

    :param mapped_checks: by id of a mapped check the task whose list of places it is mapped over: each of them must
        have been looked at, and over an empty list the check does not run at all
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
        return [name for task in self._check_tasks() for name in self._silent_of(context["ti"].xcom_pull, task)]

    def _silent_of(self, pull: Callable[..., Any], task: str) -> list[str]:
        """The check itself, or the hosts for which it has left nothing."""
        places = pull(task_ids=self.mapped_checks[task]) if task in self.mapped_checks else None
        if places is None:
            left = pull(task_ids=[task], key=FINDINGS_KEY)
            return [task] if set(map(type, left)) <= {NoneType} else []
        # Asked one by one: a list of what all have left does not tell that one is missing.
        return [
            f"{task} of {place['hostname']}"
            for index, place in enumerate(places)
            if pull(task_ids=task, map_indexes=index, key=FINDINGS_KEY) is None
        ]
