"""The task bar that stands on every page: what works on any cluster now, and how it ended, until somebody closes it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from greenplum_expansion.pages.clusters import CHANGING
from greenplum_expansion.pages.health import read_troubles
from greenplum_expansion.pages.legible import PROGRESS, fits
from greenplum_expansion.pages.moving import share_of
from greenplum_expansion.pages.phases import WATCHING
from greenplum_expansion.pages.records import Records, Run, Work
from greenplum_expansion.pages.runbooks import titles_of

CLOSED_COOKIE = "greenplum-closed"
"""Marks of the entries that somebody has closed in this browser, separated by dots; pages.js writes it."""
_LATELY = timedelta(hours=24)
_MOST = 5


@dataclass(frozen=True)
class Entry:
    """One run.

    :param now: titles of the phases it is at, or that failed
    :param state: "asks", "failed", "paused", "queued", "running" or "done"
    :param share: of the bytes that have moved, 0 to 1; None where no table moves
    :param mark: another one when there is news: so an entry that was closed comes back
    """

    run: Run
    now: tuple[str, ...]
    state: str
    share: float | None
    mark: str


@dataclass(frozen=True)
class Bar:
    """All entries, what is under way first.

    :param beside: run (``dag_id/run_id``) of the page it stands on, which tells of that itself
    """

    entries: tuple[Entry, ...]
    beside: str = ""

    def shown(self, closed: Collection[str]) -> tuple[Entry, ...]:
        """Those for which there is room; what somebody has closed takes none.

        :param closed: marks
        """
        return tuple(entry for entry in self.entries if entry.mark not in closed)[:_MOST]


def read_all(records: Records, beside: str = "") -> dict[str, Any]:
    """What stands above every page: the bar, and what stands still in Airflow itself."""
    return {"bar": read_bar(records, beside), "troubles": read_troubles(records)}


def read_bar(records: Records, beside: str = "") -> Bar:
    """By one small question."""
    found = records.work(CHANGING, datetime.now(UTC) - _LATELY, "progress")
    told = [work for work in found if _is_told(work, found) and key_of(work.run) != beside]
    return Bar(tuple(_entry(work) for work in told), beside)


def key_of(run: Run) -> str:
    """How a page says which run it tells of."""
    return f"{run.dag_id}/{run.run_id}"


def _is_told(work: Work, found: list[Work]) -> bool:
    """What goes on; and how the last run ended, until the next one begins."""
    run = work.run
    same = [other.run for other in found if (other.run.dag_id, other.run.connection) == (run.dag_id, run.connection)]
    return run.is_active or same[0] == run


def _entry(work: Work) -> Entry:
    run = work.run
    told = {task_id: state for task_id, state in work.tasks.items() if not task_id.endswith(WATCHING)}
    state = "done" if run.state == "success" else run.state if run.state in ("failed", "queued") else "running"
    if run.is_active:
        state = "asks" if "awaiting_input" in told.values() else "failed" if "failed" in told.values() else state
    if state in ("asks", "failed"):
        wanted = "awaiting_input" if state == "asks" else "failed"
        # The report fails because of what failed before it.
        told = {name: was for name, was in told.items() if was == wanted and name != "report"} or told
    progress = work.progress if work.progress and fits(work.progress, PROGRESS) else {}
    if state == "running" and (progress.get("steered") or {}).get("paused"):
        state = "paused"
    mark = sha256(f"{key_of(run)} {state} {run.started}".encode()).hexdigest()[:12]
    return Entry(run, titles_of(run.dag_id, told) if state != "done" else (), state, share_of(progress), mark)
