"""A window as a task sees it: the expansion whose tables move, its request as this run has it, and how long it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.claim import Claim, ClusterClaim
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.operators.run import ExpansionRun, final_errors
from greenplum_expansion.planning.windows import Calendar, Window
from greenplum_expansion.request import ExpansionRequest, RedistributeRequest, parse_request
from greenplum_expansion.request.windows import WindowsSection
from greenplum_expansion.schedule import on_schedule, read_schedule

PROBE = "probe"
"""The task that has found the expansion."""


class WindowRun(ExpansionRun):
    """The expansion that the run of greenplum_redistribute in `context` moves tables of.

    :param found: what the probe has found
    :raises StepFailed: its request is not there
    """

    def __init__(self, context: Mapping[str, Any], asked: RedistributeRequest, hook: GreenplumHook, found: str) -> None:
        kept = ExpansionDirectory(hook, found).read_request()
        if kept is None:
            raise StepFailed(
                f"Expansion {found} of connection {asked.greenplum_conn_id}",
                "what it was asked for is not in its directory",
                "clear task rank_tables of the expansion's run, which keeps it there; then clear this task",
            )
        self.asked = asked
        known = {name: value for name, value in kept.items() if name in ExpansionRequest.model_fields}
        self.expansion_asked = parse_request(ExpansionRequest, known)
        applied = {**asked.applied_to(kept), "greenplum_conn_id": asked.greenplum_conn_id}
        self._begin(context, parse_request(ExpansionRequest, applied), hook, found)
        self.window = find_window(context, asked, self.expansion_asked)

    def calendar(self) -> Calendar:
        """This window, and no other."""
        window = self.window
        if window is None:
            return Calendar(last_end=datetime.now(UTC))
        return Calendar(not_before=window.start, last_end=window.end if window.has_end else None)

    def foreseen(self) -> WindowsSection:
        """Of a run of the schedule its further windows, too; who triggers a run goes on until it ends."""
        return on_schedule(self.expansion_asked) if is_scheduled(self.context) else self.request

    def ends(self) -> datetime | None:
        """Of a run that somebody triggered, its window's end; after one of the schedule further ones come."""
        window = self.window
        if is_scheduled(self.context) or window is None or not window.has_end:
            return None
        return window.end

    def longest_window(self, now: datetime) -> float:
        """Of the schedule, for a run of the schedule; else of this run."""
        calendar = read_schedule().calendar if is_scheduled(self.context) else None
        if calendar is not None:
            return calendar.longest_seconds(now)
        return self.window.seconds if self.window is not None and self.window.has_end else float("inf")


def is_scheduled(context: Mapping[str, Any]) -> bool:
    """Whether the schedule has begun this run; else somebody did."""
    return str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type)) in ("scheduled", "backfill")


def find_window(context: Mapping[str, Any], asked: RedistributeRequest, expansion: ExpansionRequest) -> Window | None:
    """When this run may move tables; None: not at all, by the days and times of the expansion's request.

    Who triggers it decides by that; the request binds the schedule only.
    """
    dag_run = context["dag_run"]
    if is_scheduled(context):
        return expansion.open_at(Window(dag_run.data_interval_start, dag_run.data_interval_end))
    # A run that is cleared has its whole time once more: clearing makes a new start.
    return asked.window(dag_run.start_date or dag_run.run_after, expansion.time_zone)


def has_expansion(claim: Claim | None) -> bool:
    """Whether an expansion is under way, by the claim on the cluster."""
    return claim is not None and not claim.released


@contextmanager
def window_run(context: Mapping[str, Any]) -> Iterator[WindowRun]:
    """The run of this task, closed at its end; errors that no retry mends end the task at once."""
    with final_errors():
        asked = parse_request(RedistributeRequest, dict(context["params"]))
        hook = GreenplumHook(asked.greenplum_conn_id)
        try:
            found = context["ti"].xcom_pull(task_ids=PROBE)
            if not found:
                raise StepFailed(
                    f"Connection {asked.greenplum_conn_id}",
                    "task probe has not told which expansion this is about",
                    "clear task probe with all that follows",
                )
            yield WindowRun(context, asked, hook, found)
        finally:
            hook.close()


def read_claim(hook: GreenplumHook) -> Claim | None:
    """Who has, or had last, the cluster."""
    return ClusterClaim(hook).read()
