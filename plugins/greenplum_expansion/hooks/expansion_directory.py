"""Everything one expansion leaves on the coordinator: plan, input file, jobs, fingerprints, report.

It stands beside the cluster, not in Airflow's database: it survives a cleared run, is there for greenplum_rollback,
and is evidence for the DBA afterwards. What is written once is never overwritten by a repeated task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.job_directory import JobDirectory
from greenplum_expansion.hooks.remote import FileMissing
from greenplum_expansion.planning.fingerprint import TableFingerprint
from greenplum_expansion.planning.plan import Plan

INPUT_FILE = "gpexpand_inputfile"
TABLESPACE_FILE = f"{INPUT_FILE}.ts"  # gpexpand looks for it under this name only
ADD_SEGMENTS = "add_segments"
"""Name of the jobs that run gpexpand -i."""
TAKING_BACK = "taking_back"
"""Name of the note that greenplum_rollback is at work."""
_INVALID_INDEXES = "invalid_indexes_before.json"
_PLAN = "plan.json"
_REQUEST = "request.json"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


@contextmanager
def taking_back(directory: ExpansionDirectory | None, run_id: str) -> Iterator[None]:
    """While the block runs, no gpexpand of this expansion begins: greenplum_rollback deletes what it would build.

    The note is written before anything is looked at, and the job of add_segments looks for it right before it becomes
    gpexpand: so either the block sees that job at work, or the job sees the note. One that is left by a task that was
    killed, or failed halfway, stays until the rollback is run again: what was begun must first come to its end. A block
    that refused has begun nothing.

    :raises ActionRefused: gpexpand of add_segments is at work, or just begins
    """
    if directory is None:
        yield
        return
    coordinator, note = directory.hook.coordinator(), directory.file(TAKING_BACK)
    directory.ensure()
    was_left = coordinator.exists(note)
    coordinator.write_text(note, f"{run_id}\n")
    try:
        if directory.job_runs(ADD_SEGMENTS):
            raise ActionRefused(
                f"Rollback of expansion {directory.expansion_id}",
                "add_segments has begun meanwhile, and gpexpand is at work",
                "let it end; or trigger greenplum_rollback with 'Stop a gpexpand that is at work'",
            )
        yield
    except ActionRefused:
        if not was_left:
            coordinator.run(["rm", "-f", "--", note])
        raise
    coordinator.run(["rm", "-f", "--", note])


class ExpansionDirectory(JobDirectory):
    """``~/greenplum-expansions/<expansion_id>`` of the cluster's user on the coordinator."""

    def __init__(self, hook: GreenplumHook, expansion_id: str) -> None:
        if not _ID.match(expansion_id):
            raise ValueError(f"{expansion_id!r} is not the name of an expansion")
        super().__init__(hook, expansion_id)
        self.expansion_id = expansion_id

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
