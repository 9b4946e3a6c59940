"""The way forward, where there is none back: approved by a person, finished by gpexpand, and in sync at the end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase, Stage
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks import places
from greenplum_expansion.hooks.expansion_directory import INPUT_FILE, ExpansionDirectory
from greenplum_expansion.hooks.facts import read_gpexpand_options, read_topology
from greenplum_expansion.hooks.jobs import RemoteJob
from greenplum_expansion.hooks.leftovers import without_server
from greenplum_expansion.hooks.restart import unreachable_hosts
from greenplum_expansion.hooks.server import restart_restricted
from greenplum_expansion.operators.notices import tell_approval_waiting
from greenplum_expansion.operators.rollback.run import RollbackRun, Situation, rollback_run
from greenplum_expansion.operators.run import final_errors, record_step, started_now
from greenplum_expansion.operators.segments import errors_said
from greenplum_expansion.planning import limits
from greenplum_expansion.planning.decisions import Presence, RollbackAction, RollbackDecision
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.triggers.jobs import UNREACHABLE
from greenplum_expansion.triggers.mirrors import ClusterHealthyTrigger, problems_now
from greenplum_expansion.triggers.preparation import PreparationTrigger

JOB = "finish_forward"
APPROVED_KEY = "approved_action"
_LOG_READ = 1024 * 1024  # bytes

# Without its status file a gpexpand would ask questions, or move tables: so it is looked at in the last moment.
_FINISH = """
if ! grep -q '^UPDATE_CATALOG_DONE:' "$MASTER_DATA_DIRECTORY/gpexpand.status"; then
    echo "the status file no longer says that the catalog was changed; gpexpand was not run"
    exit 1
fi
exec gpexpand {options}
"""


class ApproveForwardOperator(ApprovalOperator):
    """Let a person decide about what cannot be taken back; nothing is asked where nothing of that kind is to be done.

    Waived by the request. Leaves what was approved: nothing else is done behind it. Rejecting leaves the cluster as it
    is.
    """

    ui_color = "#f9d9c2"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(subject="Go forward with the expansion of {{ params.greenplum_conn_id }}?", **kwargs)

    def execute(self, context: Any) -> Any:
        with rollback_run(context) as run:
            situation = run.look()
            decision = run.decide(situation)
            waived = not run.request.approval
            body = _question(decision, situation)
        context["ti"].xcom_push(key=APPROVED_KEY, value=decision.action.value)
        if waived or not decision.action.needs_approval:
            outcome = "waived by the request" if decision.action.needs_approval else "nothing to approve"
            self.log.info("No approval is asked for: %s", outcome)
            record_step(context, started_now(), outcome)
            return {"chosen_options": [self.APPROVE], "waived": True}
        self.body = body
        because = f"The cluster is in state '{situation.state.phase}': {decision.because}."
        tell_approval_waiting(context, run.request, body, because)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Record the answer first: a rejection leaves by an exception, which skips what follows."""
        for option in event.get("chosen_options", ()):
            who = (event.get("responded_by_user") or {}).get("name", "somebody")
            if option != self.APPROVE:
                context["ti"].xcom_push(key=APPROVED_KEY, value=None)
            record_step(context, context["ti"].start_date.timestamp(), f"{option} by {who}")
        return super().execute_complete(context, event)


def _question(decision: RollbackDecision, situation: Situation) -> str:
    does = {
        RollbackAction.FINISH_FORWARD: (
            "gpexpand is run again. It makes its list of tables, and the new mirrors. No table moves by that."
        ),
        RollbackAction.SET_UP_ANEW: (
            "gpexpand's schema is dropped and made anew, with a new list of tables; which of them have moved already "
            "is found out before any is moved. No table moves by that."
        ),
        RollbackAction.DROP_SCHEMA: (
            "Schema `gpexpand` is dropped from database `postgres`, after a look at every table: none may have moved."
        ),
    }.get(decision.action, "")
    lines = [
        f"**The cluster is in state '{situation.state.phase}':** {decision.because}.",
        "",
        f"If you approve: {does}",
        "",
        "If a new segment has no server, the cluster is restarted in mode immediate, which empties unlogged tables.",
        "",
        f"Afterwards: {decision.next_action}.",
    ]
    return "\n".join(lines)


