"""A restart of the cluster after the proof, for those who want one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NoReturn

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.activity import Session, in_transactions
from greenplum_expansion.checks.cluster import check_segments
from greenplum_expansion.checks.finding import errors
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.cluster_facts import read_sessions
from greenplum_expansion.hooks.facts import read_expansion_state, read_probed_topology, read_topology
from greenplum_expansion.hooks.restart import (
    JOB,
    note_begin,
    read_begin,
    restart_script,
    running_job,
    start_script,
    unreachable_hosts,
)
from greenplum_expansion.hooks.server import find_server
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, note_followed, record_step, started_now
from greenplum_expansion.planning import limits
from greenplum_expansion.planning.restart import RestartAction, RestartFacts, decide_restart
from greenplum_expansion.request import SessionsChoice
from greenplum_expansion.triggers.jobs import UNREACHABLE
from greenplum_expansion.triggers.mirrors import ClusterHealthyTrigger
from greenplum_expansion.triggers.restart import RestartTrigger
from greenplum_expansion.triggers.sessions import SessionsDrainedTrigger

_LOG_READ = 16 * 1024  # bytes of the log's end in which the reason is looked for
_NAMED = 10
_LOUD = ("[WARNING]", "[ERROR]", "[CRITICAL]", "[FATAL]")


class RestartClusterOperator(BaseOperator):
    """Restart the cluster, only if asked: sessions drained, CHECKPOINT, gpstop in mode fast, gpstart.

    Probes: a restart of this expansion that is at work is followed, without asking SQL. Server restarted since this
    task first stopped it: only waits until all is in sync. Cluster down, and this task has stopped it: starts it.
    Redistribution not complete: refused. Before stopping, every instance must be up and in sync and every host
    reachable, looked at immediately before: gpstart does not start a cluster whose standby does not answer.

    Stop and start are one detached job on the coordinator, which nothing interrupts; killing worker or triggerer
    between them leaves no cluster down.

    :param patience: time for the job, and again for the mirrors
    :return: what was done
    :raises ActionRefused: see above. :raises StepFailed: the cluster does not run, or not all of it is in sync
    """

    ui_color = "#f4ecd8"

    def __init__(self, *, patience: timedelta = limits.RESTART, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> Any:
        started = started_now()
        with expansion_run(context) as run:
            if not run.request.restart or run.request.dry_run:
                outcome = "dry run: nothing restarted" if run.request.dry_run else "not asked for"
                record_step(context, started, outcome)
                return outcome
            job = running_job(run.hook, run.expansion_id)
            if job is not None:
                self.log.info("Decision: follow, because the restart of this task is still at work")
                self._follow(run, job.job_dir, started)
            action = self._decide(run)
            if action is RestartAction.RESTART:
                self._wait_for_sessions(run, started)
            self._go_on(run, action, started)

    def execute_drained(self, context: Mapping[str, Any], event: dict[str, Any], started: float) -> Any:
        """Nobody is in a transaction any more, or patience is over."""
        note_followed(event)
        with expansion_run(context) as run:
            if not event["drained"]:
                raise self._in_the_way(run, "; ".join(event["waiting"][:_NAMED]))
            self._go_on(run, self._decide(run), started)

    def execute_restarted(self, context: Mapping[str, Any], event: dict[str, Any], started: float) -> Any:
        """The job has ended; what came of it, the server says."""
        note_followed(event)
        with expansion_run(context) as run:
            if event["state"] == UNREACHABLE:
                raise StepFailed(run.subject, event["message"], "clear this task: it finds the job and follows it")
            if not find_server(run.hook).answers:
                raise self._not_started(run, event)
            if self._decide(run) is not RestartAction.DONE:
                raise StepFailed(
                    f"Restart of {run.subject}",
                    f"{event['message'].rstrip('.')}; the server was not restarted. It said: {self._said(run, event)}",
                    "mend what it names, then clear this task",
                )
            self._wait_until_healthy(run, started)

    def execute_healthy(self, context: Mapping[str, Any], event: dict[str, Any], started: float) -> str:
        """All in sync, or patience is over."""
        note_followed(event)
        with expansion_run(context) as run:
            if not event["healthy"]:
                raise StepFailed(
                    f"Restart of {run.subject}",
                    f"the cluster runs, but: {'; '.join(event['problems'])}",
                    "run gprecoverseg -a on the coordinator, wait until gpstate -e is content, then clear this task",
                )
        outcome = "restarted; all instances are up and in sync"
        record_step(context, started, outcome)
        return outcome

    def _decide(self, run: ExpansionRun) -> RestartAction:
        mode = find_server(run.hook)
        run.require_claim()
        hook, directory = run.hook, run.directory
        facts = RestartFacts(
            mode=str(mode),
            answers=mode.answers,
            begun=read_begin(hook, directory),
            started=float(hook.query("postmaster_start")[0]["started"]) if mode.answers else None,
            state=read_expansion_state(hook) if mode.answers else None,
            presence=directory.require_plan().presence(read_topology(hook)) if mode.answers else None,
        )
        action, because = decide_restart(f"Restart of {run.subject}", facts)
        self.log.info("Decision: %s, because %s", action, because)
        return action

    def _go_on(self, run: ExpansionRun, action: RestartAction, started: float) -> NoReturn:
        if action is RestartAction.DONE:
            self._wait_until_healthy(run, started)
        if action is RestartAction.RESTART:
            self._require_safe(run)  # only now: hours may have gone by while sessions were waited for
            run.hook.query("checkpoint")
            note_begin(run.hook, run.directory)
        script = restart_script() if action is RestartAction.RESTART else start_script()
        self._follow(run, run.directory.start_job(JOB, script).job_dir, started)

    def _require_safe(self, run: ExpansionRun) -> None:
        """:raises ActionRefused: what is stopped now might not start again"""
        topology = read_probed_topology(run.hook)
        problems = [str(finding) for finding in errors(check_segments(topology))]
        problems += [f"{host} does not answer: {why}" for host, why in unreachable_hosts(run.hook, topology).items()]
        if problems:
            raise ActionRefused(
                f"Restart of {run.subject}",
                f"what is stopped now might not start again: {'; '.join(problems)}",
                "mend that, then clear this task; nothing was stopped",
            )

    def _wait_for_sessions(self, run: ExpansionRun, started: float) -> None:
        """Treat open transactions as the request says; defers if it has to be waited for them.

        gpstop in mode fast rolls all of them back: with "go on" and "end" that is what is wanted, but never for
        protected roles.
        """
        request = run.request
        sessions = in_transactions(read_sessions(run.hook))
        for session in sessions:
            self.log.info("In a transaction: %s", session)
        protected = [session for session in sessions if session.role in request.protected_roles]
        if request.sessions is not SessionsChoice.WAIT:
            if protected:
                raise self._in_the_way(run, _named(protected))
            return
        if sessions:
            self._require_safe(run)  # nobody shall wait for hours to be told what can be seen now
            patience = request.sessions_patience
            self.defer(
                trigger=SessionsDrainedTrigger(request.greenplum_conn_id, [], patience=patience * 60.0),
                method_name="execute_drained",
                kwargs={"started": started},
                timeout=timedelta(minutes=patience + 10),
            )

    def _in_the_way(self, run: ExpansionRun, who: str) -> StepFailed:
        return StepFailed(
            f"Restart of {run.subject}",
            f"still in a transaction: {who}",
            "let them end, then clear this task; nothing was stopped",
        )

    def _follow(self, run: ExpansionRun, job_dir: str, started: float) -> NoReturn:
        self.log.info("The restart runs in %s; its output follows", job_dir)
        self.defer(
            trigger=RestartTrigger(run.request.greenplum_conn_id, job_dir),
            method_name="execute_restarted",
            kwargs={"started": started},
            timeout=self.patience,
        )

    def _wait_until_healthy(self, run: ExpansionRun, started: float) -> NoReturn:
        self.defer(
            trigger=ClusterHealthyTrigger(run.request.greenplum_conn_id, patience=self.patience.total_seconds()),
            method_name="execute_healthy",
            kwargs={"started": started},
            timeout=self.patience + timedelta(minutes=10),
        )

    def _not_started(self, run: ExpansionRun, event: dict[str, Any]) -> StepFailed:
        said = self._said(run, event)
        action = "mend what it names, then clear this task: it starts the cluster"
        if "Standby host is unreachable" in said:
            action = (
                "make the standby's host reachable and clear this task; or, if the standby certainly does not act as "
                "coordinator, run 'gpstart' on the coordinator, answer yes, and clear this task"
            )
        return StepFailed(f"Restart of {run.subject}", f"the cluster does not run. It said: {said}", action)

    def _said(self, run: ExpansionRun, event: dict[str, Any]) -> str:
        lines = run.hook.job(event["job_dir"]).read_log_tail(_LOG_READ).splitlines()
        loud = [line for line in lines if any(word in line for word in _LOUD)]
        return " / ".join(line.partition("]:-")[2] or line for line in (loud or lines)[-5:]) or "nothing"


def _named(sessions: list[Session]) -> str:
    return "; ".join(map(str, sessions[:_NAMED]))
