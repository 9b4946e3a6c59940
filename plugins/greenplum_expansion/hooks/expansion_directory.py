"""Everything one expansion leaves on the coordinator: plan, input file, jobs, fingerprints, report.

It stands beside the cluster, not in Airflow's database: it survives a cleared run, is there for greenplum_rollback,
and is evidence for the DBA afterwards. What is written once is never overwritten by a repeated task.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.jobs import JobState, RemoteJob
from greenplum_expansion.hooks.remote import FileMissing, Script
from greenplum_expansion.planning.fingerprint import TableFingerprint
from greenplum_expansion.planning.plan import Plan

INPUT_FILE = "gpexpand_inputfile"
TABLESPACE_FILE = f"{INPUT_FILE}.ts"  # gpexpand looks for it under this name only
_INVALID_INDEXES = "invalid_indexes_before.json"
_PLAN = "plan.json"
_REQUEST = "request.json"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


class ExpansionDirectory:
    """``~/greenplum-expansions/<expansion_id>`` of the cluster's user on the coordinator."""

    def __init__(self, hook: GreenplumHook, expansion_id: str) -> None:
        if not _ID.match(expansion_id):
            raise ValueError(f"{expansion_id!r} is not the name of an expansion")
        self.hook = hook
        self.expansion_id = expansion_id

    @property
    def path(self) -> str:
        return posixpath.join(self.hook.environment().expansions_directory, self.expansion_id)

    def file(self, name: str) -> str:
        return posixpath.join(self.path, name)

    def ensure(self) -> None:
        """Make the directory, readable by the cluster's user only."""
        self.hook.coordinator().make_directory(self.path)

    def read_plan(self) -> Plan | None:
        """The recorded plan; None if none was made yet."""
        try:
            return Plan.from_dict(self.hook.coordinator().read_json(self.file(_PLAN)))
        except FileMissing:
            return None

    def require_plan(self) -> Plan:
        plan = self.read_plan()
        if plan is None:
            raise StepFailed(
                f"Expansion {self.expansion_id}", f"there is no plan in {self.path}", "clear task make_plan of its run"
            )
        return plan

    def write_plan(self, plan: Plan) -> None:
        """The input files first: a plan that can be read always has them beside it."""
        coordinator = self.hook.coordinator()
        coordinator.write_text(self.file(INPUT_FILE), plan.input_file)
        if plan.tablespace_file:
            coordinator.write_text(self.file(TABLESPACE_FILE), plan.tablespace_file)
        coordinator.write_json(self.file(_PLAN), plan.to_dict())

    def read_request(self) -> dict[str, Any] | None:
        """What was asked for, as `write_request` kept it; None if it was not kept yet."""
        try:
            found: dict[str, Any] = self.hook.coordinator().read_json(self.file(_REQUEST))
        except FileMissing:
            return None
        return found

    def write_request(self, request: Mapping[str, Any]) -> None:
        """Keep what was asked for, for the runs of greenplum_redistribute. A request holds no secrets."""
        self.ensure()
        self.hook.coordinator().write_json(self.file(_REQUEST), dict(request))

    def read_fingerprints(self, moment: str) -> list[TableFingerprint] | None:
        """Fingerprints taken ``before`` or ``after``; None if not taken yet."""
        try:
            rows = self.hook.coordinator().read_json_lines(self.file(f"fingerprints_{moment}.jsonl.gz"))
        except FileMissing:
            return None
        return [TableFingerprint.from_dict(row) for row in rows]

    def write_fingerprints(self, moment: str, fingerprints: Iterable[TableFingerprint]) -> None:
        rows = (fingerprint.to_dict() for fingerprint in fingerprints)
        self.hook.coordinator().write_json_lines(self.file(f"fingerprints_{moment}.jsonl.gz"), rows)

    def read_invalid_indexes(self) -> list[str] | None:
        """Names of the indexes that were invalid before; None if nobody looked."""
        try:
            names = self.hook.coordinator().read_json(self.file(_INVALID_INDEXES))
        except FileMissing:
            return None
        return [str(name) for name in names]

    def write_invalid_indexes(self, names: Iterable[str]) -> None:
        self.hook.coordinator().write_json(self.file(_INVALID_INDEXES), sorted(names))

    def newest_job(self, name: str) -> tuple[int, RemoteJob | None]:
        """The job of this name that was started last: its number (0 if there is none) and itself."""
        result = self.hook.coordinator().run(["ls", "-1", "--", self.path], check=False)
        pattern = re.compile(rf"job_{re.escape(name)}_(\d+)\Z")
        numbers = [int(found.group(1)) for found in map(pattern.match, result.stdout.splitlines()) if found]
        if not numbers:
            return 0, None
        return max(numbers), self.hook.job(self._job_path(name, max(numbers)))

    def job_runs(self, name: str) -> bool:
        """Whether the newest job of this name is at work."""
        job = self.newest_job(name)[1]
        return job is not None and job.probe().state is JobState.RUNNING

    def start_job(self, name: str, argv: list[str] | Script) -> RemoteJob:
        """Start the next job of this name in this directory; a job that still runs is returned instead.

        A worker that dies between the start and its record changes nothing: the retry finds the directory.
        """
        self.ensure()
        number, newest = self.newest_job(name)
        if newest is not None and newest.probe().state is JobState.RUNNING:
            return newest
        job = self.hook.utility_job(self._job_path(name, number + 1), argv, cwd=self.path)
        job.ensure_started()
        return job

    def _job_path(self, name: str, number: int) -> str:
        return self.file(f"job_{name}_{number}")
