"""Runs that belong together: an expansion, the windows in which its tables move, and what takes it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from greenplum_expansion.cluster.names import expansion_id
from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.pages.access import EXPAND, REDISTRIBUTE, ROLL_BACK
from greenplum_expansion.pages.legible import WINDOW_REPORT, fits
from greenplum_expansion.pages.records import Records, Run
from greenplum_expansion.planning.decisions import RollbackAction
from greenplum_expansion.request import MovedBy

_SHOWN = 30  # windows


@dataclass(frozen=True)
class WindowRun:
    """A run of greenplum_redistribute.

    :param moved, left, failed: tables, as its report says; None as long as it has none
    """

    run: Run
    moved: int | None
    left: int | None
    failed: int | None


@dataclass(frozen=True)
class Probe:
    """What the probe of a rollback has found.

    :param phase, because, action, next_action: in its words
    :param is_past: the way is forward only
    :param explanation: of the action, in a few sentences
    """

    phase: str
    because: str
    action: str
    next_action: str
    is_past: bool
    explanation: str


@dataclass(frozen=True)
class Related:
    """What else there is to look at.

    :param expansion: that this run moves tables of, or takes back; None if it is one, or none is known
    :param windows: in which tables of this expansion have moved, the newest first
    :param rollbacks: of this expansion
    :param moved_by_schedule: no table moves in this run itself
    :param switched_off: greenplum_redistribute is paused in Airflow
    :param next_window: when its next run begins
    :param found: by the probe of a rollback
    """

    expansion: Run | None
    windows: tuple[WindowRun, ...]
    rollbacks: tuple[Run, ...]
    moved_by_schedule: bool
    switched_off: bool
    next_window: datetime | None
    found: Probe | None

    @property
    def is_moving(self) -> bool:
        """One of the windows is under way."""
        return any(window.run.is_active for window in self.windows)


def read_related(records: Records, run: Run) -> Related:
    """By three questions at most."""
    by_schedule = run.conf.get("moved_by") == MovedBy.SCHEDULE
    if run.dag_id == EXPAND:
        others = [other for other in records.runs((EXPAND, REDISTRIBUTE, ROLL_BACK)) if _may_belong(other, run)]
        schedule = records.schedule(REDISTRIBUTE) if by_schedule and run.is_active else None
        return Related(
            expansion=None,
            windows=tuple(_windows(records, run, [other for other in others if other.dag_id == REDISTRIBUTE])),
            rollbacks=tuple(other for other in others if other.dag_id == ROLL_BACK and _is_of(other, run, others)),
            moved_by_schedule=by_schedule,
            switched_off=schedule is not None and schedule.is_paused,
            next_window=None if schedule is None or schedule.is_paused else schedule.next_run,
            found=None,
        )
    said: Any = None
    if run.dag_id in (REDISTRIBUTE, ROLL_BACK):
        left = records.left(run.dag_id, run.run_id, keys=("return_value",), task_id="probe")
        said = left[-1][1].value if left else None
    return Related(
        expansion=_expansion_of(records, run, said),
        windows=(),
        rollbacks=(),
        moved_by_schedule=False,
        switched_off=False,
        next_window=None,
        found=_found(said) if run.dag_id == ROLL_BACK and isinstance(said, dict) else None,
    )


def _may_belong(other: Run, run: Run) -> bool:
    return other.connection == run.connection and (not run.started or not other.started or other.started >= run.started)


def _is_of(rollback: Run, run: Run, runs: list[Run]) -> bool:
    """By the name it was given; one that was begun by hand takes back the newest expansion.

    :param runs: of this cluster, the newest first
    """
    if name := rollback.conf.get("expansion_id"):
        return bool(name == expansion_id(run.run_id))
    before = runs[runs.index(rollback) + 1 :]
    newest = next((other for other in before if other.dag_id == EXPAND and not other.is_dry), None)
    return newest == run


def _windows(records: Records, run: Run, runs: list[Run]) -> list[WindowRun]:
    """Those that have found this expansion; a window in which there was nothing to do has found none."""
    if not runs:
        return []
    name = expansion_id(run.run_id)
    known = {other.run_id: other for other in runs}
    own: set[str] = set()
    reports: dict[str, Any] = {}
    for run_id, left in records.left(REDISTRIBUTE, known, keys=("return_value", "report")):
        if left.task_id == "probe" and left.value == name:
            own.add(run_id)
        elif left.key == "report" and fits(left.value, WINDOW_REPORT):
            reports[run_id] = left.value
    return [_window(other, reports.get(other.run_id) or {}) for other in runs if other.run_id in own][:_SHOWN]


def _window(run: Run, report: dict[str, Any]) -> WindowRun:
    failed = report.get("failed")
    return WindowRun(run, report.get("moved"), report.get("left"), None if failed is None else len(failed))


def _expansion_of(records: Records, run: Run, said: Any) -> Run | None:
    """The expansion that the run has found, or was asked to take back."""
    if run.dag_id not in (REDISTRIBUTE, ROLL_BACK):
        return None
    name = said if run.dag_id == REDISTRIBUTE else run.conf.get("expansion_id")
    same = [other for other in records.runs((EXPAND,)) if other.connection == run.connection]
    if name:
        return next((other for other in same if expansion_id(other.run_id) == name), None)
    if run.dag_id == REDISTRIBUTE:
        return None  # it has found none (yet)
    before = (other for other in same if not (other.started and run.started and other.started > run.started))
    return next((other for other in before if not other.is_dry), None)


def _found(said: dict[str, Any]) -> Probe:
    phase, action = str(said.get("phase", "")), str(said.get("action", ""))
    return Probe(
        phase=phase,
        because=str(said.get("because", "")),
        action=action,
        next_action=str(said.get("next", "")),
        is_past=phase in list(Phase) and Phase(phase).is_past_point_of_no_return,
        explanation=RollbackAction(action).explanation if action in list(RollbackAction) else "",
    )
