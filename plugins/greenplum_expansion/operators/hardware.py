"""Measuring the new hosts with gpcheckperf, beside the existing ones."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.finding import Finding, errors, worst_first
from greenplum_expansion.checks.hardware import Limits, judge_hardware
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.errors import ChecksFailed, StepFailed
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.hardware import measuring_script, read_room, write_host_files
from greenplum_expansion.hooks.jobs import JobState
from greenplum_expansion.hooks.remote import FileMissing
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    expansion_run,
    final_errors,
    note_followed,
    record_section,
    record_step,
    started_now,
)
from greenplum_expansion.planning import limits
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.measured import Measured, not_measured
from greenplum_expansion.planning.section import render_section
from greenplum_expansion.planning.trials import (
    MOST_EXISTING,
    Group,
    HostRoom,
    Omission,
    plan_trials,
)
from greenplum_expansion.request import ExpansionRequest
from greenplum_expansion.request.hardware import HardwareCheck
from greenplum_expansion.survey.hardware import hardware_section
from greenplum_expansion.triggers.jobs import UNREACHABLE, RemoteJobTrigger

JOB = "measure_hardware"
HARDWARE_KEY = "hardware"
RESULT_FILE = "hardware.json"
"""In the expansion's directory: the figures, and what was found."""
_LOG_READ = 16 * 1024 * 1024  # bytes


