"""Why tables move now, or why they do not: in one word and a moment, from what was left beside the moves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from greenplum_expansion.pages.phases import AT_WORK

_WHO = re.compile(r"(?P<name>.+?) \(run .*\)", re.DOTALL)

OPEN, ENDLESS, BETWEEN, CLOSED, UNKNOWN = "open", "endless", "between", "closed", ""


@dataclass(frozen=True)
class Window:
    """Whether tables may move now.

    :param state: "open" (until `at`), "endless", "between" two windows (the next opens at `at`), "closed" (none comes),
        or empty: it is not known
    :param at: seconds since 1970
    """

    state: str
    at: float | None = None


@dataclass(frozen=True)
class Moving:
    """How the moves stand.

    :param window: as the calendar has it
    :param paused: somebody has paused them
    :param by: who has steered last; empty if nobody has
    :param since: when that was, in seconds since 1970; None: nobody has, or it is not known
    :param again: the task that moves has failed, and is tried again by itself
    """

    window: Window
    paused: bool
    by: str
    since: float | None
    again: bool


def share_of(progress: Mapping[str, Any]) -> float | None:
    """Of the bytes that have moved, 0 to 1; of the tables where all are empty; None as long as none are counted."""
    sizes, tables = progress.get("bytes") or {}, progress.get("tables") or {}
    parts = sizes if sum(sizes.values()) else tables
    total = sum(parts.values())
    return parts.get("done", 0) / total if total else None


def tell(task_state: str | None, progress: Mapping[str, Any], moves: Mapping[str, Any], now: float) -> Moving | None:
    """None while no task moves tables.

    :param task_state: of the task that moves
    :param progress, moves: as they were left beside it
    """
    if task_state not in AT_WORK:
        return None
    steered = progress.get("steered") or {}
    by = str(steered.get("by") or "")
    named = _WHO.fullmatch(by)
    return Moving(
        window=_window(moves.get("windows"), now),
        paused=bool(steered.get("paused")),
        by=named["name"] if named else by,
        since=_moment(steered.get("since")),
        again=task_state == "up_for_retry",
    )


def _moment(said: str | None) -> float | None:
    """As read_control.sql writes it."""
    try:
        return datetime.strptime(said or "", "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _window(windows: Sequence[Sequence[float | None]] | None, now: float) -> Window:
    if windows is None:
        return Window(UNKNOWN)
    for start, end in windows:
        if start is not None and start > now:
            return Window(BETWEEN, start)
        if end is None:
            return Window(ENDLESS)
        if end > now:
            return Window(OPEN, end)
    return Window(CLOSED)
