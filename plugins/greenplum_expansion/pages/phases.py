"""How far the phases of a run are, judged by the states of its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from greenplum_expansion.pages.runbooks import Phase


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