class MeasureHardwareOperator(BaseOperator):
    """Run gpcheckperf for disk, memory and network on the new hosts, and the same way on existing ones.

    Probes: once segments are being added, or were, what was recorded stays; a job still at work is followed; else
    measures anew, as a cleared task is meant to. How much is written is chosen from memory and free space
    (``planning/trials.py``), and each trial is ended when it takes too long. Runs as a detached job on the coordinator:
    killing a worker does not touch it; marking this task failed sends it SIGINT, and it takes its children and files on
    all hosts with it. Nothing of the cluster changes. Skipped by ``none`` in the request and in a dry run.

    Leaves findings under the XCom key "findings" and the figures under "hardware"; both also in ``hardware.json``.

    :param places_task: task id of the CheckPlacesOperator, which names the new hosts' data directories
    :param patience: time to follow the job beyond what its trials may take
    :return: the figures (``Measured.to_dict``)
    :raises ChecksFailed: a new host is below a limit in the request, or could not be measured
    """

    ui_color = "#e8f3ec"

    def __init__(self, *, places_task: str, patience: timedelta = limits.MEASURING, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.places_task = places_task
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> Any:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            reason = _why_not(run.request)
            topology = read_topology(run.hook)
            places = context["ti"].xcom_pull(task_ids=self.places_task) or []
            new = [place for place in places if place["hostname"] not in topology.hostnames]
            if not reason and _has_begun(run, topology):
                self.log.info("Segments are being or were added; what was measured before stays as it is")
                return self._finish(context, started, _recorded(run), [])
            if not reason and not new:
                reason = "there is no new host"
            if reason:
                self.log.info("Nothing is measured: %s", reason)
                note = [Finding.note("hardware of the new hosts", f"not measured: {reason}")]
                return self._finish(context, started, not_measured(reason), note)
            job = run.directory.newest_job(JOB)[1] if run.directory.job_runs(JOB) else None
            omissions: list[Omission] = []
            patience = self.patience
            if job is None:
                trials, omissions = self._plan(run, topology, new)
                for trial in trials:
                    self.log.info("%s hosts, gpcheckperf -r %s: %s", trial.group, trial.tests, ", ".join(trial.hosts))
                patience += timedelta(seconds=sum(trial.patience for trial in trials))
                run.directory.ensure()
                script = measuring_script(trials, write_host_files(run.directory, trials))
                job = run.directory.start_job(JOB, script)
            conn_id = run.request.greenplum_conn_id
        self.log.info("gpcheckperf runs in %s; its output follows", job.job_dir)
        self.defer(
            trigger=RemoteJobTrigger(conn_id, job.job_dir),
            method_name="execute_complete",
            kwargs={"started": started, "omissions": [omission.to_dict() for omission in omissions]},
            timeout=patience,
        )

    def execute_complete(
        self, context: Mapping[str, Any], event: dict[str, Any], started: float, omissions: list[dict[str, str]]
    ) -> Any:
        """Read the figures; the exit code proves nothing."""
        note_followed(event)
        with expansion_run(context) as run:
            if event["state"] == UNREACHABLE:
                raise StepFailed(run.subject, event["message"], "clear this task: it finds the job and follows it")
            log = run.hook.job(event["job_dir"]).read_log(0, _LOG_READ).text
            measured = Measured.from_log(log)
            if not measured.outcomes or event["state"] != JobState.FINISHED:
                raise StepFailed(
                    f"Measuring the hosts of {run.subject}",
                    f"{event['message'].rstrip('.')}; the end of its log: {event['log_tail'][-300:]}",
                    "clear this task: it measures again",
                )
            left_out = [Omission.from_dict(omission) for omission in omissions]
            findings = worst_first(judge_hardware(measured, limits_of(run.request), left_out))
            result = {**measured.to_dict(), "seconds": event["seconds"]}
            run.hook.coordinator().write_json(
                run.directory.file(RESULT_FILE), {**result, FINDINGS_KEY: [finding.to_dict() for finding in findings]}
            )
        return self._finish(context, started, result, findings)

    def _plan(self, run: ExpansionRun, topology: Topology, new: Sequence[Mapping[str, Any]]) -> Any:
        rooms = [
            read_room(
                run.hook.host(place["hostname"], place["address"], host_key=place["host_key"]),
                _parents(place["directories"]),
            )
            for place in new
        ]
        existing = self._existing(run, topology) if run.request.hardware_check is HardwareCheck.COMPARED else []
        trials, omissions = plan_trials(
            rooms,
            existing,
            file_mb=run.request.hardware_file_mb,
            network_seconds=run.request.hardware_network_seconds,
        )
        for omission in omissions:
            self.log.warning("Not measured on %s hosts: %s, because %s", omission.group, omission.what, omission.why)
        if not any(trial.group is Group.NEW for trial in trials):
            with final_errors():
                raise ChecksFailed(
                    f"Hardware of the new hosts of {run.subject}",
                    "; ".join(omission.why for omission in omissions),
                    "; ".join(omission.remedy for omission in omissions),
                )
        return trials, omissions

    def _existing(self, run: ExpansionRun, topology: Topology) -> list[HostRoom]:
        """Some of the cluster's segment hosts: those with all instances up, in the order of their names."""
        healthy = [
            name for name in topology.segment_hosts if all(instance.is_up for instance in topology.on_host(name))
        ]
        rooms = []
        for name in healthy[:MOST_EXISTING]:
            instances = [instance for instance in topology.segments if instance.hostname == name]
            host = run.hook.host(name, instances[0].address)
            rooms.append(read_room(host, _parents(instance.datadir for instance in instances)))
        return rooms

    def _finish(
        self, context: Mapping[str, Any], started: float, result: dict[str, Any], findings: Sequence[Finding]
    ) -> dict[str, Any]:
        section = hardware_section(result)
        for line in render_section(section):
            self.log.info("%s", line)
        for finding in findings:
            self.log.log(30 if errors([finding]) else 20, "%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        context["ti"].xcom_push(key=HARDWARE_KEY, value=result)
        record_section(context, section)
        wrong = errors(findings)
        outcome = f"{len(wrong)} errors, {len(findings) - len(wrong)} others" if result["measured"] else result["why"]
        record_step(context, started, outcome)
        with final_errors():
            if wrong:
                raise ChecksFailed(
                    "Hardware of the new hosts",
                    f"{len(wrong)} of {len(findings)} findings are errors: " + " ".join(map(str, wrong)),
                    "mend what the remedies say, then clear this task; no segment was added",
                )
        return result


def limits_of(request: ExpansionRequest) -> Limits:
    """What the request demands of a new host."""
    return Limits(
        disk_write=request.hardware_min_disk_write,
        disk_read=request.hardware_min_disk_read,
        memory=request.hardware_min_memory,
        network=request.hardware_min_network,
        percent_of_existing=request.hardware_min_percent,
    )


def _why_not(request: ExpansionRequest) -> str:
    if request.hardware_check is HardwareCheck.NONE:
        return "the request says so"
    if request.dry_run:
        return "dry run"
    return ""


def _has_begun(run: ExpansionRun, topology: Topology) -> bool:
    plan = run.directory.read_plan()
    if plan is None:
        return False
    return plan.presence(topology) is not Presence.NONE or run.directory.job_runs("add_segments")


def _recorded(run: ExpansionRun) -> dict[str, Any]:
    try:
        recorded: dict[str, Any] = run.hook.coordinator().read_json(run.directory.file(RESULT_FILE))
    except FileMissing:
        return not_measured("the expansion has begun")
    recorded.pop(FINDINGS_KEY, None)
    return recorded


def _parents(directories: Any) -> list[str]:
    return list(dict.fromkeys(posixpath.dirname(directory) for directory in sorted(directories)))
