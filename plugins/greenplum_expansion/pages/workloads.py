"""How much there is to move, as looks have left it: what the wizard's forecast is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.pages.access import LOOK
from greenplum_expansion.pages.legible import WRONG, Illegible, findings
from greenplum_expansion.pages.records import Records, Run, Task
from greenplum_expansion.planning.workload import Workload

TASK = "workload"
_FRESH_SECONDS = 24 * 3600.0
"""Sizes that are a day old are good enough for a rough forecast; measuring them loads every segment."""
_AT_WORK = (None, "scheduled", "queued", "running", "up_for_retry", "restarting")


@dataclass(frozen=True)
class Measured:
    """What is known of a cluster's tables.

    :param workload: the newest; None if none was left
    :param measuring: a look that was asked for them is under way
    :param problems: why the newest look that was asked for them has left nothing
    """

    workload: Workload | None = None
    measuring: bool = False
    problems: tuple[str, ...] = ()

    def is_fresh(self, now: datetime) -> bool:
        """No need to measure again."""
        return self.workload is not None and now.timestamp() - self.workload.at < _FRESH_SECONDS


def read_measured(records: Records, conn_id: str) -> Measured:
    """The newest look that measured this cluster's tables, and what has become of the last that was to."""
    runs = records.runs((LOOK,), of=conn_id)
    asked = next((run for run in runs if run.conf.get("with_tables")), None)
    left = records.newest(LOOK, [run.run_id for run in runs], TASK, TASK)
    try:
        workload = None if left is None else Workload.from_dict(left.value)
    except WRONG:
        return Measured(problems=(str(Illegible(TASK, TASK)),))
    if asked is None or (left is not None and left.run_id == asked.run_id):
        return Measured(workload)
    tasks = {task.task_id: task for task in records.tasks(LOOK, asked.run_id)}
    if asked.is_active and _is_awaited(tasks.get(TASK)):
        return Measured(workload, measuring=True)
    return Measured(workload, problems=tuple(_why(records, asked, tasks.values())))


def _is_awaited(task: Task | None) -> bool:
    return task is None or task.state in _AT_WORK


def _why(records: Records, run: Run, tasks: Iterable[Task]) -> Iterable[str]:
    """In the words of what was found; else which task failed."""
    found: list[Finding] = []
    for _, left in records.left(LOOK, run.run_id, keys=("findings",)):
        if left.task_id in ("cluster", TASK):
            try:
                found += findings(left)
            except Illegible as error:
                found.append(Finding.error(f"run {run.run_id}", str(error), "look again"))
    errors = [str(finding) for finding in found if finding.severity == "error"]
    failed = [task.task_id for task in tasks if task.state == "failed"]
    if failed and not errors:
        return [f"task {failed[0]} of run {run.run_id} failed; its log says why"]
    return errors or [f"run {run.run_id} of {LOOK} ended without it"]
