"""The last step back: the hosts as they were before they were prepared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.preparation import undo_preparation
from greenplum_expansion.operators.rollback.run import RollbackRun, Situation, rollback_run
from greenplum_expansion.operators.run import record_step, run_is_active, started_now, this_airflow
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.preparation.manifest import Undone


class UndoPreparationOperator(BaseOperator):
    """Put back what was changed on hosts, new and old, to prepare them; only if the request asks for it.

    From the copies saved before each change. What others have changed since is left, and told. Never while the new
    segments are in the catalog, and never under an expansion that still goes on: it needs what would be undone.

    :return: what was done, a sentence each
    :raises ActionRefused: see above
    :raises StepFailed: something is left
    """

    ui_color = "#f7c9b6"

    def execute(self, context: Mapping[str, Any]) -> list[str]:
        started = started_now()
        with rollback_run(context) as run:
            if not run.request.undo_preparation:
                record_step(context, started, "not asked for")
                return []
            situation = run.look()
            self._require_over(context, run, situation)
            if situation.directory is None:
                record_step(context, started, "nothing was prepared")
                return []
            outcomes = undo_preparation(situation.directory)
            for outcome in outcomes:
                self.log.info("%s", outcome)
            left = [str(outcome) for outcome in outcomes if outcome.outcome is Undone.LEFT]
            run.tell(f"{len(outcomes) - len(left)} changes to hosts were taken back")
            if left:
                raise StepFailed(
                    f"{run.subject}: undoing the preparation",
                    "; ".join(left),
                    "look at these by hand; what was there before lies beside the manifest on the host",
                )
        record_step(context, started, f"{len(outcomes)} changes taken back")
        return [str(outcome) for outcome in outcomes]

    def _require_over(self, context: Mapping[str, Any], run: RollbackRun, situation: Situation) -> None:
        if situation.state.phase is not Phase.IDLE or situation.presence not in (None, Presence.NONE):
            raise ActionRefused(
                f"{run.subject}: undoing the preparation",
                "the new hosts are, or may be, part of the cluster",
                "trigger again without 'Undo the preparation of the hosts'",
            )
        held = run.claim.read()
        if (
            held is not None
            and not held.released
            and held.airflow == this_airflow()
            and run_is_active(context["ti"], held.dag_id, held.run_id)
        ):
            raise ActionRefused(
                f"{run.subject}: undoing the preparation",
                f"run {held.run_id} of {held.dag_id} goes on, and needs its hosts prepared",
                "mark that run as failed, then clear this task",
            )
