"""One run as its page shows it, put together from what its tasks left."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from threading import Lock
from typing import Any

from pydantic import TypeAdapter

from greenplum_expansion.checks.finding import Finding, Severity, worst_first
from greenplum_expansion.pages import phases
from greenplum_expansion.pages.chart import Chart, draw
from greenplum_expansion.pages.legible import (
    FAILED_TABLES,
    MOVES,
    PROGRESS,
    SECTION,
    WRONG,
    Illegible,
    checked,
    findings,
    parsed,
)
from greenplum_expansion.pages.moving import Moving, share_of, tell
from greenplum_expansion.pages.records import Records, Run, Task
from greenplum_expansion.pages.runbooks import ONE_AT_A_TIME, RUNBOOK, phases_of
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.planning.progress import human_seconds
from greenplum_expansion.planning.record import LIST_KEY, MOVES_KEY, NAMES_PREFIX, STATES_PREFIX, OtherList, TableList
from greenplum_expansion.planning.section import Section, join_sections
from greenplum_expansion.planning.windows import parse_zone

MOVE = "redistribute.move_tables"
"""The task that moves tables, in greenplum_expand as in greenplum_redistribute."""
WATCH = "redistribute.watch_progress"
"""The one beside it that records how far it is."""
JUDGE = "judge_findings"
"""The one that fails if checks have found errors."""
PROGRESS_KEY, FAILED_KEY = "progress", "failed_tables"
_WATCHED: dict[str, TypeAdapter[Any]] = {PROGRESS_KEY: PROGRESS, MOVES_KEY: MOVES, FAILED_KEY: FAILED_TABLES}


@dataclass(frozen=True)
class Live:
    """What changes while the run goes on.

    :param stands: why the run does not go on, in sentences without their full stops
    :param moving: how the moves stand; None while no task moves tables
    :param over: tasks that are over; with it changes what these have left
    :param version: of the list of tables
    :param illegible: what was left and cannot be read; the page stands without it
    """

    run: Run
    phases: list[phases.PhaseState]
    progress: Mapping[str, Any]
    moves: Mapping[str, Any]
    moving: Moving | None
    stands: tuple[str, ...]
    failed_tables: list[Mapping[str, Any]]
    failed_tasks: list[Task]
    asks: str
    over: int
    version: str
    now: datetime
    illegible: tuple[Illegible, ...] = ()

    @property
    def is_over(self) -> bool:
        return not self.run.is_active

    @property
    def tables(self) -> Mapping[str, int]:
        """How many by what became of them: done, moving, pending, failed."""
        return self.progress.get("tables") or {}

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes, likewise."""
        return self.progress.get("bytes") or {}

    @property
    def has_tables(self) -> bool:
        """Whether it is known how many there are to move."""
        return any(self.tables.values())

    @property
    def share(self) -> float:
        """Of the bytes, 0 to 1; of the tables where all are empty."""
        return share_of(self.progress) or 0.0

    @property
    def chart(self) -> Chart | None:
        """Bytes moved over time, with what is forecast; None while there is no line to draw."""
        points = self.moves.get("points") or ()
        total, windows, zone = sum(self.sizes.values()), self.moves.get("windows") or (), zone_of(self.run)
        if self.moving is None:  # no time goes on any more
            return draw(points, total, points[-1][0], windows=windows, zone=zone) if points else None
        ends = self.progress.get("ends") or (None, None, None)
        return draw(points, total, self.now.timestamp(), ends, windows, zone)

    def phase_of(self, task_id: str) -> str:
        """The title of the phase that a task is of; its id if it is of none."""
        return next((state.phase.title for state in self.phases if state.phase.holds(task_id)), task_id)

    @property
    def moves_tables(self) -> bool:
        """Whether this run has a task that moves tables."""
        return any(state.phase.holds(MOVE) for state in self.phases)


