"""One run a window, whatever clocks, calendars and schedulers do."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pendulum
import pytest
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion import timetable as module
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.timetable import WindowTimetable

ANY_TIME = TimeRestriction(earliest=None, latest=None, catchup=False)
RULES = st.sampled_from(
    [
        ("22:00-06:00",),
        ("Mon-Fri 22:00-06:00", "Sat 20:00-24:00"),
        ("0 22 * * 1-5 for 8h", "30 1 1 * * for 45m"),
        ("01:30-02:30",),
        ("Sun 00:00-24:00", "Mon 00:00-03:00"),
        ("02:00-03:00", "12:00-13:30", "Fri-Mon 12:30-14:00"),
    ]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants it so


def at(text: str) -> pendulum.DateTime:
    return pendulum.instance(datetime.fromisoformat(text).astimezone(UTC))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, pendulum.DateTime]:
    told = {"now": at("2026-11-20T12:00+00:00")}
    monkeypatch.setattr(module, "_now", lambda: told["now"])
    return told


def run_after(timetable: WindowTimetable, last: DagRunInfo | None = None) -> DagRunInfo:
    interval = last.data_interval if last else None
    info = timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=ANY_TIME)
    assert info is not None
    return info


def nights(timetable: WindowTimetable, clock: dict[str, pendulum.DateTime], number: int) -> list[tuple[str, str]]:
    """Runs one after another, each asked for when the one before is over."""
    found: list[tuple[str, str]] = []
    last = None
    for _ in range(number):
        last = run_after(timetable, last)
        interval = last.data_interval
        assert interval is not None
        assert last.run_after == interval.start == last.logical_date
        clock["now"] = interval.end
        zone = timetable.time_zone
        found.append(tuple(moment.in_timezone(zone).strftime("%a %d %H:%M%z") for moment in interval))  # type: ignore[arg-type]
    return found


def test_a_run_begins_with_its_window_and_has_all_of_it(clock: dict[str, pendulum.DateTime]) -> None:
    assert nights(WindowTimetable(("22:00-06:00",), "Europe/Berlin"), clock, 2) == [
        ("Fri 20 22:00+0100", "Sat 21 06:00+0100"),
        ("Sat 21 22:00+0100", "Sun 22 06:00+0100"),
    ]


def test_a_night_in_which_clocks_change_ends_at_the_same_time_on_them(clock: dict[str, pendulum.DateTime]) -> None:
    clock["now"] = at("2027-03-27T12:00+00:00")
    timetable = WindowTimetable(("22:00-06:00",), "Europe/Berlin")
    assert nights(timetable, clock, 2) == [
        ("Sat 27 22:00+0100", "Sun 28 06:00+0200"),
        ("Sun 28 22:00+0200", "Mon 29 06:00+0200"),
    ]


def test_days_that_are_excluded_and_cron_rules_count(clock: dict[str, pendulum.DateTime]) -> None:
    clock["now"] = at("2026-12-23T12:00+00:00")
    timetable = WindowTimetable(("0 20 * * 3-6 for 2h",), "UTC", ("2026-12-24", "2026-12-25"))
    assert nights(timetable, clock, 2) == [
        ("Wed 23 20:00+0000", "Wed 23 22:00+0000"),
        ("Sat 26 20:00+0000", "Sat 26 22:00+0000"),
    ]


def test_a_dag_that_is_switched_on_at_night_begins_at_once(clock: dict[str, pendulum.DateTime]) -> None:
    clock["now"] = at("2026-11-20T23:30+00:00")
    info = run_after(WindowTimetable(("22:00-06:00",)))
    assert info.run_after == at("2026-11-20T22:00+00:00")


def test_windows_that_were_missed_are_not_made_up_for(clock: dict[str, pendulum.DateTime]) -> None:
    timetable = WindowTimetable(("22:00-06:00",))
    first = run_after(timetable)
    clock["now"] = at("2026-11-25T12:00+00:00")
    assert run_after(timetable, first).run_after == at("2026-11-25T22:00+00:00")


def test_windows_that_were_changed_give_no_time_twice(clock: dict[str, pendulum.DateTime]) -> None:
    last = DagRunInfo.interval(at("2026-11-20T22:00+00:00"), at("2026-11-21T06:00+00:00"))
    clock["now"] = at("2026-11-21T05:00+00:00")
    info = run_after(WindowTimetable(("23:00-07:00",)), last)
    assert info.data_interval == DataInterval(at("2026-11-21T06:00+00:00"), at("2026-11-21T07:00+00:00"))


def test_after_the_dags_end_and_for_windows_without_an_end_there_is_no_run(
    clock: dict[str, pendulum.DateTime],
) -> None:
    ended = TimeRestriction(None, latest=at("2026-11-20T21:00+00:00"), catchup=False)
    for rules, restriction in ((("22:00-06:00",), ended), (("00:00-24:00",), ANY_TIME)):
        found = WindowTimetable(rules).next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
        assert found is None


def test_what_somebody_triggers_is_no_window() -> None:
    now = at("2026-11-20T12:00+00:00")
    assert WindowTimetable(("22:00-06:00",)).infer_manual_data_interval(run_after=now) == DataInterval.exact(now)


@given(rules=RULES, zone=ZONES, start=MOMENTS, excluded=st.lists(st.dates(date(2026, 1, 1), date(2027, 12, 31))))
def test_runs_are_the_windows_in_order_and_never_overlap(
    rules: tuple[str, ...], zone: str, start: datetime, excluded: list[date]
) -> None:
    timetable = WindowTimetable(rules, zone, tuple(map(str, excluded)))
    restriction = TimeRestriction(pendulum.instance(start), None, catchup=True)
    last: DataInterval | None = None
    runs = []
    for _ in range(8):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        assert info is not None
        assert info.data_interval is not None
        assert last is None or last.end <= info.data_interval.start
        assert info.data_interval.start < info.data_interval.end
        last = info.data_interval
        runs.append(Window(last.start, last.end))
    windows = timetable.calendar.windows(start)
    assert runs == [next(windows) for _ in runs]


@given(rules=RULES, zone=ZONES, moment=MOMENTS)
def test_the_scheduler_reads_what_the_dag_processor_wrote(rules: tuple[str, ...], zone: str, moment: datetime) -> None:
    made = WindowTimetable(rules, zone, ("2026-12-24",))
    read = WindowTimetable.deserialize(json.loads(json.dumps(made.serialize())))
    assert (read.serialize(), read.summary) == (made.serialize(), made.summary)
    restriction = TimeRestriction(pendulum.instance(moment), None, catchup=True)
    asked = {"last_automated_data_interval": None, "restriction": restriction}
    assert read.next_dagrun_info(**asked) == made.next_dagrun_info(**asked)


@given(rules=RULES, zone=ZONES, moment=MOMENTS)
def test_whenever_it_is_asked_the_window_it_names_is_not_over(
    rules: tuple[str, ...], zone: str, moment: datetime
) -> None:
    restriction = TimeRestriction(pendulum.instance(moment), None, catchup=True)
    info = WindowTimetable(rules, zone).next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert info is not None
    assert info.data_interval is not None
    assert info.data_interval.end > moment
    assert info.data_interval.end - info.data_interval.start <= timedelta(days=2)
