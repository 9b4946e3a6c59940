"""The picture of the moves: its lines keep to the windows, and nothing of it leaves the frame."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.pages.chart import BOTTOM, LEFT, RIGHT, TOP, Chart, draw
from greenplum_expansion.pages.moving import tell
from greenplum_expansion.pages.words import short

H = 3600.0
NIGHT = datetime(2026, 11, 20, 22, tzinfo=UTC).timestamp()
NIGHTS = [[NIGHT + day * 24 * H, NIGHT + day * 24 * H + 8 * H] for day in range(-1, 9)]


def spots(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, _, y in (spot.partition(",") for spot in line.split())]


def drawn(*args: object, **kwargs: object) -> Chart:
    chart = draw(*args, **kwargs)  # type: ignore[arg-type]
    assert chart is not None
    return chart


def test_the_forecast_rises_in_windows_and_is_flat_between_them() -> None:
    now = NIGHT + 4 * H  # half of what is left moves in what is left of this night, half in the next
    chart = drawn([[NIGHT, 0], [now, 50]], 100, now, (None, NIGHT + 28 * H, None), NIGHTS)
    begun, closed, opens, done = spots(chart.likely)[-4:]
    assert begun[1] == (TOP + BOTTOM) / 2
    assert closed[1] == opens[1] == pytest.approx(TOP + (BOTTOM - TOP) / 4, abs=0.1)
    assert done == (RIGHT, TOP)
    assert [band.when for band in chart.bands] == ["now", "coming"]


def test_where_windows_are_not_known_as_far_it_is_straight() -> None:
    chart = drawn([[NIGHT, 0], [NIGHT + H, 50]], 100, NIGHT + H, (None, NIGHT + 30 * 24 * H, None), NIGHTS)
    assert len(spots(chart.likely)) == 2
    assert len(spots(drawn([[NIGHT, 0], [NIGHT + H, 50]], 100, NIGHT + H, (None, NIGHT + 3 * H, None)).likely)) == 2


def test_before_the_first_move_there_is_the_forecast_alone() -> None:
    chart = drawn([[NIGHT - 3 * H, 0]], 100, NIGHT - 3 * H, (NIGHT + H, NIGHT + 2 * H, NIGHT + 3 * H), NIGHTS)
    assert chart.moved == ""
    assert spots(chart.likely)[1] == (pytest.approx((LEFT + RIGHT) / 2, abs=0.1), BOTTOM)
    assert [word for word, _ in chart.ends] == ["at best", "likely", "at worst"]
    assert draw([[NIGHT, 0]], 100, NIGHT) is None
    assert draw([], 100, NIGHT) is None


def test_one_window_without_an_end_is_no_band() -> None:
    assert drawn([[NIGHT, 0], [NIGHT + H, 1]], 100, NIGHT + H, windows=[[NIGHT, None]]).bands == ()
    (band,) = drawn([[NIGHT - H, 0], [NIGHT + H, 1]], 100, NIGHT + H, windows=[[NIGHT, None]]).bands
    assert (band.when, band.end, band.x + band.width) == ("now", None, RIGHT)


def test_days_begin_at_midnight_of_the_zone_also_when_clocks_change() -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 10, 23, 12, tzinfo=zone).timestamp()
    chart = drawn([[begin, 0], [begin + 5 * 24 * H, 1]], 100, begin + 5 * 24 * H, zone=zone)
    clocks = {datetime.fromtimestamp(tick.value, zone).time().isoformat() for tick in chart.times}
    assert clocks == {"00:00:00"}
    assert len(chart.times) == 5
    # In UTC, until pages.js has it in the browser's zone: where that is another one, it is no midnight.
    assert short(chart.times[0].value, chart.form) == "23 Oct 22:00"


def test_weeks_are_marked_by_their_days_alone() -> None:
    chart = drawn([[0, 0], [60 * 24 * H, 1]], 100, 60 * 24 * H)
    assert chart.form == "day"


numbers = st.floats(0, 4e9)


@given(
    st.lists(st.tuples(numbers, st.integers(0, 2**60)), min_size=1, max_size=30),
    st.integers(1, 2**60),
    numbers,
    st.tuples(*[st.none() | numbers] * 3),
    st.lists(st.tuples(numbers, st.none() | numbers), max_size=9),
)
def test_whatever_is_recorded_stays_in_the_frame(points, total, now, ends, windows) -> None:
    chart = draw(sorted(points), total, now, ends, sorted(windows, key=lambda window: window[0]))
    if chart is None:
        return
    for line in (chart.moved, chart.likely, chart.range):
        assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in spots(line))
    assert all(LEFT <= band.x <= RIGHT for band in chart.bands)
    assert len(chart.times) <= 8
    assert 1 <= len(chart.sizes) <= 6
    assert len(chart.rows) <= 8


MOVES = {"windows": [[NIGHT, NIGHT + 8 * H], [NIGHT + 24 * H, NIGHT + 32 * H]]}


@pytest.mark.parametrize(
    ("now", "state", "at"),
    [
        (NIGHT - 1, "between", NIGHT),
        (NIGHT, "open", NIGHT + 8 * H),
        (NIGHT + 8 * H, "between", NIGHT + 24 * H),
        (NIGHT + 32 * H, "closed", None),
    ],
)
def test_a_wait_for_a_window_is_told_with_when_it_opens(now, state, at) -> None:
    told = tell("deferred", {}, MOVES, now)
    assert told is not None
    assert (told.window.state, told.window.at) == (state, at)


def test_who_paused_is_told_without_their_run() -> None:
    steered = {"steered": {"paused": True, "by": "alice (run manual__2026)", "since": "2026-11-20 22:00:01 UTC"}}
    told = tell("deferred", steered, {}, NIGHT)
    assert told is not None
    assert (told.paused, told.by, told.since) == (
        True,
        "alice",
        datetime(2026, 11, 20, 22, 0, 1, tzinfo=UTC).timestamp(),
    )
    assert told.window.state == ""
    assert tell("success", steered, {}, NIGHT) is None
    for other in ("2026-11-20 22:00:01 MSK", "soon", "", None):  # as older versions, or nobody, left it
        steered["steered"]["since"] = other
        told = tell("deferred", steered, {}, NIGHT)
        assert told is not None
        assert told.since is None
    again = tell("up_for_retry", {}, {"windows": [[NIGHT, None]]}, NIGHT)
    assert again is not None
    assert (again.again, again.window.state) == (True, "endless")