def read_live(records: Records, run: Run) -> Live:
    """By one small query (the tasks), and two more once tables move: what is left beside them, and its newest stamp."""
    tasks = records.tasks(run.dag_id, run.run_id)
    states = {task.task_id: task.state for task in tasks}
    watched: dict[str, Any] = {}
    illegible: dict[str, Illegible] = {}
    version = ""
    if states.get(MOVE):
        for _, left in records.left(run.dag_id, run.run_id, keys=_WATCHED):
            try:
                watched[left.key] = left.value and checked(left, _WATCHED[left.key])
            except Illegible as error:
                illegible[left.key] = error
        version = _version(records, run)
    now = datetime.now(UTC)
    progress, moves = watched.get(PROGRESS_KEY) or {}, watched.get(MOVES_KEY) or {}
    question = None
    if any(task.state == "awaiting_input" for task in tasks):
        question = records.question(run.dag_id, run.run_id)
    return Live(
        run=run,
        phases=phases.judge(phases_of(run.dag_id, [task.task_id for task in tasks]), tasks),
        progress=progress,
        moves=moves,
        moving=tell(states.get(MOVE), progress, moves, now.timestamp()) if run.is_active else None,
        stands=tuple(_stands(records, run, tasks, now)) if run.is_active else (),
        failed_tables=watched.get(FAILED_KEY) or [],
        failed_tasks=_failed(tasks),
        asks=question.mark if question else "",
        over=sum(task.state in ("success", "failed", "skipped", "upstream_failed") for task in tasks),
        version=version,
        now=now,
        illegible=tuple(illegible.values()),
    )


def zone_of(run: Run) -> tzinfo:
    """The time zone somebody asked for, whose midnight the picture's axis begins at."""
    try:
        return parse_zone(str(run.conf.get("time_zone") or "UTC"))
    except ValueError:
        return UTC


_SOON = timedelta(seconds=60)


def _stands(records: Records, run: Run, tasks: Sequence[Task], now: datetime) -> Iterator[str]:
    """Why nothing begins; asks further only of a run that has not begun itself."""
    if run.state == "queued":
        if records.switched_off((run.dag_id,)):
            yield f"It waits to begin: {run.dag_id} is switched off (paused) in Airflow, until somebody switches it on"
        elif run.dag_id in ONE_AT_A_TIME:
            others = [other for other in records.runs((run.dag_id,), active=True) if other.run_id != run.run_id]
            if others:
                yield f"It waits for its turn: {others[-1].run_id} of {run.dag_id} is under way"
    waiting = [task for task in tasks if task.state == "queued" and task.queued and now - task.queued > _SOON]
    if waiting:
        since = human_seconds((now - min(task.queued for task in waiting if task.queued)).total_seconds())
        names = ", ".join(dict.fromkeys(task.task_id for task in waiting[:3]))
        yield f"No worker has taken {names} for {since}: see that workers run, and that none of their pools is full"
    again = list(dict.fromkeys(task.task_id for task in tasks if task.state == "up_for_retry"))
    if again:
        yield f"{', '.join(again[:3])} failed, and is tried again by itself in a moment"


def _version(records: Records, run: Run) -> str:
    """Of the list of tables; empty as long as there is none."""
    newest = records.stamps(run.dag_id, run.run_id, _OF_THE_LIST)
    return newest.isoformat() if newest else ""


def _failed(tasks: Sequence[Task]) -> list[Task]:
    """What failed by itself; the report only says so."""
    failed = [task for task in tasks if task.state == "failed"]
    return [task for task in failed if task.task_id != "report"] or failed


