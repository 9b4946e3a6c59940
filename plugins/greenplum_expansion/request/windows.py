"""When tables may move."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from greenplum_expansion.planning.scheduler import WindowRules
from greenplum_expansion.planning.windows import Calendar, Window, parse_rules, parse_zone
from greenplum_expansion.request.section import Lines, Section, empty_as_none, field

_WINDOWS = "Windows"
_TINY = 1024 * 1024  # bytes
_BATCH = 20


class Oversize(StrEnum):
    """What becomes of a table that takes longer than every window."""

    LEAVE = "leave it"
    OWN_WINDOW = "in a window of its own"


class MovedBy(StrEnum):
    """Whose task moves the tables."""

    THIS_RUN = "this run"
    SCHEDULE = "greenplum_redistribute"


def _check_moment(text: str | None) -> str | None:
    if text is not None:
        parse_moment(text, UTC)
    return text


LOCAL_TIME = "local date-time"
"""Format in the schema: pages show a picker for it."""
Moment = Annotated[
    Annotated[str, Field(json_schema_extra={"format": LOCAL_TIME})] | None,
    BeforeValidator(empty_as_none),
    AfterValidator(_check_moment),
]
"""A local time as people write it, or none; `parse_moment` reads it."""


class WindowsSection(Section):
    """When tables may move."""

    moved_by: MovedBy = field(
        _WINDOWS,
        "Who moves the tables",
        "*this run*, in the windows below. *greenplum_redistribute*, which runs once a window of its own schedule and "
        "may be triggered by hand: this run then waits, without a worker, until all have moved, and goes on with the "
        "proof. It keeps to *Not on these days*, *Not before* and *Not after*, too.",
        default=MovedBy.THIS_RUN,
    )
    windows: Lines = field(
        _WINDOWS,
        "Windows",
        "When tables may move, one a line: `Mon-Fri 22:00-06:00`, `Sat 20:00-24:00`, or cron and duration, "
        "`0 22 * * 1-5 for 8h`. Empty: as soon as the segments are added, until all have moved.",
        default=(),
    )
    time_zone: str = field(
        _WINDOWS,
        "Time zone",
        "Of the windows and of the fields below, like `Europe/Berlin`. A window from 22:00 to 06:00 ends at 06:00 in "
        "the night in which clocks change, too.",
        default="UTC",
        min_length=1,
    )
    excluded_dates: Lines = field(
        _WINDOWS,
        "Not on these days",
        "No window begins on them: one a line, as `2026-12-24`.",
        default=(),
    )
    not_before: Moment = field(
        _WINDOWS,
        "Not before",
        "Like `2026-11-28 20:00`: nothing moves earlier. Without windows it begins then.",
        default=None,
    )
    last_end: Moment = field(
        _WINDOWS,
        "Not after",
        "Like `2026-12-20 06:00`: nothing moves later; the run then fails, saying how many tables are left. "
        "`greenplum_redistribute`, triggered by hand, moves them whenever you say.",
        default=None,
    )
    grace_minutes: int = field(
        _WINDOWS,
        "Grace, in minutes",
        "A move that is under way at a window's end may go on so long; then it is cancelled, and its work is lost.",
        default=10,
        ge=0,
        le=24 * 60,
    )
    oversize: Oversize = field(
        _WINDOWS,
        "Tables longer than every window",
        "*leave it*: not begun, named in the plan and at the end. *in a window of its own*: begun when a window opens "
        "and nothing else is left, and not stopped at its end.",
        default=Oversize.LEAVE,
    )

    @field_validator("windows")
    @classmethod
    def _check_windows(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(line.strip() for line in lines if line.strip())
        parse_rules(cleaned)
        return cleaned

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, name: str) -> str:
        parse_zone(name.strip())
        return name.strip()

    @field_validator("excluded_dates")
    @classmethod
    def _check_dates(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(line.strip() for line in lines if line.strip())
        for line in cleaned:
            _day(line)
        return cleaned

    @model_validator(mode="after")
    def _one_calendar(self) -> WindowsSection:
        if self.moved_by is MovedBy.SCHEDULE and self.windows:
            raise ValueError(
                "'Windows' are those of greenplum_redistribute's own schedule, if that is 'Who moves the tables'; "
                "leave them empty here"
            )
        return self

    @model_validator(mode="after")
    def _windows_come(self) -> WindowsSection:
        calendar = self.calendar()
        if calendar.last_end and calendar.not_before and calendar.last_end <= calendar.not_before:
            raise ValueError(f"'Not after' ({self.last_end}) is not behind 'Not before' ({self.not_before})")
        return self

    def calendar(self) -> Calendar:
        """The windows asked for."""
        zone = parse_zone(self.time_zone)
        return Calendar(
            rules=parse_rules(self.windows),
            zone=zone,
            excluded=frozenset(map(_day, self.excluded_dates)),
            not_before=None if self.not_before is None else parse_moment(self.not_before, zone),
            last_end=None if self.last_end is None else parse_moment(self.last_end, zone),
        )

    def open_at(self, window: Window) -> Window | None:
        """What is left of a window of another calendar by the days and moments named here; None: nothing."""
        zone = parse_zone(self.time_zone)
        if window.start.astimezone(zone).date() in set(map(_day, self.excluded_dates)):
            return None
        start = max(window.start, parse_moment(self.not_before, zone)) if self.not_before else window.start
        end = min(window.end, parse_moment(self.last_end, zone)) if self.last_end else window.end
        return Window(start, end) if start < end else None

    def on_schedule(self, rules: tuple[str, ...], zone: str, excluded: tuple[str, ...]) -> WindowsSection:
        """What is asked for here, in windows of another calendar: what forecasts go by if that one moves the tables."""
        mine = parse_zone(self.time_zone)
        return WindowsSection(
            windows=rules,
            time_zone=zone,
            excluded_dates=tuple(sorted({*excluded, *self.excluded_dates})),
            not_before=None if self.not_before is None else parse_moment(self.not_before, mine).isoformat(),
            last_end=None if self.last_end is None else parse_moment(self.last_end, mine).isoformat(),
            grace_minutes=self.grace_minutes,
            oversize=self.oversize,
        )

    def window_rules(self, sessions: int, now: datetime) -> WindowRules:
        """What holds in each of them, as seen from `now` (UTC)."""
        return WindowRules(
            sessions=sessions,
            grace=self.grace_minutes * 60.0,
            longest_window=self.calendar().longest_seconds(now),
            oversize=self.oversize is Oversize.OWN_WINDOW,
            tiny=_TINY,
            batch=_BATCH,
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no day; write it as 2026-12-24") from None


def parse_moment(text: str, zone: tzinfo) -> datetime:
    """A local time in UTC; one with an offset of its own is taken at its word."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time; write it as 2026-11-28 20:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
