"""Wait for open transactions, or end them, just before the segments are added."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator

from greenplum_expansion.checks.activity import Session
from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.cluster_facts import read_sessions
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.hooks.sessions import cancel_session, end_session
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, note_followed, record_step, started_now
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.sessions import may_be_ended, waited_for
from greenplum_expansion.request import SessionsChoice
from greenplum_expansion.triggers.sessions import SessionsDrainedTrigger

ENDED_KEY = "ended_sessions"
_GRACE = (10.0, 10.0, 60.0)  # seconds until one looks again whom to end; the last holds from then on
_NAMED = 20


class DrainSessionsSensor(BaseSensorOperator):
    """See to it, without a worker, that nobody is in a transaction when gpexpand locks the catalog.

    gpexpand waits for every transaction that has changed a catalog, without limit, and meanwhile nobody else can change
    one (planning/sessions.py tells how). Waiting here instead hinders nobody.

    Probes first. The request says "go on": only told. Preparation has begun: nothing to do any more. "wait": until
    nobody but protected roles and ourselves is in a transaction; transactions younger than two seconds do not count,
    unless they have changed a catalog. "end": those are cancelled, and who is still in that transaction ten seconds
    later is ended (a session that idles in a transaction does not notice a cancel); superusers and protected roles are
    never touched, the former are waited for. Whom it ends is decided anew from what is found each time, so a retry
    ends nobody whose transaction is over. New transactions may begin behind it at any moment: this makes the wait in
    gpexpand short, it does not exclude it. In a dry run nobody is waited for or ended.

    :raises StepFailed: somebody is still in a transaction when the patience in the request is over; nothing was changed
    """

    ui_color = "#f4ecd8"

    def execute(self, context: Mapping[str, Any]) -> None:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            request = run.request
            if request.dry_run:
                record_step(context, started, "dry run: nobody is waited for or ended")
                return
            if self._has_begun(run):
                record_step(context, started, "preparation has begun")
                return
            waiting = waited_for(read_sessions(run.hook), request.protected_roles)
            for session in waiting:
                self.log.info("In a transaction: %s", session)
            if not waiting:
                record_step(context, started, "nobody is in a transaction")
                return
            if request.sessions is SessionsChoice.GO_ON:
                record_step(context, started, f"not asked for; {len(waiting)} are in a transaction")
                return
            asked = self._end_some(run, waiting, set()) if request.sessions is SessionsChoice.END else None
        self._wait(request, started, asked, rounds=0, ended=[])

    def execute_complete(
        self,
        context: Mapping[str, Any],
        event: dict[str, Any],
        started: float,
        asked: list[str] | None,
        rounds: int,
        ended: list[str],
    ) -> None:
        """Everybody is out of transactions, or it is time to look whom to end, or patience is over.

        :param asked: sessions that were cancelled the last time; None if nobody is to be ended
        :param rounds: how often this was called before
        :param ended: sessions that were ended, for the report
        """
        note_followed(event)
        with expansion_run(context) as run:
            run.require_claim()
            request = run.request
            if event["drained"]:
                context["ti"].xcom_push(key=ENDED_KEY, value=ended)
                record_step(context, started, f"nobody is in a transaction, {len(ended)} sessions were ended")
                return
            left = started + request.sessions_patience * 60 - started_now()
            if left <= 0:
                context["ti"].xcom_push(key=ENDED_KEY, value=ended)
                raise StepFailed(
                    f"Sessions in the way of {run.subject}",
                    f"after {request.sessions_patience} minutes these are still in a transaction: "
                    + "; ".join(event["waiting"][:_NAMED]),
                    "let them end, or end them with SELECT pg_terminate_backend(process), then clear this task; "
                    "nothing was changed",
                )
            if asked is not None:
                waiting = waited_for(read_sessions(run.hook), request.protected_roles)
                asked = self._end_some(run, waiting, set(asked), ended)
        self._wait(request, started, asked, rounds=rounds + 1, ended=ended)

    def _wait(self, request: Any, started: float, asked: list[str] | None, rounds: int, ended: list[str]) -> None:
        left = started + request.sessions_patience * 60 - started_now()
        grace = _GRACE[min(rounds, len(_GRACE) - 1)] if asked is not None else left
        self.defer(
            trigger=SessionsDrainedTrigger(
                request.greenplum_conn_id, list(request.protected_roles), patience=max(1.0, min(grace, left))
            ),
            method_name="execute_complete",
            kwargs={"started": started, "asked": asked, "rounds": rounds, "ended": ended},
            timeout=timedelta(seconds=max(1.0, left)) + timedelta(minutes=10),
        )

    def _end_some(
        self, run: ExpansionRun, waiting: list[Session], asked: Collection[str], ended: list[str] | None = None
    ) -> list[str]:
        """Cancel those met for the first time, end those that were cancelled before. Returns whom it cancelled."""
        cancelled = []
        for session in may_be_ended(waiting, run.request.protected_roles):
            one = f"{session.pid} since {session.connected}"  # the number alone may be another session's by now
            if one not in asked:
                if cancel_session(run.hook, session):
                    self.log.info("Cancelled: %s", session)
                    cancelled.append(one)
            elif end_session(run.hook, session):
                self.log.warning("Ended: %s", session)
                if ended is not None:
                    ended.append(str(session))
        return cancelled

    def _has_begun(self, run: ExpansionRun) -> bool:
        if read_expansion_state(run.hook).phase is not Phase.IDLE:
            return True
        plan = run.directory.read_plan()
        return plan is not None and plan.presence(read_topology(run.hook)) is not Presence.NONE
