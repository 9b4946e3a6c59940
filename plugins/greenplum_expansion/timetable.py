"""One run a window: the timetable of `greenplum_redistribute`, over the same windows that requests are made of.

A run begins when its window opens, and its data interval is the window, whatever the clocks do in that night. One that
could not begin then (the DAG was switched off, or Airflow was) begins late, as long as its window lasts; of windows
that are over none is made up for, so there is no catching up.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from greenplum_expansion.planning.windows import Calendar, Window, parse_rules, parse_zone


class WindowTimetable(Timetable):
    """A run at the beginning of each window.

    :param rules: as in requests: ``Mon-Fri 22:00-06:00``, ``0 22 * * 1-5 for 8h``
    :param time_zone: whose clock they mean
    :param excluded: days, as ``2026-12-24``, on which no window begins
    :raises ValueError: one of them cannot be meant
    """

    def __init__(self, rules: tuple[str, ...], time_zone: str = "UTC", excluded: tuple[str, ...] = ()) -> None:
        self.rules = tuple(rules)
        self.time_zone = time_zone
        self.excluded = tuple(excluded)
        self.calendar = Calendar(
            rules=parse_rules(self.rules),
            zone=parse_zone(time_zone),
            excluded=frozenset(date.fromisoformat(day) for day in self.excluded),
        )
        self.description = f"At the beginning of each window: {self.summary}"

    @property
    def summary(self) -> str:
        """As the list of DAGs shows it."""
        return f"{'; '.join(self.rules)} ({self.time_zone})"

    def serialize(self) -> dict[str, Any]:
        """What the scheduler gets: it needs no environment variables of its own."""
        return {"rules": list(self.rules), "time_zone": self.time_zone, "excluded": list(self.excluded)}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> WindowTimetable:
        """As `serialize` wrote it."""
        return cls(tuple(data["rules"]), data["time_zone"], tuple(data["excluded"]))

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """A run that somebody triggers has no window of this calendar: its form says how long it may move."""
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The window under way, unless it had its run, else the next one."""
        after = restriction.earliest or _now()
        if not restriction.catchup:
            after = max(after, _now())
        if last_automated_data_interval is not None:
            after = max(after, last_automated_data_interval.end)
        window = self._window_after(after, last_automated_data_interval)
        if window is None or (restriction.latest is not None and window.start > restriction.latest):
            return None
        interval = DataInterval(pendulum.instance(window.start), pendulum.instance(window.end))
        return DagRunInfo(run_after=interval.start, data_interval=interval)

    def _window_after(self, after: datetime, last: DataInterval | None) -> Window | None:
        window = self.calendar.next_window(after.astimezone(UTC))
        if window is None or not window.has_end:
            return None
        if last is not None and window.start < last.end:
            # The windows were changed since that run: what it has had of this one is not given twice.
            return Window(last.end.astimezone(UTC), window.end)
        return window


def _now() -> pendulum.DateTime:
    return pendulum.now("UTC")
