"""Wait until the new mirrors, and all others, are in sync."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.operators.run import expansion_run, note_followed, record_step, started_now
from greenplum_expansion.triggers.mirrors import ClusterHealthyTrigger, problems_now


class MirrorsInSyncSensor(BaseSensorOperator):
    """Wait, without a worker, until every instance is up, in its preferred role and in sync.

    Right after preparation mirrors still copy; tables should move only when losing a host loses nothing.

    :param patience: time after which the task fails and says what to do
    """

    ui_color = "#f4ecd8"

    def __init__(self, *, patience: timedelta = timedelta(hours=6), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> None:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            conn_id = run.request.greenplum_conn_id
        if not problems_now(conn_id):
            record_step(context, started, "in sync")
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
        record_step(context, started, "in sync")
