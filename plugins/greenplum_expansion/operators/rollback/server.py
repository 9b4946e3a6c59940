"""Before and after: gpexpand stopped, the cluster started, and in the end open for everybody again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.facts import read_expansion_state, read_status_file
from greenplum_expansion.hooks.leftovers import interrupt_gpexpand
from greenplum_expansion.hooks.server import (
    ServerMode,
    forget_note,
    restart_for_everybody,
    start,
    was_restricted_by_us,
)
from greenplum_expansion.operators.rollback.run import RollbackRun, rollback_run
from greenplum_expansion.operators.run import record_step, started_now


class StopGpexpandOperator(BaseOperator):
    """Interrupt a gpexpand that still prepares segments, if the request says so.

    SIGINT first, as Ctrl-C; SIGTERM after a minute, SIGKILL after another. What it leaves is the business of the tasks
    behind this one. Nothing is done to one that moves tables, and nothing without being asked.

    :return: what was done
    """

    ui_color = "#f7c9b6"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with rollback_run(context) as run:
            outcome = "none was at work" if run.mode is ServerMode.DOWN else self._stop(run)
        self.log.info("gpexpand: %s", outcome)
        record_step(context, started, outcome)
        return outcome

    def _stop(self, run: RollbackRun) -> str:
        if not run.request.stop_gpexpand:
            return "not to be stopped"
        if read_expansion_state(run.hook).phase is not Phase.PREPARING:
            return "none was at work"
        for line in interrupt_gpexpand(run.hook):
            self.log.info("%s", line)
        state = read_expansion_state(run.hook)
        if state.phase is Phase.PREPARING:
            raise StepFailed(f"{run.subject}: gpexpand", f"it does not end: {state.because}", "end it by hand")
        run.tell("gpexpand was at work and was interrupted")
        return "interrupted"


class StartClusterOperator(BaseOperator):
    """Start the cluster if it is down: with ``gpstart -R`` while an expansion is half done, else for everybody.

    gpstart refuses to start it otherwise ("Found a System Expansion Setup in progress"). A coordinator whose server was
    killed while its segments run is the same: gpstart ends and starts them.

    :return: what was done
    :raises ActionRefused: it is down, and the request does not allow to start it
    """

    ui_color = "#f7c9b6"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with rollback_run(context) as run:
            outcome = self._start(run)
        self.log.info("The cluster: %s", outcome)
        record_step(context, started, outcome)
        return outcome

    def _start(self, run: RollbackRun) -> str:
        if run.mode is not ServerMode.DOWN:
            return f"it runs, {run.mode}"
        half_done = read_status_file(run.hook) is not None
        command = "gpstart -a -R" if half_done else "gpstart -a"
        if not run.request.start_cluster:
            raise ActionRefused(
                run.subject, "the cluster is down, and the request does not allow to start it", f"run {command}"
            )
        start(run.hook, restricted=half_done)
        run.tell(f"the cluster was down and was started with '{command}'")
        return f"started with '{command}'"


class OpenClusterOperator(BaseOperator):
    """Restart a cluster that was started for superusers only, so that everybody may come in again.

    Only if it was this DAG that restricted it, and nothing is half done any more: gpstart would refuse.

    :return: what was done
    """

    ui_color = "#f7c9b6"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with rollback_run(context) as run:
            outcome = self._open(run)
        self.log.info("The cluster: %s", outcome)
        record_step(context, started, outcome)
        return outcome

    def _open(self, run: RollbackRun) -> str:
        if run.mode is ServerMode.NORMAL:
            forget_note(run.hook)
            return "open for everybody"
        if not was_restricted_by_us(run.hook):
            return f"left as it was found, {run.mode}"
        if run.mode is ServerMode.DOWN:
            if read_status_file(run.hook) is None:  # an earlier try was killed between stop and start
                start(run.hook, restricted=False)
                forget_note(run.hook)
                return "started for everybody"
            raise StepFailed(run.subject, "the cluster is down", "clear task start_cluster and all that follows")
        state = read_expansion_state(run.hook)
        if state.phase in (Phase.PREPARATION_FAILED, Phase.PREPARATION_UNFINISHED, Phase.PREPARING):
            raise StepFailed(
                f"{run.subject}: opening the cluster",
                f"only superusers may connect, as the expansion is still half done: {state.because}",
                "see the log of the task that failed, mend the cause, clear it and all that follows",
            )
        restart_for_everybody(run.hook)
        run.tell("the cluster was restarted, and is open for everybody again")
        return "restarted for everybody"
