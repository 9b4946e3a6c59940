"""In which state the cluster is, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.hooks.server import ServerMode, read_state_without_server
from greenplum_expansion.operators.notices import tell_rollback_began
from greenplum_expansion.operators.rollback.run import RollbackRun, rollback_run
from greenplum_expansion.operators.run import record_step, started_now


class ProbeExpansionOperator(BaseOperator):
    """Say in which state the cluster is, what a rollback can do about it, and what a person does next. Only reads.

    A gpexpand at work is given two minutes to end, as it was perhaps just interrupted.

    :return: ``{server, phase, because, action, next}``
    :raises ActionRefused: gpexpand goes on and is not to be stopped, or the state needs a person
    """

    ui_color = "#e8f3ec"

    def execute(self, context: Mapping[str, Any]) -> dict[str, str]:
        started = started_now()
        with rollback_run(context) as run:
            found = self._probe_stopped(run) if run.mode is ServerMode.DOWN else self._probe(run)
        tell_rollback_began(context, run.request, found)
        self.log.info("The server is %(server)s, the expansion '%(phase)s': %(because)s", found)
        self.log.info("What will be done: %(action)s. %(next)s", found)
        record_step(context, started, found["phase"])
        return found

    def _probe(self, run: RollbackRun) -> dict[str, str]:
        stop = run.request.stop_gpexpand
        situation = run.look(0.0) if stop else run.look()
        if stop and situation.state.phase is Phase.PREPARING:
            return _found(run, situation.state, "stop gpexpand, then look again")
        decision = run.decide(situation)
        return _found(run, situation.state, decision.action, decision.because, decision.next_action)

    def _probe_stopped(self, run: RollbackRun) -> dict[str, str]:
        state = read_state_without_server(run.hook)
        if state is None:
            state = ExpansionState(Phase.IDLE, "the cluster is down, and there is no status file", "start the cluster")
        return _found(run, state, "start the cluster, then look again")


def _found(
    run: RollbackRun, state: ExpansionState, action: str, because: str = "", next_action: str = ""
) -> dict[str, str]:
    return {
        "server": str(run.mode),
        "phase": str(state.phase),
        "because": because or state.because,
        "action": str(action),
        "next": next_action or state.next_action,
    }
