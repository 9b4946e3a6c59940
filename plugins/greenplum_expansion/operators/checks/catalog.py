"""gpcheckcat, as a job on the coordinator: seconds on a small cluster, hours on a large one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from greenplum_expansion.checks.catalog import check_catalog, check_catalog_skipped
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.gpcheckcat import parse
from greenplum_expansion.hooks.jobs import JobState, RemoteJob
from greenplum_expansion.operators.checks.base import DependentCheckOperator
from greenplum_expansion.operators.run import ExpansionRun, note_followed
from greenplum_expansion.planning import limits
from greenplum_expansion.request.sessions import CatalogCheck
from greenplum_expansion.triggers.jobs import UNREACHABLE, RemoteJobTrigger

JOB = "gpcheckcat"
_AT_ONCE = 15.0  # seconds; a deferral takes as long, and small clusters need less
_OUTPUT_READ = 4 * 1024 * 1024  # bytes of the end of what it printed


class CheckCatalogOperator(DependentCheckOperator):
    """The catalogs of all databases are whole on coordinator and segments, says gpcheckcat.

    It runs as a detached job in the expansion's directory, where it also leaves its repair scripts; a worker waits for
    some seconds, then the task defers until it has ended. A task that is cleared while gpcheckcat runs follows it. In
    the request one chooses the tests for a cluster in use (``-O``), all, or none.

    gpcheckcat drops temporary schemas without a session: the one thing a check of ours changes.

    :param patience: time to follow the job
    """

    def __init__(self, *, patience: timedelta = limits.CATALOG_CHECK, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience = patience
        self._ended: Mapping[str, Any] | None = None

    def execute_complete(self, context: Mapping[str, Any], event: dict[str, Any]) -> Any:
        """The job has ended, or cannot be asked after."""
        note_followed(event)
        self._ended = event
        return self.execute(context)

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        if run.request.catalog_check is CatalogCheck.SKIP:
            return check_catalog_skipped(), None
        if self._ended is not None:
            if self._ended["state"] == UNREACHABLE:
                return [
                    Finding.error("gpcheckcat", self._ended["message"], "clear this task: it follows the job")
                ], None
            return self._judge(run, run.hook.job(self._ended["job_dir"])), None
        tests = [] if run.request.catalog_check is CatalogCheck.FULL else ["-O"]
        job = run.directory.start_job(JOB, ["gpcheckcat", "-A", *tests])
        deadline = time.monotonic() + _AT_ONCE
        while job.probe().state is JobState.RUNNING:
            if time.monotonic() > deadline:
                self.log.info("gpcheckcat runs in %s; its output follows", job.job_dir)
                self.defer(
                    trigger=RemoteJobTrigger(run.request.greenplum_conn_id, job.job_dir),
                    method_name="execute_complete",
                    timeout=self.patience,
                )
            time.sleep(0.5)
        return self._judge(run, job), None

    def _judge(self, run: ExpansionRun, job: RemoteJob) -> list[Finding]:
        status = job.probe()
        report = parse(job.read_log_tail(_OUTPUT_READ))
        return check_catalog(report, status.exit_code, run.directory.path, f"{job.job_dir}/log")
