"""The nights of `greenplum_redistribute`, as the deployment sets them by environment variables.

They are read where DAG files are parsed: by the DAG processor, and by workers, who want to know how long a window can
be. So every component of Airflow is given the same values.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from greenplum_expansion.planning.windows import Calendar, parse_rules, parse_zone
from greenplum_expansion.request import MovedBy
from greenplum_expansion.request.windows import WindowsSection
from greenplum_expansion.timetable import WindowTimetable

WINDOWS = "GREENPLUM_REDISTRIBUTE_WINDOWS"
TIME_ZONE = "GREENPLUM_REDISTRIBUTE_TIME_ZONE"
EXCLUDED_DATES = "GREENPLUM_REDISTRIBUTE_EXCLUDED_DATES"
CONNECTION = "GREENPLUM_REDISTRIBUTE_CONNECTION"
DEFAULT_WINDOWS = "22:00-06:00"
DEFAULT_TIME_ZONE = "UTC"
DEFAULT_CONNECTION = "greenplum_default"


@dataclass(frozen=True)
class Schedule:
    """When `greenplum_redistribute` runs by itself, and for which connection.

    :param timetable: None: its variables cannot be meant, so it runs only when somebody triggers it
    :param notice: what the DAG's page says about that, as Markdown
    """

    timetable: WindowTimetable | None
    connection: str
    notice: str

    @property
    def calendar(self) -> Calendar | None:
        return self.timetable.calendar if self.timetable else None


def read_schedule(environ: Mapping[str, str] | None = None) -> Schedule:
    """What the environment says; a wrong value makes a DAG that tells of it, since one that is gone tells nothing."""
    env = os.environ if environ is None else environ
    connection = env.get(CONNECTION, "").strip() or DEFAULT_CONNECTION
    rules = _items(env.get(WINDOWS, "") or DEFAULT_WINDOWS, r"[;\n]")
    zone = env.get(TIME_ZONE, "").strip() or DEFAULT_TIME_ZONE
    excluded = _items(env.get(EXCLUDED_DATES, ""), r"[;,\s]")
    problems = _problems(rules, zone, excluded)
    if problems:
        said = "\n".join(f"- {problem}" for problem in problems)
        return Schedule(
            None,
            connection,
            f"**It has no schedule, as its environment variables cannot be meant:**\n\n{said}\n\nSet them right for "
            "every component of Airflow. Until then it runs only when somebody triggers it.",
        )
    timetable = WindowTimetable(rules, zone, excluded)
    return Schedule(timetable, connection, f"Windows of this deployment: `{timetable.summary}`.")


def on_schedule(request: WindowsSection) -> WindowsSection:
    """As greenplum_redistribute keeps to it; without a schedule it moves whenever somebody triggers it."""
    timetable = read_schedule().timetable
    return request.on_schedule(timetable.rules, timetable.time_zone, timetable.excluded) if timetable else request


def foreseen(request: WindowsSection) -> WindowsSection:
    """The windows that forecasts go by: the request's own, or those of the schedule that moves its tables."""
    return on_schedule(request) if request.moved_by is MovedBy.SCHEDULE else request


def _problems(rules: tuple[str, ...], zone: str, excluded: tuple[str, ...]) -> list[str]:
    found = []
    try:
        parsed = parse_rules(rules)
        if not parsed:
            found.append(f"`{WINDOWS}` names no window")
        elif Calendar(parsed).longest_seconds(datetime.now(UTC)) == float("inf"):
            found.append(f"`{WINDOWS}` leaves no time between windows, so there would be one run without an end")
    except ValueError as error:
        found.append(f"`{WINDOWS}`: {error}")
    try:
        parse_zone(zone)
    except ValueError as error:
        found.append(f"`{TIME_ZONE}`: {error}")
    for day in excluded:
        try:
            date.fromisoformat(day)
        except ValueError:
            found.append(f"`{EXCLUDED_DATES}`: {day!r} is no day; write it as 2026-12-24")
    return found


def _items(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(separator, text) if part.strip())
