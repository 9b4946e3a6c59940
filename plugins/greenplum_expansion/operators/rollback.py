"""Taking back a preparation that failed before the catalog changed, or saying plainly why that is not possible."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from greenplum_expansion.cluster.names import expansion_id
from greenplum_expansion.cluster.state import ExpansionState, Phase, StatusFile
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.claim import ClusterClaim
from greenplum_expansion.hooks.expansion_directory import INPUT_FILE, ExpansionDirectory
from greenplum_expansion.hooks.facts import read_expansion_state, read_status_file, read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import Script
from greenplum_expansion.operators.run import final_errors, record_step, run_is_active, started_now, this_airflow
from greenplum_expansion.planning.decisions import Presence, RollbackAction, decide_roll_back
from greenplum_expansion.planning.plan import Plan, differences
from greenplum_expansion.request import ExpansionRequest, RollbackRequest, parse_request

_WAIT_FOR_GPEXPAND = 120.0  # seconds


class RollbackRun:
    """The expansion that the DAG run in `context` is to take back."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        self.request = parse_request(RollbackRequest, dict(context["params"]))
        self.hook = GreenplumHook(self.request.greenplum_conn_id)
        self.claim = ClusterClaim(self.hook)

    def find_expansion(self) -> ExpansionDirectory | None:
        """Its directory; None if no expansion ever claimed this cluster."""
        held = self.claim.read()
        if held is None:
            return None
        wished = self.request.expansion_id or held.expansion_id
        if wished != held.expansion_id:
            raise ActionRefused(
                f"Rollback of expansion {wished}",
                f"the cluster's newest expansion is {held.expansion_id}; what is half done now belongs to that one",
                "roll back the newest expansion, or leave the name empty",
            )
        return ExpansionDirectory(self.hook, wished)

    @property
    def subject(self) -> str:
        return f"Rollback on connection {self.request.greenplum_conn_id}"


@contextmanager
def rollback_run(context: Mapping[str, Any]) -> Iterator[RollbackRun]:
    """The run of this task, closed at its end; errors that no retry mends end the task at once."""
    with final_errors():
        run = RollbackRun(context)
        try:
            yield run
        finally:
            run.hook.close()


def wait_while_preparing(hook: GreenplumHook, seconds: float) -> ExpansionState:
    """The state as soon as no preparation runs any more, or after `seconds`.

    Marking add_segments failed sends gpexpand SIGINT, and triggers the rollback in the same moment.
    """
    deadline = time.monotonic() + seconds
    while True:
        state = read_expansion_state(hook)
        if state.phase is not Phase.PREPARING or time.monotonic() > deadline:
            return state
        time.sleep(2)


class TriggerRollbackOperator(TriggerDagRunOperator):
    """Trigger greenplum_rollback for this run's expansion and wait for it, if adding its segments has failed.

    Skipped if the request does without, and if adding had not been begun: then there is nothing to take back.

    :param segments_task: task id of the AddSegmentsOperator
    """

    ui_color = "#f7c9b6"

    def __init__(self, *, segments_task: str, **kwargs: Any) -> None:
        super().__init__(
            trigger_dag_id="greenplum_rollback",
            wait_for_completion=True,
            deferrable=True,
            poke_interval=10,
            fail_when_dag_is_paused=True,
            **kwargs,
        )
        self.segments_task = segments_task

    def execute(self, context: Any) -> Any:
        dag_run = context["dag_run"]
        request = parse_request(ExpansionRequest, dict(context["params"]))
        states = context["ti"].get_task_states(
            dag_id=dag_run.dag_id, task_ids=[self.segments_task], run_ids=[dag_run.run_id]
        )
        if states.get(dag_run.run_id, {}).get(self.segments_task) != "failed":
            raise AirflowSkipException("No segment was begun to be added, so there is nothing to roll back")
        if not request.roll_back_on_failure:
            raise AirflowSkipException("The request asks for no rollback; run greenplum_rollback by hand")
        self.conf = {
            "greenplum_conn_id": request.greenplum_conn_id,
            "expansion_id": expansion_id(dag_run.run_id),
        }
        record_step(context, started_now(), "greenplum_rollback triggered")
        return super().execute(context)


