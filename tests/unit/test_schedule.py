"""What a deployment says by environment variables, and what becomes of values that cannot be meant."""

from __future__ import annotations

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from greenplum_expansion.schedule import CONNECTION, EXCLUDED_DATES, TIME_ZONE, WINDOWS, read_schedule
from greenplum_expansion.timetable import WindowTimetable
from tests.support.whole_dag import DAGS


def test_unless_something_else_is_said_it_is_every_night() -> None:
    schedule = read_schedule({})
    assert schedule.timetable is not None
    assert schedule.timetable.summary == "22:00-06:00 (UTC)"
    assert schedule.connection == "greenplum_default"


def test_all_is_read_from_the_environment() -> None:
    schedule = read_schedule(
        {
            WINDOWS: "Mon-Fri 22:00-06:00; 0 20 * * 6 for 4h",
            TIME_ZONE: "Europe/Berlin",
            EXCLUDED_DATES: "2026-12-24, 2026-12-31",
            CONNECTION: "dwh",
        }
    )
    assert schedule.timetable is not None
    assert schedule.timetable.serialize() == {
        "rules": ["Mon-Fri 22:00-06:00", "0 20 * * 6 for 4h"],
        "time_zone": "Europe/Berlin",
        "excluded": ["2026-12-24", "2026-12-31"],
    }
    assert schedule.connection == "dwh"
    assert "Mon-Fri 22:00-06:00; 0 20 * * 6 for 4h (Europe/Berlin)" in schedule.notice


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (WINDOWS, "every night", "'every night' is no window"),
        (WINDOWS, " ; ", "names no window"),
        (WINDOWS, "00:00-24:00", "leaves no time between windows"),
        (TIME_ZONE, "Berlin", "there is no time zone 'Berlin'"),
        (EXCLUDED_DATES, "24.12.2026", "'24.12.2026' is no day"),
    ],
)
def test_a_value_that_cannot_be_meant_makes_a_dag_without_a_schedule_that_says_so(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    bag = DagBag(dag_folder=str(DAGS / "greenplum_redistribute.py"))
    assert bag.import_errors == {}
    dag = bag.dags["greenplum_redistribute"]
    assert dag.schedule is None
    assert f"`{variable}`" in dag.doc_md
    assert said in dag.doc_md


def test_the_scheduler_gets_the_timetable_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WINDOWS, "Sat 20:00-24:00")
    dag = DagBag(dag_folder=str(DAGS / "greenplum_redistribute.py")).dags["greenplum_redistribute"]
    read = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert isinstance(read.timetable, WindowTimetable)
    assert read.timetable.summary == "Sat 20:00-24:00 (UTC)"
    assert (read.catchup, read.max_active_runs, read.is_paused_upon_creation) == (False, 1, True)
