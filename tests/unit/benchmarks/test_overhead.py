"""The arithmetic of the overhead benchmark: what counts as busy, and to whom the rest is charged."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.overhead import BETWEEN, Task, measure, say, union

SPANS = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 30)).map(lambda pair: (float(pair[0]), float(sum(pair)))), max_size=8
)


def test_two_commands_at_once_count_once_and_the_rest_is_charged_to_who_was_in_flight() -> None:
    tasks = [
        Task("a", (10.0, 20.0), ((12.0, 18.0),)),
        Task("b", (10.0, 30.0), ((15.0, 25.0),)),
        Task("c", (40.0, 50.0), ((40.0, 50.0),)),
    ]
    found = measure((0.0, 52.0), tasks)
    assert (found.wall, found.busy, found.seconds) == (52.0, 23.0, 29.0)
    # 10 s before, 10 s between b and c, 2 s behind; 2 s shared by a and b; 5 s of b alone.
    assert found.charged == {BETWEEN: 22.0, "b": 6.0, "a": 1.0}
    assert found.per_task == pytest.approx(29 / 3)
    assert found.missed == ["9.7 s a task, goal 2.0"]


def test_the_ratio_is_judged_only_where_there_was_something_to_do() -> None:
    long = measure((0.0, 800.0), [Task("moves", (0.0, 800.0), ((0.0, 650.0),))])
    assert long.missed == ["150.0 s a task, goal 2.0", "1.23 times the busy time, goal 1.15"]
    assert "GOAL MISSED: 1.23 times" in "\n".join(say("x", long))
    well = measure((0.0, 800.0), [Task("moves", (0.0, 800.0), ((0.0, 799.0),))])
    assert well.missed == []


@given(SPANS, SPANS)
def test_every_moment_is_either_busy_or_charged_once(busy: list[tuple[float, float]], flights: list) -> None:
    tasks = [Task(str(number), flight, ()) for number, flight in enumerate(flights)]
    tasks.append(Task("busy", (0.0, 0.0), tuple(busy)))
    found = measure((5.0, 95.0), tasks)
    assert sum(found.charged.values()) == pytest.approx(found.seconds)
    assert 0 <= found.busy <= found.wall
    joined = union(busy)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(joined))
