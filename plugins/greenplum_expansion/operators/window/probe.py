"""Whether there is anything to do in this window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from greenplum_expansion.hooks.claim import Claim
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.operators.run import final_errors, record_step, run_is_active, started_now, this_airflow
from greenplum_expansion.operators.tables import write_order
from greenplum_expansion.operators.window.run import WindowRun, find_window, has_expansion, read_claim
from greenplum_expansion.planning.decisions import why_no_window
from greenplum_expansion.redistribution.engine import read_progress
from greenplum_expansion.request import (
    ExpansionRequest,
    MovedBy,
    OrderChoice,
    RedistributeRequest,
    parse_request,
)
from greenplum_expansion.triggers.progress import ENDED

BEFORE_KEY = "progress_before"
_MOVE_TASK = "redistribute.move_tables"  # in greenplum_expand


class ProbeWindowOperator(BaseOperator):
    """Look whether tables are to be moved in this window, and skip the run with a sentence why if none are.

    Skipped are runs on a cluster with no expansion under way, with one whose preparation is not finished, whose tables
    another run moves, or of which nothing is left; and runs whose window is over. Changes nothing, but the ranks of
    tables if this run was asked for another order.

    :return: name of the expansion
    """

    ui_color = "#dbe6f4"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with final_errors():
            asked = parse_request(RedistributeRequest, dict(context["params"]))
            hook = GreenplumHook(asked.greenplum_conn_id)
            try:
                claim = read_claim(hook)
                reason = self._why_not(context, asked, hook, claim)
                if reason:
                    self.log.info("Skipped on connection %s: %s", asked.greenplum_conn_id, reason)
                    raise AirflowSkipException(f"Skipped on connection {asked.greenplum_conn_id}: {reason}")
                assert claim is not None
                run = WindowRun(context, asked, hook, claim.expansion_id)
                if asked.order is not OrderChoice.AS_RANKED:
                    write_order(run)
                progress = read_progress(hook)
            finally:
                hook.close()
        left = progress.tables_total - progress.tables_done
        end = run.window.end if run.window is not None and run.window.has_end else None
        self.log.info("%d tables are left of %s; moved %s", left, run.subject, f"until {end}" if end else "to the end")
        context["ti"].xcom_push(key=BEFORE_KEY, value=[progress.tables_done, progress.bytes_done])
        record_step(context, started, f"{left} tables left")
        return claim.expansion_id

    def _why_not(
        self, context: Mapping[str, Any], asked: RedistributeRequest, hook: GreenplumHook, claim: Claim | None
    ) -> str:
        if claim is None or not has_expansion(claim):
            return why_no_window(None, None, is_ranked=False, mover="", window_is_over=False)
        directory = ExpansionDirectory(hook, claim.expansion_id)
        kept, plan = directory.read_request(), directory.read_plan()
        request = None
        window_is_over = False
        if kept is not None:
            known = {name: value for name, value in kept.items() if name in ExpansionRequest.model_fields}
            request = parse_request(ExpansionRequest, known)
            window = find_window(context, asked, request)
            window_is_over = window is None or window.end <= datetime.now(UTC)
        return why_no_window(
            read_expansion_state(hook),
            plan.presence(read_topology(hook)) if plan else None,
            is_ranked=kept is not None,
            mover=_mover(context, hook, claim, request),
            window_is_over=window_is_over,
        )


def _mover(context: Mapping[str, Any], hook: GreenplumHook, claim: Claim, request: ExpansionRequest | None) -> str:
    """Who else moves the tables, or will."""
    run = f"run {claim.run_id} of {claim.dag_id}"
    if claim.airflow != this_airflow():
        return f"{run}, in the Airflow at {claim.airflow}, which cannot be looked at from here,"
    if request is not None and request.moved_by is MovedBy.THIS_RUN:
        ti = context["ti"]
        if run_is_active(ti, claim.dag_id, claim.run_id):
            states = ti.get_task_states(dag_id=claim.dag_id, task_ids=[_MOVE_TASK], run_ids=[claim.run_id])
            if states.get(claim.run_id, {}).get(_MOVE_TASK) not in ENDED:
                return run
    if rows := hook.query("movers_alive"):
        return f"another task (pid {rows[0]['pid']} in pg_stat_activity)"
    return ""