class ProbeExpansionOperator(BaseOperator):
    """Say in which state the cluster is, what a rollback can do about it, and what a person does next. Only reads.

    :return: ``{phase, because, action, next}``
    """

    ui_color = "#e8f3ec"

    def execute(self, context: Mapping[str, Any]) -> dict[str, str]:
        started = started_now()
        with rollback_run(context) as run:
            state = wait_while_preparing(run.hook, _WAIT_FOR_GPEXPAND)
            self.log.info("The cluster is in state '%s': %s", state.phase, state.because)
            action, because = decide_roll_back(run.subject, state)
        self.log.info("%s: %s", action, because)
        record_step(context, started, state.phase)
        return {"phase": state.phase, "because": state.because, "action": action, "next": because}


class RollBackOperator(BaseOperator):
    """Take back a preparation that failed before the catalog changed (``gpexpand -r``), and stop what that leaves.

    Probes again. Nothing begun: succeed, touch nothing. Past the point of no return: succeed, touch nothing, and say
    the way forward; tables that failed to move are never a reason to roll back. Failed early: gpexpand -r from the
    directory -i ran in, then the postgres processes it leaves on the new hosts are stopped, which would hold their
    ports for minutes.

    Refused unless the half-done preparation is this expansion's own: gpexpand -r deletes every directory named in the
    input file it was begun with.

    :return: what was done
    """

    ui_color = "#f7c9b6"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with rollback_run(context) as run:
            state = wait_while_preparing(run.hook, _WAIT_FOR_GPEXPAND)
            action, because = decide_roll_back(run.subject, state)
            self.log.info("%s: %s", action, because)
            directory = run.find_expansion()
            plan = directory.read_plan() if directory else None
            if action is RollbackAction.ROLL_BACK:
                self._roll_back(run, directory, state)
            elif action is RollbackAction.NOTHING and plan is not None:
                self._require_not_carried_out(run, plan)
                self._stop_left_processes(run, plan)
        record_step(context, started, action)
        return action.value

    def _roll_back(self, run: RollbackRun, directory: ExpansionDirectory | None, state: ExpansionState) -> None:
        own = directory.file(INPUT_FILE) if directory else None
        text = read_status_file(run.hook)
        begun_with = StatusFile.parse(text).input_file if text is not None else None
        # Before its second line the status file names no input file; then there is nothing to delete either.
        if begun_with is not None and begun_with != own:
            raise ActionRefused(
                run.subject,
                f"the half-done preparation was begun with {begun_with}, which is no file of the newest expansion",
                "look at that file, as gpexpand -r deletes every directory named in it; then run gpexpand -r by hand",
            )
        if directory is None:
            raise state.refuse(run.subject)
        plan = directory.require_plan()
        if run.hook.coordinator().read_text(directory.file(INPUT_FILE)) != plan.input_file:
            raise ActionRefused(
                run.subject,
                f"{own} was changed after the preparation began, and gpexpand -r deletes what is named in it",
                "compare it with plan.json beside it, restore it, then clear this task",
            )
        # First, as what still works on a new host would make anew the directories that gpexpand -r deletes.
        self._stop_left_processes(run, plan)
        result = run.hook.run_utility(["gpexpand", "-r"], stdin="", check=False, cwd=directory.path, timeout=3600)
        for line in (result.stdout + result.stderr).splitlines():
            self.log.info("gpexpand: %s", line)
        after = read_expansion_state(run.hook)
        if after.phase is not Phase.IDLE:
            raise StepFailed(f"{run.subject}: gpexpand -r", f"{after.phase}: {after.because}", after.next_action)

    def _require_not_carried_out(self, run: RollbackRun, plan: Plan) -> None:
        """Idle may also mean that the expansion is over and its segments are at work."""
        if plan.presence(read_topology(run.hook)) is not Presence.NONE:
            raise ActionRefused(
                run.subject,
                f"expansion {plan.expansion_id} has been carried out; its segments are in the catalog",
                "nothing is to be rolled back; taking segments out of a cluster again is not what gpexpand can do",
            )

    def _stop_left_processes(self, run: RollbackRun, plan: Plan) -> None:
        """Stop what gpexpand has left at work on the new hosts in the plan's data directories."""
        for hostname in plan.new_hosts:
            mine = [i for i in plan.new if i.hostname == hostname]
            script = _stop_left([i.datadir for i in mine])
            result = run.hook.host(hostname, mine[0].address).run(script, timeout=180)
            for line in result.stdout.splitlines():
                self.log.info("%s: %s", hostname, line)