class FinishForwardOperator(BaseOperator):
    """Finish a preparation that is past the point of no return, by running gpexpand again.

    Probes first: where nothing is to be finished it succeeds and touches nothing. Runs as a detached job on the
    coordinator, as add_segments does; a killed worker or a cleared task finds and follows it.

    * finish forward: gpexpand drops its schema, if any, makes it anew, and has the new mirrors made;
    * set up anew: the same after the status file was written as it stood when the catalog was changed, which is what
      gpexpand goes by;
    * recover mirrors: ``gprecoverseg -a -F``, the last step of the preparation.

    :param approval_task: task id of the ApproveForwardOperator
    :param patience: time to follow the job
    :return: what was decided
    Source: gpexpand 6.24.3, main: what a status file of UPDATE_CATALOG_DONE or later makes it do
    """

    ui_color = "#f7c9b6"

    def __init__(self, *, approval_task: str, patience: timedelta = limits.ADD_SEGMENTS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval_task = approval_task
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> Any:
        started = started_now()
        with rollback_run(context) as run:
            job = self._running(run)
            if job is None:
                situation = run.look()
                decision = run.decide(situation)
                self.log.info("%s: %s", decision.action, decision.because)
                if not decision.action.is_forward:
                    record_step(context, started, f"nothing to finish: {decision.action}")
                    return decision.action.value
                job = self._start(context, run, situation, decision)
            conn_id = run.request.greenplum_conn_id
        self.log.info("It runs in %s; its output follows", job.job_dir)
        self.defer(
            trigger=PreparationTrigger(conn_id, job.job_dir),
            method_name="execute_complete",
            kwargs={"started": started},
            timeout=self.patience,
        )

    def execute_complete(self, context: Mapping[str, Any], event: dict[str, Any], started: float) -> str:
        """Judge by the cluster's state; exit codes prove nothing."""
        with rollback_run(context) as run:
            if event["state"] == UNREACHABLE:
                raise StepFailed(run.subject, event["message"], "clear this task: it finds the job and follows it")
            state = run.look().state
            if state.phase is not Phase.READY:
                said = " / ".join(errors_said(run.hook.job(event["job_dir"]).read_log_tail(_LOG_READ)))
                raise StepFailed(
                    f"{run.subject}: going forward",
                    f"{event['message'].rstrip('.')}; {state.because}" + (f"; gpexpand said: {said}" if said else ""),
                    "mend what it complains about, then clear this task: it runs gpexpand again",
                )
            run.tell("the preparation was finished: the new segments are in the catalog, and the tables are listed")
        record_step(context, started, "finished")
        return RollbackAction.FINISH_FORWARD.value

    def _running(self, run: RollbackRun) -> RemoteJob | None:
        """The job of an earlier try that is still at work."""
        directory = run.find_expansion()
        return directory.newest_job(JOB)[1] if directory and directory.job_runs(JOB) else None

    def _start(
        self, context: Mapping[str, Any], run: RollbackRun, situation: Situation, decision: RollbackDecision
    ) -> RemoteJob:
        directory, plan = situation.require_plan(run.subject)
        approved = context["ti"].xcom_pull(task_ids=self.approval_task, key=APPROVED_KEY)
        if decision.action.needs_approval and approved != decision.action.value:
            raise ActionRefused(
                run.subject,
                f"'{decision.action}' is to be done, but approved was {approved!r}",
                f"clear task {self.approval_task}, and approve",
            )
        if situation.presence is not Presence.ALL:
            raise ActionRefused(
                run.subject,
                "the segments in the catalog are not those of the newest expansion's plan",
                "look at gp_segment_configuration and gpexpand.status; run gpexpand by hand if that is right",
            )
        self._require_segments(run, plan, may_restart=decision.action.needs_approval)
        if decision.action is RollbackAction.RECOVER_MIRRORS:
            self._require_others_up(run, situation, plan)
            return directory.start_job(JOB, ["gprecoverseg", "-a", "-F"])
        if decision.action is RollbackAction.SET_UP_ANEW:
            self._write_status_file(run, directory)
        return directory.start_job(JOB, ["bash", "--noprofile", "--norc", "-c", self._finish(run)])

    def _finish(self, run: RollbackRun) -> str:
        return _FINISH.replace("{options}", shlex.join(read_gpexpand_options(run.hook).progress))

    def _require_segments(self, run: RollbackRun, plan: Plan, *, may_restart: bool) -> None:
        """Every new host must be there, and every primary answer. One that died has no mirror yet: it needs a restart.

        A query may fail for other reasons, too. Only a new primary without a server, seen on its own host, is one to
        restart a cluster for, and only if a person has approved that.

        :raises StepFailed: a new host is away: neither can its primaries be started nor mirrors be made on it; or a
            restart is needed, and not approved, or would not succeed
        """
        dead: list[str] = []
        for hostname, instances in places.instances_by_host(plan).items():
            if why := places.reachable(run.hook, instances):
                raise StepFailed(
                    f"{run.subject}: going forward",
                    f"the catalog names segments on {hostname}, which cannot be reached ({why}); until they run no "
                    "query that needs all segments is answered",
                    f"bring {hostname} back with its data, then clear this task",
                )
            primaries = [instance.datadir for instance in instances if instance.is_primary]
            dead += [f"{hostname}:{path}" for path in without_server(places.open_host(run.hook, instances), primaries)]
        if not dead:
            run.hook.query("segments_answer")
            return
        if not may_restart:
            raise StepFailed(
                f"{run.subject}: going forward",
                f"no server runs in {', '.join(dead)}",
                "restart the cluster (gpstop -a -M fast, gpstart -a), then clear this task",
            )
        self._require_startable(run)
        run.tell(f"no server ran in {', '.join(dead)}, so the cluster was restarted")
        restart_restricted(run.hook)
        run.hook.query("segments_answer")

    def _require_startable(self, run: RollbackRun) -> None:
        """:raises StepFailed: a host is away: gpstart would give up over a standby, and leave the cluster down"""
        away = unreachable_hosts(run.hook, read_topology(run.hook))
        if away:
            raise StepFailed(
                f"{run.subject}: restarting the cluster",
                "what is stopped now might not start again: "
                + "; ".join(f"{host} does not answer: {why}" for host, why in sorted(away.items())),
                "mend that, then clear this task; nothing was stopped",
            )

    def _require_others_up(self, run: RollbackRun, situation: Situation, plan: Plan) -> None:
        """:raises StepFailed: an old instance is down; gprecoverseg -F would rebuild it in full, which takes hours"""
        new = {instance.dbid for instance in plan.new}
        down = [str(i) for i in situation.topology.instances if not i.is_up and i.dbid not in new]
        if down:
            raise StepFailed(
                f"{run.subject}: recovering the new mirrors",
                f"down as well: {', '.join(down)}",
                "recover these by what has changed since ('gprecoverseg -a' on the coordinator; over the new ones it "
                "complains), then clear this task",
            )

    def _write_status_file(self, run: RollbackRun, directory: ExpansionDirectory) -> None:
        """What gpexpand would find if it had died right after it changed the catalog."""
        values = {Stage.EXPANSION_PREPARE_STARTED: directory.file(INPUT_FILE)}
        stages = [stage for stage in Stage if stage <= Stage.UPDATE_CATALOG_DONE]
        text = "".join(f"{stage.name}:{values.get(stage)}\n" for stage in stages)
        where = run.hook.environment().coordinator_data_directory
        run.hook.coordinator().write_text(f"{where}/gpexpand.status", text)
        run.tell("gpexpand's status file was written anew, so that gpexpand makes its schema again")


class WaitForMirrorsOperator(BaseOperator):
    """After the way forward: wait, without a worker, until every instance is up and in sync.

    :param forward_task: task id of the FinishForwardOperator; if that had nothing to do, neither has this
    :param patience: time after which it fails and says what to do
    """

    ui_color = "#f4ecd8"

    def __init__(self, *, forward_task: str, patience: timedelta = limits.MIRRORS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.forward_task = forward_task
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> None:
        started = started_now()
        done = context["ti"].xcom_pull(task_ids=self.forward_task)
        with rollback_run(context) as run:
            conn_id = run.request.greenplum_conn_id
        if done != RollbackAction.FINISH_FORWARD or not problems_now(conn_id):
            record_step(context, started, "nothing to wait for")
            return
        self.defer(
            trigger=ClusterHealthyTrigger(conn_id, patience=self.patience.total_seconds()),
            method_name="execute_complete",
            kwargs={"started": started},
            timeout=self.patience + timedelta(minutes=10),
        )

    def execute_complete(self, context: Mapping[str, Any], event: dict[str, Any], started: float) -> None:
        """All in sync, or patience is over."""
        with final_errors():
            if not event["healthy"]:
                raise StepFailed(
                    "Mirrors",
                    "; ".join(event["problems"]),
                    "run gprecoverseg -a on the coordinator, wait until gpstate -e is content, then clear this task",
                )
        record_step(context, started, "in sync")
