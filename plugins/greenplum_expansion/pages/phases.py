"""The runbook as a person follows it: a dozen phases instead of forty tasks, and where there is no way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class TaskState(Protocol):
    """What of a task instance counts here."""

    @property
    def task_id(self) -> str: ...
    @property
    def state(self) -> str | None: ...
    @property
    def started(self) -> datetime | None: ...
    @property
    def ended(self) -> datetime | None: ...


@dataclass(frozen=True)
class Phase:
    """A part of the runbook.

    :param tasks: ids of its tasks, or what they begin with if it ends with a dot
    :param no_return: behind it the way is forward only
    """

    key: str
    title: str
    what: str
    tasks: tuple[str, ...]
    no_return: bool = False
    only_if_run: bool = False

    def holds(self, task_id: str) -> bool:
        return any(task_id == own or (own.endswith(".") and task_id.startswith(own)) for own in self.tasks)


RUNBOOK = (
    Phase(
        "check",
        "Check cluster and new hosts",
        "Everything is looked at, nothing is changed; errors stop here.",
        ("check_cluster.", "check_new_hosts.", "judge_findings"),
    ),
    Phase("survey", "Survey", "Sizes, kinds, skew and bloat, to compare with at the end.", ("survey_before",)),
    Phase(
        "hosts",
        "Prepare the new hosts",
        "System settings, user and directories, software, keys; then their hardware is measured.",
        ("prepare_hosts.", "prepare_hosts_files", "exchange_keys", "check_prepared_hosts", "measure_hardware"),
    ),
    Phase("backup", "Back up", "As much as was asked for.", ("back_up",)),
    Phase(
        "plan",
        "Plan and approval",
        "What will be done is written down, and somebody decides.",
        ("make_plan", "approve_plan", "approve_edit"),
    ),
    Phase(
        "segments",
        "Add the segments",
        "No table can be created, altered or dropped meanwhile. Within it the catalog changes: from there on the way "
        "is forward only.",
        ("fingerprint_tables", "drain_sessions", "add_segments", "wait_for_mirrors"),
        no_return=True,
    ),
    Phase(
        "tables",
        "Move the tables",
        "One after the other; each can be neither read nor written while it moves.",
        ("rank_tables", "redistribute."),
    ),
    Phase(
        "proof",
        "Prove",
        "Every table on all segments, rows and checksums as before.",
        ("verify_distribution", "survey_after"),
    ),
    Phase("end", "Finish", "Restart if asked for, clean up, report.", ("restart_cluster", "clean_up", "report")),
    Phase("rollback", "Roll back", "Adding the segments failed, and is taken back.", ("roll_back",), only_if_run=True),
)

DONE, SKIPPED, FAILED, WAITING, RUNNING = "done", "skipped", "failed", "waiting", "running"
NOT_YET, NOT_REACHED = "not yet", "not reached"
AT_WORK = frozenset({"running", "deferred", "queued", "scheduled", "restarting", "up_for_retry", "up_for_reschedule"})
"""States of a task that has begun, or will by itself."""
WATCHING = "watch_progress"
"""The task beside the moves; it does nothing that people wait for."""
_RAN = frozenset({"success", "failed", "awaiting_input"})
_OVER = frozenset({"success", "skipped", "removed"})


@dataclass(frozen=True)
class PhaseState:
    """How far a phase is.

    :param state: one of the words above
    :param tasks: how many of its tasks are over, and how many there are
    :param now: ids of the tasks that are at work, or failed
    """

    phase: Phase
    state: str
    started: datetime | None
    ended: datetime | None
    tasks_over: int
    tasks: int
    now: tuple[str, ...]

    def seconds(self, moment: datetime) -> float | None:
        """From its first start to its end, or to `moment`; None before."""
        if self.started is None:
            return None
        return ((self.ended or moment) - self.started).total_seconds()


def phases_of(dag_id: str, tasks: Sequence[TaskState]) -> tuple[Phase, ...]:
    """The runbook's; of the smaller DAGs each task is one."""
    if dag_id == "greenplum_expand":
        return RUNBOOK
    names = list(dict.fromkeys(task.task_id for task in tasks))
    return tuple(Phase(name, name.replace("_", " ").replace(".", ": ").capitalize(), "", (name,)) for name in names)


def judge(phases: Iterable[Phase], tasks: Sequence[TaskState]) -> list[PhaseState]:
    """Each phase, from the states of its tasks."""
    judged = []
    for phase in phases:
        own = [task for task in tasks if phase.holds(task.task_id)]
        state = _state([task.state for task in own])
        if phase.only_if_run and state in (NOT_YET, NOT_REACHED, SKIPPED):
            continue
        ran = [task for task in own if task.state in AT_WORK or task.state in _RAN]  # a skipped task has times, too
        starts = [task.started for task in ran if task.started]
        ends = [task.ended for task in ran if task.ended]
        over = state in (DONE, SKIPPED, FAILED)
        at_work = [task for task in own if task.state in AT_WORK or task.state in ("failed", "awaiting_input")]
        shown = [task for task in at_work if not task.task_id.endswith(WATCHING)]
        judged.append(
            PhaseState(
                phase=phase,
                state=state,
                started=min(starts, default=None),
                ended=max(ends, default=None) if over else None,
                tasks_over=sum(task.state in _OVER for task in own),
                tasks=len(own),
                now=tuple(dict.fromkeys(task.task_id for task in shown)),
            )
        )
    return judged


def _state(states: Sequence[str | None]) -> str:
    found = set(states)
    if "failed" in found:
        return FAILED
    if "awaiting_input" in found:
        return WAITING
    if found & AT_WORK:
        return RUNNING
    over = found & _OVER
    if found and over == found:
        return SKIPPED if found <= {"skipped", "removed"} else DONE
    if "upstream_failed" in found:
        return NOT_REACHED
    # Some are over and the next has not begun: the scheduler is between two of them.
    return RUNNING if over & {"success"} else NOT_YET