class VerifyRollbackOperator(BaseOperator):
    """Prove that the catalog is as it was before the expansion, and that nothing of it is left half done.

    After a state in which only the way forward is left it says so and fails, so that the run does not look like a
    success.
    """

    ui_color = "#cfe8d8"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with rollback_run(context) as run:
            state = read_expansion_state(run.hook)
            if state.phase is not Phase.IDLE:
                raise state.refuse(f"{run.subject}: the expansion cannot be taken back")
            directory = run.find_expansion()
            plan = directory.read_plan() if directory else None
            if directory is None or plan is None:
                outcome = "nothing had been planned, so nothing was changed"
            else:
                wrong = differences(plan.before, read_topology(run.hook))
                if wrong:
                    raise StepFailed(
                        run.subject,
                        "gp_segment_configuration is not as before: " + "; ".join(wrong),
                        "compare it with plan.json of the expansion; if that is complete there is nothing to do",
                    )
                outcome = f"the catalog is as before: {plan.before.segment_count} segments"
                outcome += self._release_claim(context, run, directory.expansion_id)
        self.log.info("%s", outcome)
        record_step(context, started, outcome)
        return outcome

    def _release_claim(self, context: Mapping[str, Any], run: RollbackRun, expansion_id: str) -> str:
        """Let the next expansion have the cluster, unless this one still goes on (waits for its approval, say)."""
        held = run.claim.read()
        if held is None or held.expansion_id != expansion_id or held.released:
            return ""
        if held.airflow != this_airflow():
            return f"; the Airflow at {held.airflow} keeps its claim on the cluster for run {held.run_id}"
        if run_is_active(context["ti"], held.dag_id, held.run_id):
            return f"; run {held.run_id} goes on and keeps the cluster"
        run.claim.release(expansion_id)
        return ""


def _stop_left(datadirs: list[str]) -> Script:
    """End the postgres servers of these directories, and gpconfigurenewsegment that still builds them.

    A server gets SIGINT (fast shutdown), and SIGQUIT if it is still there after a minute; the others SIGTERM. They are
    found by their exact arguments: ``-D DIRECTORY``, and ``DIRECTORY:PORT:…`` in what gpexpand hands to its helpers.
    """
    quoted = " ".join(map(shlex.quote, datadirs))
    return Script(
        f"""
find_left() {{
    for p in /proc/[0-9]*; do
        # The kernel knows whose process it is; another user's is none of ours.
        [ -O "$p" ] && [ "${{p#/proc/}}" != $$ ] || continue
        args=$(tr '\\0' '\\n' 2>/dev/null < "$p/cmdline") || continue
        program=$(printf '%s\\n' "$args" | head -n 1)
        dir=$(printf '%s\\n' "$args" | sed -n '/^-D$/{{n;p;}}; s/^-D\\(.\\)/\\1/p' | head -n 1)
        for d in {quoted}; do
            case $1:$program in
                servers:*postgres|servers:*postmaster) [ "$dir" = "$d" ] && echo "${{p#/proc/}}" ;;
                helpers:*) case $args in *gpconfigurenewsegment*"$d:"*) echo "${{p#/proc/}}" ;; esac ;;
            esac
        done
    done
}}
end() {{ # kind, signal, half seconds to wait
    pids=$(find_left "$1" | sort -u)
    [ -n "$pids" ] || return 0
    echo "SIG$2 to $1 left behind: $(echo $pids)"
    kill -"$2" $pids 2>/dev/null
    for _ in $(seq "$3"); do [ -n "$(find_left "$1")" ] || return 0; sleep 0.5; done
    return 1
}}
end helpers TERM 20
end servers INT 120 || end servers QUIT 40 || {{ echo "still there: $(echo $(find_left servers))"; exit 1; }}
""",
        "stop what gpexpand left",
    )
