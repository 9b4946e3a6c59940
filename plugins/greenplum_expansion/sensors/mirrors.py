"""Wait until the new mirrors, and all others, are in sync."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator

from greenplum_expansion.checks.remains import check_nothing_left
from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.remains import read_remains
from greenplum_expansion.operators.run import (
    ExpansionRun,
    expansion_run,
    note_followed,
    record_section,
    record_step,
    started_now,
)
from greenplum_expansion.planning import limits
from greenplum_expansion.planning.section import Section
from greenplum_expansion.triggers.mirrors import ClusterHealthyTrigger, problems_now


class MirrorsInSyncSensor(BaseSensorOperator):
    """Wait, without a worker, until every instance is up, in its preferred role and in sync.

    Right after preparation mirrors still copy; tables should move only when losing a host loses nothing. Processes and
    servers that gpexpand has left behind are told in the report.

    :param patience: time after which the task fails and says what to do
    """

    ui_color = "#f4ecd8"

    def __init__(self, *, patience: timedelta = limits.MIRRORS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> None:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            conn_id = run.request.greenplum_conn_id
            if not problems_now(conn_id):
                self._in_sync(context, run, started)
                return
        self.defer(
            trigger=ClusterHealthyTrigger(conn_id, patience=self.patience.total_seconds()),
            method_name="execute_complete",
            kwargs={"started": started},
            timeout=self.patience + timedelta(minutes=10),
        )

    def execute_complete(self, context: Mapping[str, Any], event: dict[str, Any], started: float) -> None:
        """All in sync, or patience is over."""
        note_followed(event)
        with expansion_run(context) as run:
            if not event["healthy"]:
                raise StepFailed(
                    f"Mirrors of {run.subject}",
                    "; ".join(event["problems"]),
                    "run gprecoverseg -a on the coordinator, wait until gpstate -e is content, then clear this task",
                )
            self._in_sync(context, run, started)

    def _in_sync(self, context: Mapping[str, Any], run: ExpansionRun, started: float) -> None:
        """What gpexpand has left at work is told now, not when tables have moved for days beside it."""
        findings = check_nothing_left(*read_remains(run.hook, read_topology(run.hook), run.directory.path))
        for finding in findings:
            self.log.warning("%s", finding)
        if findings:
            record_section(context, Section("Left behind by adding the segments", tuple(map(str, findings))))
        record_step(context, started, f"in sync; {len(findings)} things left behind" if findings else "in sync")
