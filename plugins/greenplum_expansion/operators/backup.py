"""The backup before the expansion."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.backup.manifest import Manifest
from greenplum_expansion.backup.script import script
from greenplum_expansion.backup.words import restorable
from greenplum_expansion.checks.backup import check_backup_choice
from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.backup import (
    BackupFacts,
    backup_paths,
    fewer_tables,
    finish,
    is_written,
    read_backup_facts,
    read_job,
    read_manifest,
    save_job,
)
from greenplum_expansion.hooks.catalog_snapshot import take_snapshot
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.jobs import JobState
from greenplum_expansion.hooks.shell import Script
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    expansion_run,
    note_followed,
    record_section,
    record_step,
    started_now,
)
from greenplum_expansion.planning import limits
from greenplum_expansion.planning.decisions import Action, Presence
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.planning.section import Section
from greenplum_expansion.request.backup import BackupChoice
from greenplum_expansion.triggers.jobs import UNREACHABLE, RemoteJobTrigger

JOB = "back_up"
SUMMARY_KEY = "backup"
_LOG_READ = 16 * 1024  # bytes of the log's end in which the failure is looked for


def backup_findings(run: ExpansionRun) -> list[Finding]:
    """What is to be said of the backup asked for, before anything is touched."""
    request = run.request
    findings = check_backup_choice(request.backup, request.backup_objects)
    if request.backup is BackupChoice.NONE:
        return findings
    if read_manifest(run.hook, backup_paths(run.hook, request, run.expansion_id)[0]):
        return findings
    return findings + read_backup_facts(run.hook, request, run.expansion_id).findings()


class BackUpOperator(BaseOperator):
    """Keep the catalogs' snapshot, and back up what the request asks for.

    Probes: a finished backup of this expansion is kept and its manifest returned; a job at work is followed; one that
    has written everything is brought to its end. Anything else begins anew, and removes what an interrupted attempt
    of this expansion has left. Once the expansion has begun nothing is taken any more: it would not be the state
    before. Room is checked before anything is written; with ``dry_run`` nothing is written at all.

    The job runs detached on the coordinator, so killing a worker or triggerer does not touch it; marking this task
    failed sends it SIGINT.

    :param patience: time to follow the job; then the task fails, the job runs on, and a cleared task follows it again
    :return: where it lies, how large it is, what it can restore (``Manifest.to_dict`` and the snapshot's summary)
    :raises ActionRefused: no room, or another fault in what was asked for, each with its remedy
    :raises StepFailed: the job failed, with the last lines it wrote
    """

    ui_color = "#dbe6f4"

    def __init__(self, *, patience: timedelta = limits.BACKUP, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> Any:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            if run.request.dry_run:
                return self._estimate(context, run, started)
            manifest = self._finished(run)
            if self._begun(run):
                return self._kept(context, run, manifest, started)
            snapshot = take_snapshot(run.hook, run.directory)
            self.log.info("Snapshot of %(files)d files, %(size_bytes)d bytes, in %(directory)s", snapshot)
            if run.request.backup is BackupChoice.NONE or manifest:
                return self._result(context, run, manifest, snapshot, started)
            action, job = self._decide(run)
            if action is Action.DONE:
                manifest = self._finish(run)
                return self._result(context, run, manifest, snapshot, started)
            if action is Action.RUN:
                facts = read_backup_facts(run.hook, run.request, run.expansion_id)
                self._require_possible(run, facts)
                save_job(run.directory, facts.job)
                job = run.directory.start_job(JOB, Script(script(facts.job), "back up"))
            conn_id = run.request.greenplum_conn_id
        self.log.info("The backup runs in %s; its output follows", job.job_dir)
        self.defer(
            trigger=RemoteJobTrigger(conn_id, job.job_dir),
            method_name="execute_complete",
            kwargs={"started": started, "snapshot": snapshot},
            timeout=self.patience,
        )

    def execute_complete(
        self, context: Mapping[str, Any], event: dict[str, Any], started: float, snapshot: dict[str, Any]
    ) -> Any:
        """Judge by what lies there."""
        note_followed(event)
        with expansion_run(context) as run:
            if event["state"] == UNREACHABLE:
                raise StepFailed(run.subject, event["message"], "clear this task: it finds the job and follows it")
            if event["state"] != JobState.FINISHED or event["exit_code"] != 0:
                raise self._failure(run, event)
            manifest = self._finished(run) or self._finish(run)
            return self._result(context, run, manifest, snapshot, started)

    def _begun(self, run: ExpansionRun) -> bool:
        plan = run.directory.read_plan()
        if plan is None:
            return False
        return plan.presence(read_topology(run.hook)) is not Presence.NONE or run.directory.job_runs("add_segments")

    def _finished(self, run: ExpansionRun) -> Manifest | None:
        if run.request.backup is BackupChoice.NONE:
            return None
        return read_manifest(run.hook, backup_paths(run.hook, run.request, run.expansion_id)[0])

    def _decide(self, run: ExpansionRun) -> tuple[Action, Any]:
        job = run.directory.newest_job(JOB)[1]
        if job is None:
            return Action.RUN, None
        status = job.probe()
        if status.state is JobState.RUNNING:
            self.log.info("Decision: follow, because the backup of this task is still at work")
            return Action.FOLLOW, job
        written = status.state is JobState.FINISHED and status.exit_code == 0
        if written and is_written(run.hook, read_job(run.directory)):
            self.log.info("Decision: bring it to its end, because everything is written")
            return Action.DONE, job
        self.log.info("Decision: begin anew, because the last attempt ended as %s", status.state)
        return Action.RUN, None

    def _require_possible(self, run: ExpansionRun, facts: BackupFacts) -> None:
        for sentence in (*facts.estimate(), *([facts.jobs_note] if facts.jobs_note else [])):
            self.log.info("Backup: %s", sentence)
        wrong = errors(facts.findings())
        if wrong:
            raise ActionRefused(
                f"Backup of {run.subject}",
                "; ".join(f"{finding.subject}: {finding.problem}" for finding in wrong),
                "; ".join(finding.remedy for finding in wrong) + "; then trigger a new run, nothing was touched",
            )

    def _finish(self, run: ExpansionRun) -> Manifest:
        job = run.directory.newest_job(JOB)[1]
        if job is None:
            raise StepFailed(f"Backup of {run.subject}", "its job is gone", "clear this task: it begins anew")
        return finish(run.hook, read_job(run.directory), job.probe())

    def _failure(self, run: ExpansionRun, event: dict[str, Any]) -> StepFailed:
        lines = run.hook.job(event["job_dir"]).read_log_tail(_LOG_READ).splitlines()
        told = [line for line in lines if line.strip() and not line.rstrip().endswith("so far")][-5:]
        return StepFailed(
            f"Backup of {run.subject}",
            f"{event['message'].rstrip('.')}; it said: {' / '.join(told) or 'nothing'}",
            "mend what it names, then clear this task: it removes what is half done and begins anew",
        )

    def _estimate(self, context: Mapping[str, Any], run: ExpansionRun, started: float) -> dict[str, Any]:
        findings = check_backup_choice(run.request.backup, run.request.backup_objects)
        lines: list[str] = []
        if run.request.backup is not BackupChoice.NONE:
            facts = read_backup_facts(run.hook, run.request, run.expansion_id)
            findings += facts.findings()
            lines = facts.estimate()
        lines += [str(finding) for finding in findings]
        for line in lines:
            self.log.info("%s", line)
        record_section(context, Section("Backup (not taken: dry run)", tuple(lines)))
        record_step(context, started, "dry run: nothing written")
        return {"choice": str(run.request.backup), "dry_run": True, "estimate": lines}

    def _kept(
        self, context: Mapping[str, Any], run: ExpansionRun, manifest: Manifest | None, started: float
    ) -> dict[str, Any]:
        self.log.info("The expansion has begun: a backup taken now would not be the state before it")
        kept = manifest.to_dict() if manifest else {}
        record_step(context, started, "the expansion has begun; the backup stays as it is")
        return {"choice": str(run.request.backup), **kept}

    def _result(
        self,
        context: Mapping[str, Any],
        run: ExpansionRun,
        manifest: Manifest | None,
        snapshot: dict[str, Any],
        started: float,
    ) -> dict[str, Any]:
        findings = check_backup_choice(run.request.backup, run.request.backup_objects)
        findings += fewer_tables(manifest.archives) if manifest else []
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        lines = [f"Catalogs and configuration as they were: {snapshot['directory']}"]
        lines += [
            f"Configuration files of {host} are missing in it: {why}" for host, why in snapshot["missing"].items()
        ]
        rows: list[tuple[str, ...]] = []
        if manifest:
            lines.append(f"Backup: {manifest.sentence}")
            if manifest.gpbackup_directory:
                lines.append(f"Rows written by gpbackup: {manifest.gpbackup_directory} on each segment host")
            lines += map(str, fewer_tables(manifest.archives))
            lines += manifest.restorable
            rows = [
                (
                    str(told["label"]),
                    str(told["what"]),
                    str(told["tool"]),
                    str(told["tables"]),
                    str(told["timestamp"] or ""),
                )
                for told in manifest.archives
            ]
        else:
            lines += restorable(
                BackupChoice.NONE,
                (),
                gprestore_resizes=False,
                segments=read_topology(run.hook).segment_count,
                selected=False,
            )
        columns = ("archive", "what", "tool", "tables", "timestamp for gprestore") if rows else ()
        section = Section("Backup", tuple(lines), columns, tuple(rows))
        for line in lines:
            self.log.info("%s", line)
        record_section(context, section)
        outcome = (
            f"{human_bytes(manifest.size_bytes)} in {manifest.directory}" if manifest else "catalogs' snapshot only"
        )
        record_step(context, started, outcome)
        return {"choice": str(run.request.backup), "snapshot": snapshot, **(manifest.to_dict() if manifest else {})}
