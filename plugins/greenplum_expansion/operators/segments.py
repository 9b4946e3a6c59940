"""Preparation: the new segments are built and enter the catalog. The point of no return lies in here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.activity import check_base_backup, check_utilities
from greenplum_expansion.checks.cluster import check_segments, check_standby_in_sync
from greenplum_expansion.checks.finding import errors
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.cluster_facts import read_replication, read_sessions, read_utilities
from greenplum_expansion.hooks.expansion_directory import ADD_SEGMENTS, INPUT_FILE, TABLESPACE_FILE, TAKING_BACK
from greenplum_expansion.hooks.facts import (
    read_expansion_state,
    read_gpexpand_options,
    read_probed_topology,
    read_topology,
)
from greenplum_expansion.hooks.places import record_places
from greenplum_expansion.hooks.server_logs import last_deaths
from greenplum_expansion.hooks.tablespaces import read_tablespaces
from greenplum_expansion.operators.approval import DIGEST_KEY
from greenplum_expansion.operators.notices import tell_no_return
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, note_followed, record_step, started_now
from greenplum_expansion.planning import limits
from greenplum_expansion.planning.decisions import Action, Decision, Presence, decide_add_segments
from greenplum_expansion.planning.places import tar_directory
from greenplum_expansion.planning.plan import Plan, differences
from greenplum_expansion.triggers.jobs import UNREACHABLE
from greenplum_expansion.triggers.preparation import PreparationTrigger

SAID_KEY = "gpexpand_said"  # its last errors, for the report
_LOG_READ = 1024 * 1024  # bytes of the log's end in which errors are looked for
_ERRORS_TOLD = 5
# Advice that we give ourselves, and what Greenplum 7 says of an installation without packages.
_NO_REASONS = ("Please run 'gpexpand -r'", "Command gppkg not found")
# In the last moment: see taking_back().
_BEGIN = (
    "if [ -e {0} ]; then echo 'greenplum_rollback is at work on this expansion; gpexpand was not run'; exit 1; fi\n"
)
_NOT_STARTED = "could not start server"  # why not stands in the new segment's log only


class AddSegmentsOperator(BaseOperator):
    """Build the new segments and enter them in the catalog (preparation, ``gpexpand -i``).

    Probes the expansion's state first. Idle: run. Our gpexpand still at work: follow it. Prepared: succeed, touch
    nothing. Failed before the catalog changed: refuse, a second ``-i`` would exit 0 having done nothing;
    greenplum_rollback takes it back. Failed after it: run gpexpand again, which finishes the set-up. gpexpand runs as
    a detached job on the coordinator, so killing a worker or triggerer does not touch it; marking this task failed
    sends it SIGINT.

    :param approval_task: task id of the ApprovePlanOperator; what it showed must be what is carried out
    :param edit_task: task id of the ApproveEditOperator, which may have shown it instead
    :param patience: time to follow the job; then the task fails, the job runs on, and a cleared task follows it again
    :raises ActionRefused: see above. :raises StepFailed: gpexpand ended without having prepared the cluster
    Source: gpexpand 6.24.3, docs/reference/states.md
    """

    ui_color = "#f7c9b6"

    def __init__(
        self, *, approval_task: str, edit_task: str, patience: timedelta = limits.ADD_SEGMENTS, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.approval_task = approval_task
        self.edit_task = edit_task
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> Any:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            plan = run.directory.require_plan()
            decision = self._decide(run, plan)
            self.log.info("Decision: %s, because %s", decision.action, decision.because)
            if decision.action is Action.DONE:
                record_step(context, started, "done already")
                return self._result(run, plan)
            if decision.action is Action.RUN:
                self._require_approved(context, run, plan)
                self._require_unchanged_input(run, plan)
                if plan.presence(read_topology(run.hook)) is Presence.NONE:
                    self._require_as_checked(run, plan)
                    self._require_free_places(run, plan)
                self._require_not_taken_back(run)
            job = run.directory.start_job(ADD_SEGMENTS, self._command(run, plan))
            conn_id = run.request.greenplum_conn_id
        self.log.info("gpexpand runs in %s; its output follows", job.job_dir)
        self.defer(
            trigger=PreparationTrigger(conn_id, job.job_dir),
            method_name="execute_complete",
            kwargs={"started": started},
            timeout=self.patience,
        )

    def execute_complete(self, context: Mapping[str, Any], event: dict[str, Any], started: float) -> Any:
        """Judge by the cluster's state; gpexpand's exit code proves nothing."""
        note_followed(event)
        with expansion_run(context) as run:
            if event["state"] == UNREACHABLE:
                raise StepFailed(run.subject, event["message"], "clear this task: it finds the job and follows it")
            plan = run.directory.require_plan()
            if plan.presence(read_topology(run.hook)) is not Presence.NONE:
                tell_no_return(context, run.request, [f"gpexpand has ended: {event['message']}"])
            try:
                decision = self._decide(run, plan)
            except ActionRefused as error:
                raise self._failure(context, run, event, error.cause, error.next_action) from error
            if decision.action is not Action.DONE:
                next_action = "clear this task: it runs gpexpand again"
                raise self._failure(context, run, event, decision.because, next_action)
            result = self._result(run, plan)
        record_step(context, started, f"{result['added']} segments added")
        return result

    def _decide(self, run: ExpansionRun, plan: Plan) -> Decision:
        return decide_add_segments(
            run.subject,
            read_expansion_state(run.hook),
            run.directory.job_runs(ADD_SEGMENTS),
            plan.presence(read_topology(run.hook)),
        )

    def _failure(
        self, context: Mapping[str, Any], run: ExpansionRun, event: dict[str, Any], cause: str, next_action: str
    ) -> StepFailed:
        errors = errors_said(run.hook.job(event["job_dir"]).read_log_tail(_LOG_READ))
        if any(_NOT_STARTED in error for error in errors):
            primaries = [instance for instance in run.directory.require_plan().new if instance.is_primary]
            errors += last_deaths(run.hook, primaries)
        said = " / ".join(errors)
        context["ti"].xcom_push(key=SAID_KEY, value=said)
        return StepFailed(
            f"Adding the segments of {run.subject}",
            f"{event['message'].rstrip('.')}; {cause}" + (f"; gpexpand said: {said}" if said else ""),
            next_action,
        )

    def _require_approved(self, context: Mapping[str, Any], run: ExpansionRun, plan: Plan) -> None:
        approved = context["ti"].xcom_pull(task_ids=[self.approval_task, self.edit_task], key=DIGEST_KEY) or []
        if plan.digest not in approved:
            raise ActionRefused(
                run.subject,
                f"the plan in {run.directory.path} is not the one that was approved",
                f"clear task {self.approval_task}, read the plan and approve it",
            )

    def _require_unchanged_input(self, run: ExpansionRun, plan: Plan) -> None:
        """gpexpand -r deletes the directories named in the input file: it must be ours, byte for byte.

        So must the tablespaces be those the plan knows: gpexpand looks into its file for them when the catalog is
        locked, and dies of one that is missing.
        """
        wanted = {INPUT_FILE: plan.input_file}
        if plan.tablespace_file:
            wanted[TABLESPACE_FILE] = plan.tablespace_file
        for name, text in wanted.items():
            path = run.directory.file(name)
            if run.hook.coordinator().read_text(path) != text:
                raise ActionRefused(
                    run.subject,
                    f"{path} differs from the plan",
                    "clear task make_plan, which writes it anew, and approve",
                )
        if {t.oid for t in read_tablespaces(run.hook)} != {t.oid for t in plan.tablespaces}:
            raise ActionRefused(
                run.subject,
                "a tablespace was created or dropped since the plan was made",
                "clear task make_plan, which plans for the tablespaces there are now, and approve",
            )

    def _require_as_checked(self, run: ExpansionRun, plan: Plan) -> None:
        """An approval may take days: what would harm an expansion is looked at once more, right before it begins.

        With an instance down gpexpand goes on, and its last step rebuilds that in full, unasked.
        """
        topology = read_probed_topology(run.hook)
        if changed := differences(plan.before, topology):
            raise ActionRefused(
                run.subject,
                f"the cluster has changed since the plan was made: {'; '.join(changed)}",
                "clear task make_plan with all that follows: it plans for the cluster as it is",
            )
        replication = read_replication(run.hook)
        findings = [
            *check_segments(topology),
            *check_standby_in_sync(topology.standby, replication),
            *check_base_backup(replication),
            *check_utilities(read_utilities(run.hook, read_sessions(run.hook), run.directory.path)),
        ]
        if wrong := errors(findings):
            raise ActionRefused(
                run.subject,
                "it is not as it was when it was checked: " + "; ".join(map(str, wrong)),
                "mend that, then clear this task; no segment was added",
            )

    def _require_free_places(self, run: ExpansionRun, plan: Plan) -> None:
        """What came into a planned directory since the checks would be deleted by gpexpand -r: it is looked at anew."""
        in_the_way = record_places(run.hook, run.directory, plan)
        if in_the_way:
            raise ActionRefused(
                run.subject,
                f"gpexpand builds only where nothing is: {'; '.join(in_the_way)}",
                "move it away, then clear this task",
            )

    def _require_not_taken_back(self, run: ExpansionRun) -> None:
        note = run.directory.file(TAKING_BACK)
        if run.hook.coordinator().exists(note):
            by = run.hook.coordinator().read_text(note).strip()
            raise ActionRefused(
                run.subject,
                f"greenplum_rollback is at work on it, or was killed at that ({note}: run {by})",
                "let it end, or run it again to its end; then clear this task",
            )

    def _command(self, run: ExpansionRun, plan: Plan) -> list[str]:
        command = [
            "gpexpand", "-i", run.directory.file(INPUT_FILE), "-B", str(run.request.build_batch_size),
            "-t", tar_directory(plan.new), *read_gpexpand_options(run.hook).progress,
        ]  # fmt: skip
        return ["bash", "--noprofile", "--norc", "-c", f"{_BEGIN.format(TAKING_BACK)}exec {shlex.join(command)}"]

    def _result(self, run: ExpansionRun, plan: Plan) -> dict[str, Any]:
        now = read_topology(run.hook)
        return {
            "added": sum(instance.is_primary for instance in plan.new),
            "segments_before": plan.before.segment_count,
            "segments_after": now.segment_count,
            "hosts_before": _primaries_by_host(plan.before.primaries),
            "hosts_after": _primaries_by_host(now.primaries),
        }


# An error goes on until the next line that begins with a time: what a command on a host said is part of it.
_ERROR = re.compile(r"\[(?:ERROR|CRITICAL)\]:-(.*?)(?=^\d{8}:\d\d:\d\d:\d\d:|\Z)", re.DOTALL | re.MULTILINE)


def errors_said(log: str) -> list[str]:
    """gpexpand's own last errors, each once and on one line, without its advice: what to do next is said by us."""
    said = (" ".join(match.group(1).split()) for match in _ERROR.finditer(log))
    own = dict.fromkeys(text for text in said if text and not text.startswith(_NO_REASONS))
    return [_ends(text) for text in own][-_ERRORS_TOLD:]


def _ends(text: str) -> str:
    """Beginning and end of what is too long for a message; the middle is mostly repetition."""
    return text if len(text) <= 500 else f"{text[:200]} … {text[-300:]}"


def _primaries_by_host(primaries: Sequence[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for instance in primaries:
        counts[instance.hostname] = counts.get(instance.hostname, 0) + 1
    return dict(sorted(counts.items()))