def tasks_to_clear(task_id: str, tasks: Sequence[Task]) -> list[str | tuple[str, int]]:
    """What must run again so that trying `task_id` again makes sense, beside all that follows it.

    :param tasks: of the run
    :return: ids; of a task that is there once for each host, with the places of those that failed
    """
    if task_id == MOVE:
        return [MOVE, WATCH]  # what is watched beside the moves is no task behind them
    if task_id == JUDGE:
        return list(dict.fromkeys(own.task_id for own in tasks if RUNBOOK[0].holds(own.task_id)))  # else: the same
    failed = sorted(own.map_index for own in tasks if own.task_id == task_id and own.state == "failed")
    return [(task_id, place) for place in failed if place >= 0] or [task_id]


def read_tables(records: Records, run: Run) -> TableList:
    """The list of tables; unpacked once, as people search and leaf through it, and then only where it has changed.

    While it is being left anew it is as it was before; empty for a server that has not seen it then.

    :raises Illegible: it is something else
    """
    key, version = (run.dag_id, run.run_id), records.stamps(run.dag_id, run.run_id, _OF_THE_LIST)
    with _lock:
        last = _unpacked.get(key)
    if last is not None and last[0] == version:
        return last[1]
    try:
        tables = None if last is None or version is None else _brought_up_to_date(records, run, *last)
        if tables is None:
            left = records.left(run.dag_id, run.run_id, keys=(LIST_KEY,), prefixes=(NAMES_PREFIX, STATES_PREFIX))
            tables = TableList.assemble((entry.key, entry.value) for _, entry in left)
    except OtherList:
        return TableList() if last is None else last[1]
    except WRONG as error:
        raise Illegible(WATCH, LIST_KEY) from error
    with _lock:
        _unpacked[key] = version, tables
        _unpacked.move_to_end(key)
        while len(_unpacked) > _KEPT:
            _unpacked.popitem(last=False)
    return tables


def _brought_up_to_date(records: Records, run: Run, version: datetime | None, tables: TableList) -> TableList | None:
    """With what was left since; None if there is more to it than what became of some tables."""
    if version is None or not len(tables):
        return None
    since = version - _APART
    left = records.left(run.dag_id, run.run_id, keys=(LIST_KEY,), prefixes=(NAMES_PREFIX, STATES_PREFIX), since=since)
    changed = {entry.key: entry.value for _, entry in left}
    if not changed or not all(key.startswith(STATES_PREFIX) for key in changed):
        return None
    return tables.with_states(changed)


_OF_THE_LIST = (LIST_KEY, NAMES_PREFIX, STATES_PREFIX)
_APART = timedelta(seconds=60)  # clocks of the servers that write what was left, and writing it
_KEPT = 4  # lists; one of a hundred thousand tables takes some 30 MB
_unpacked: OrderedDict[tuple[str, str], tuple[datetime | None, TableList]] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class FoundIn:
    """What the tasks have found out so far."""

    findings: list[Finding]
    sections: list[Section]
    plan: Plan | None
    illegible: tuple[Illegible, ...] = ()

    @property
    def counts(self) -> dict[Severity, int]:
        return {severity: sum(f.severity is severity for f in self.findings) for severity in Severity}


def read_found(records: Records, run: Run) -> FoundIn:
    """Findings worst first, sections in the order they were left, and the plan."""
    found: list[Finding] = []
    sections: list[Section] = []
    illegible: list[Illegible] = []
    plan = None
    for _, left in records.left(run.dag_id, run.run_id, keys=("findings", "section")):
        try:
            if left.key == "findings":
                found += findings(left)
            else:
                sections.append(Section.from_dict(checked(left, SECTION)))
        except Illegible as error:
            illegible.append(error)
    for _, left in records.left(run.dag_id, run.run_id, keys=("return_value",), task_id="make_plan"):
        try:
            plan = parsed(left, _plan)
        except Illegible as error:
            illegible.append(error)
    return FoundIn(worst_first(found), join_sections(sections), plan, tuple(illegible))


def _plan(data: Any) -> Plan:
    """With its files, so that what cannot be read is found here."""
    plan = Plan.from_dict(data)
    _ = (plan.input_file, plan.tablespace_file, plan.before.segments)
    return plan
