"""Changing how tables move, while they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.hooks.claim import ClusterClaim
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.facts import read_expansion_state
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.operators.run import final_errors, record_step, started_now
from greenplum_expansion.redistribution.engine import read_progress
from greenplum_expansion.redistribution.steering import Steering, read_steering, write_steering
from greenplum_expansion.request import SteeringAction, SteerRequest, parse_request


class SteerOperator(BaseOperator):
    """Pause, resume, or change how many tables move at a time; or only look.

    Probes which expansion is under way, and what moves its tables now. What is set is kept in the cluster, with who has
    set it; the direct engine follows within seconds, with its next move. gpexpand cannot be steered while it moves:
    what is set holds when it is next begun, and the log says so. It holds over retries and windows, until changed.

    :return: what holds now, in words
    :raises ActionRefused: there is no expansion to steer
    """

    ui_color = "#f7dcc0"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with final_errors():
            request = parse_request(SteerRequest, dict(context["params"]))
            hook = GreenplumHook(request.greenplum_conn_id)
            try:
                said = self._steer(context, request, hook)
            finally:
                hook.close()
        record_step(context, started, said)
        return said

    def _steer(self, context: Mapping[str, Any], request: SteerRequest, hook: GreenplumHook) -> str:
        claim = ClusterClaim(hook).read()
        if claim is None or claim.released:
            raise ActionRefused(
                f"Steering on connection {request.greenplum_conn_id}",
                "no expansion is under way on this cluster",
                "begin one with greenplum_expand",
            )
        state = read_expansion_state(hook)
        before = read_steering(hook, claim.expansion_id)
        after = before.changed(request.action, request.sessions)
        if request.action is not SteeringAction.SHOW:
            if state.phase is Phase.COMPLETE:
                raise ActionRefused(
                    f"Expansion {claim.expansion_id}", "nothing is left to move", "nothing: there is nothing to steer"
                )
            who = _who(context)
            self._warn_of_disk(hook, claim.expansion_id, after)
            write_steering(hook, claim.expansion_id, request.action, after, who)
            self.log.info("%s, by %s. Before: %s", request.action, who, before)
            after = read_steering(hook, claim.expansion_id)
        self.log.info("Expansion %s: %s", claim.expansion_id, after)
        progress = read_progress(hook)
        self.log.info("Progress: %s", progress.say(progress, 0.0))
        self.log.info("%s", _when(state, bool(hook.query("movers_alive"))))
        return str(after)

    def _warn_of_disk(self, hook: GreenplumHook, expansion_id: str, after: Steering) -> None:
        kept = ExpansionDirectory(hook, expansion_id).read_request() or {}
        planned = kept.get("parallel_moves")
        if after.sessions is not None and planned is not None and after.sessions > planned:
            self.log.warning(
                "%d tables at a time need disk for so many second copies; the plan was made for %d",
                *(after.sessions, planned),
            )


def _who(context: Mapping[str, Any]) -> str:
    """Who has triggered this run, for the audit."""
    dag_run = context["dag_run"]
    return f"{dag_run.triggering_user_name or 'nobody known to Airflow'} (run {dag_run.run_id})"


def _when(state: ExpansionState, moves_directly: bool) -> str:
    if moves_directly:
        return "The direct engine is at work: it follows with its next move, within seconds"
    if state.phase is Phase.REDISTRIBUTING:
        return (
            "gpexpand is at work and cannot be steered: what is set holds when it is next begun, in the next window. "
            "To end it now, mark task redistribute.move_tables as failed, and clear it later"
        )
    return "Nothing moves now; what is set holds from the next move on"
