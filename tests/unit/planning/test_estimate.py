"""A rough forecast while somebody types: from sums and the largest tables, held against the one that plays them all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenplum_expansion.planning.estimate import Estimate, estimate
from greenplum_expansion.planning.forecast import Question, forecast
from greenplum_expansion.planning.moves import Move, Storage, Volume
from greenplum_expansion.planning.ranking import RankedTable, rank
from greenplum_expansion.planning.rates import FinishedMove, Shape, believe
from greenplum_expansion.planning.scheduler import WindowRules
from greenplum_expansion.planning.windows import Calendar, parse_rules
from greenplum_expansion.planning.workload import LARGEST, Workload, size_of
from greenplum_expansion.request import TableOrder

GIB = 1024**3
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NIGHTS = Calendar(parse_rules(["22:00-06:00"]))
SHAPE = Shape(segments_before=8, segments_after=16, old_hosts=2, new_hosts=2, mirrored=True, sessions=4)
# 100 MB/s of each class, learned from moves that took just that long.
HISTORY = [FinishedMove(storage, 10 * GIB, 0, 10 * GIB / 1e8) for storage in Storage for _ in range(5)]


def move(number: int, size: int, storage: Storage = Storage.HEAP) -> Move:
    return Move("dwh", number, f"public.t{number}", size, 0, storage)


def workload(moves: list[Move], history: list[FinishedMove] = HISTORY) -> Workload:
    return Workload.measure(moves, history, NOW.timestamp())


def rough(moves: list[Move], calendar: Calendar = NIGHTS, shape: Shape = SHAPE, **more: object) -> Estimate:
    rules = WindowRules(sessions=shape.sessions, longest_window=calendar.longest_seconds(NOW))
    return estimate(workload(moves, **more), shape, calendar, rules, NOW, hosts=4)  # type: ignore[arg-type]


# --- what is recorded ------------------------------------------------------------------------------------------------


def test_a_hundred_thousand_tables_are_some_kilobytes():
    seen = workload([move(number, 1000 + number * 7919 % 10**9) for number in range(100_000)])
    assert seen.total.tables == 100_000
    assert len(seen.largest) == LARGEST
    assert len(json.dumps(seen.to_dict())) < 10_000


def test_the_largest_are_told_with_their_indexes():
    seen = workload([Move("dwh", 1, "a.rows", 5), Move("dwh", 2, "a.indexed", 3, 4), Move("dwh", 3, "a.small", 1)])
    assert [one.fq_name for one in seen.largest] == ["a.indexed", "a.rows", "a.small"]
    assert seen.tells_all


@given(
    st.lists(
        st.builds(
            Move,
            st.just("dwh"),
            st.just(0),
            st.text(min_size=1),
            st.integers(0, 10**15),
            st.integers(0, 10**12),
            st.sampled_from(Storage),
        ),
        max_size=20,
    )
)
def test_what_is_left_for_the_pages_comes_back_as_it_was(moves):
    seen = workload(moves)
    assert Workload.from_dict(json.loads(json.dumps(seen.to_dict()))) == seen


# --- the forecast ----------------------------------------------------------------------------------------------------


def test_the_time_is_that_of_all_sessions_and_a_range():
    seen = rough([move(number, 9 * GIB) for number in range(40)], Calendar())
    left = seen.outlook.left
    assert left.likely == pytest.approx(40 * 9 * GIB / 1e8 / 4, rel=0.05)
    assert left.low < left.likely < left.high
    assert seen.outlook.windows is None
    assert seen.outlook.ends[1] == NOW + timedelta(seconds=left.likely)
    assert seen.total == Volume(40, 360 * GIB)


def test_nothing_is_over_before_the_longest_move_is():
    seen = rough([move(0, 500 * GIB), *(move(number, GIB) for number in range(1, 9))], Calendar())
    assert seen.outlook.left.likely == pytest.approx(500 * GIB / 1e8, rel=0.05)


def test_what_is_longer_than_every_window_is_told_and_not_counted_in():
    eight_hours = int(8 * 3600 * 1e8)
    seen = rough([move(0, 2 * eight_hours), move(1, 3 * eight_hours), move(2, eight_hours // 8)])
    assert [one.name for one in seen.oversized] == ["dwh.public.t1", "dwh.public.t0"]
    assert (seen.oversized_count, seen.oversized_bytes) == (2, 5 * eight_hours)
    assert not seen.oversized_are_more
    assert seen.outlook.windows[1] == 1
    assert seen.oversized[0].takes.low < seen.oversized[0].takes.likely < seen.oversized[0].takes.high


def test_if_none_of_the_largest_fits_there_may_be_more():
    seen = rough([move(number, int(9 * 3600 * 1e8)) for number in range(LARGEST + 1)])
    assert seen.oversized_count == LARGEST
    assert seen.oversized_are_more


def test_second_copies_are_those_of_as_many_of_the_largest_as_move_together():
    seen = rough([move(number, number * GIB) for number in range(1, 11)])
    assert seen.second_copies == 2 * (10 + 9 + 8 + 7) * GIB  # with their mirrors
    assert seen.a_host == seen.second_copies // 4


def test_rates_are_said_to_be_supposed_where_nothing_has_moved_or_was_measured():
    known, unknown = rough([move(0, GIB)]), rough([move(0, GIB)], history=[])
    assert "earlier expansions of this cluster" in " ".join(known.believed.because)
    assert "not measured" in " ".join(unknown.believed.because)
    spans = [one.outlook.left.high / one.outlook.left.likely for one in (known, unknown)]
    assert spans[1] > 2 > spans[0]


def test_an_empty_cluster_needs_nothing():
    seen = rough([])
    assert (seen.total, seen.outlook.left.likely, seen.second_copies) == (Volume(), 0, 0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(20, 36), min_size=30, max_size=300),
    st.sampled_from([Calendar(), NIGHTS]),
    st.integers(1, 8),
)
def test_it_is_about_what_the_plan_will_say_of_the_same_tables(powers, calendar, sessions):
    """Sums know nothing of how tables fill a window; a window or a few hours of work more is what that may cost."""
    moves = [move(number, 2**power) for number, power in enumerate(powers)]
    shape = Shape(8, 16, 2, 2, mirrored=True, sessions=sessions)
    seen = rough(moves, calendar, shape)
    rules = WindowRules(sessions=sessions, longest_window=calendar.longest_seconds(NOW))
    believed = believe(shape, HISTORY, None)
    ordered = {key: place for place, key in enumerate(_ranked(moves))}
    moves.sort(key=lambda one: ordered[one.key])
    played = forecast(Question(moves, calendar, rules, NOW, believed)).likely
    longest = max(believed.rates.likely(one) for one in moves)
    assert played.never == 0
    assert seen.outlook.left.likely <= played.seconds * 1.01 + 1
    assert played.seconds <= seen.outlook.left.likely + longest + 1
    if seen.outlook.windows is not None:
        assert abs(seen.outlook.windows[1] - played.windows) <= 1


def _ranked(moves: list[Move]) -> list[tuple[str, int]]:
    tables = [RankedTable(one.dbname, one.table_oid, one.fq_name, size_of(one), 0) for one in moves]
    return [table.key for table in rank(tables, (), TableOrder.LARGEST_FIRST)]


def test_the_rates_it_goes_by_are_those_of_the_plan():
    """Else the wizard and the approval would tell different times of the same cluster."""
    assert rough([move(0, GIB)]).believed == believe(SHAPE, HISTORY, None)
