"""What may be asked of greenplum_redistribute and greenplum_steer, and who is said to move the tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from greenplum_expansion.errors import InvalidRequest
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.redistribution.steering import Steering
from greenplum_expansion.request import (
    Engine,
    ExpansionRequest,
    MovedBy,
    RedistributeRequest,
    SteeringAction,
    SteerRequest,
    TableOrder,
    parse_request,
)

NOW = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
NIGHT = Window(datetime(2026, 11, 20, 22, 0, tzinfo=UTC), datetime(2026, 11, 21, 6, 0, tzinfo=UTC))


def expansion(**asked: Any) -> ExpansionRequest:
    return parse_request(ExpansionRequest, {"new_hosts": ["sdw3=10.0.0.3"], **asked})


def applied(kept: ExpansionRequest, **asked: Any) -> ExpansionRequest:
    """As the run of greenplum_redistribute has it: the request was kept as JSON meanwhile."""
    read = json.loads(json.dumps(kept.model_dump(mode="json")))
    return parse_request(ExpansionRequest, parse_request(RedistributeRequest, asked).applied_to(read))


def test_a_run_of_the_schedule_moves_as_the_expansion_was_asked_to() -> None:
    kept = expansion(
        moved_by="greenplum_redistribute", parallel_moves=7, order="joined tables together", oversize="leave it"
    )
    assert applied(kept) == expansion(parallel_moves=7, order="joined tables together", oversize="leave it")


def test_what_the_run_is_asked_for_goes_before_it() -> None:
    kept = expansion(engine="gpexpand", windows=["22:00-06:00"], last_end="2026-12-01 06:00")
    run = applied(kept, only_tables=["s.t"], parallel_moves=2, order="smallest first")
    assert run == expansion(only_tables=["s.t"], parallel_moves=2, order=TableOrder.SMALLEST_FIRST)
    assert applied(kept).engine is Engine.GPEXPAND
    assert applied(expansion(), engine="gpexpand").engine is Engine.GPEXPAND


def test_tables_that_an_expansion_was_not_asked_for_are_moved_by_a_later_run() -> None:
    assert applied(expansion(only_tables=["s.first"])).only_tables == ()


def test_a_field_that_another_version_has_kept_is_left_out() -> None:
    kept = {**expansion().model_dump(mode="json"), "of_the_future": 1}
    assert "of_the_future" not in RedistributeRequest().applied_to(kept)


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        ({}, None),
        ({"minutes": 90}, NOW + timedelta(minutes=90)),
        ({"until": "2026-11-21 06:00"}, datetime(2026, 11, 21, 5, 0, tzinfo=UTC)),
        ({"until": "2026-11-21T06:00+03:00"}, datetime(2026, 11, 21, 3, 0, tzinfo=UTC)),
        ({"until": "2026-11-19 06:00"}, NOW),
    ],
)
def test_how_long_a_run_that_somebody_triggers_may_move(asked: dict[str, Any], end: datetime | None) -> None:
    window = parse_request(RedistributeRequest, asked).window(NOW, "Europe/Berlin")
    assert window.start == NOW
    assert window.end == (end or datetime.max.replace(tzinfo=UTC))
    assert window.has_end == (end is not None)


@pytest.mark.parametrize(
    ("model", "asked", "said"),
    [
        (RedistributeRequest, {"minutes": 5, "until": "2026-11-21 06:00"}, "not both"),
        (RedistributeRequest, {"until": "tomorrow"}, "'tomorrow' is no time"),
        (RedistributeRequest, {"only_tables": ["t"]}, "'t' names no schema"),
        (RedistributeRequest, {"only_tables": ["s.t"], "engine": "gpexpand"}, "gpexpand moves all it has listed"),
        (RedistributeRequest, {"parallel_moves": 97}, "Tables moved at a time"),
        (SteerRequest, {"action": "pause", "sessions": 3}, "is for .sessions., not for .pause."),
        (SteerRequest, {"action": "sessions", "sessions": 0}, "Tables moved at a time"),
        (SteerRequest, {"action": "stop"}, "What to do"),
        (
            ExpansionRequest,
            {"new_hosts": ["a"], "moved_by": "greenplum_redistribute", "windows": ["22:00-06:00"]},
            "greenplum_redistribute's own schedule",
        ),
        (
            ExpansionRequest,
            {"new_hosts": ["a"], "moved_by": "greenplum_redistribute", "only_tables": ["s.t"]},
            "'Only these tables' is for the run that moves them",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_in_the_words_of_the_form(model: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_request(model, asked)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({}, NIGHT),
        ({"excluded_dates": ["2026-11-20"]}, None),
        ({"excluded_dates": ["2026-11-21"]}, NIGHT),
        (
            {"not_before": "2026-11-21 01:00", "time_zone": "Europe/Berlin"},
            Window(NIGHT.start + timedelta(hours=2), NIGHT.end),
        ),
        ({"not_before": "2026-11-22 00:00"}, None),
        ({"last_end": "2026-11-21 00:00"}, Window(NIGHT.start, NIGHT.start + timedelta(hours=2))),
        ({"last_end": "2026-11-20 22:00"}, None),
    ],
)
def test_the_schedule_keeps_to_the_days_and_times_that_the_expansion_names(
    asked: dict[str, Any], left: Window | None
) -> None:
    assert expansion(moved_by=MovedBy.SCHEDULE, **asked).open_at(NIGHT) == left


def test_a_forecast_goes_by_the_windows_of_the_schedule_and_by_what_the_expansion_names() -> None:
    asked = expansion(
        moved_by=MovedBy.SCHEDULE,
        time_zone="Europe/Berlin",
        excluded_dates=["2026-11-20"],
        last_end="2026-11-22 00:00",
        grace_minutes=3,
    )
    windows = asked.on_schedule(("22:00-06:00",), "UTC", ("2026-12-24",))
    assert windows.grace_minutes == 3
    assert list(windows.calendar().windows(NOW)) == [
        Window(datetime(2026, 11, 21, 22, tzinfo=UTC), datetime(2026, 11, 21, 23, tzinfo=UTC))
    ]


def test_each_action_changes_what_it_names_and_leaves_the_rest() -> None:
    held = Steering()
    for action, sessions, expected in (
        (SteeringAction.SESSIONS, 3, (False, 3)),
        (SteeringAction.PAUSE, None, (True, 3)),
        (SteeringAction.SHOW, None, (True, 3)),
        (SteeringAction.RESUME, None, (False, 3)),
        (SteeringAction.SESSIONS, None, (False, None)),
    ):
        held = held.changed(action, sessions)
        assert (held.control.paused, held.control.sessions) == expected


def test_no_field_of_a_request_is_a_secret_as_it_is_kept_beside_the_plan() -> None:
    words = ("password", "secret", "token", "passphrase")
    assert [name for name in ExpansionRequest.model_fields if any(word in name for word in words)] == []
