"""What the scheduler never does, whatever it is given: properties, played through with the clock of the simulation."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.moves import Move, Rate, Rates, Storage
from greenplum_expansion.planning.scheduler import MoveQueue, WindowRules
from greenplum_expansion.planning.simulation import Played, play
from greenplum_expansion.planning.windows import Calendar, WindowRule

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RATES = Rates({storage: Rate(1000.0, 0.1, 50) for storage in Storage}, Rate(1000.0, 0.1, 50), overhead=1.0)
HOUR = 3600.0


def nightly(hours: float) -> Calendar:
    return Calendar((WindowRule("0 22 * * *", timedelta(hours=hours)),))


def a_move(number: int, seconds: float, **others) -> Move:
    return Move("demo", number, f"public.t{number}", int(seconds * 1000), **others)


def queue(*moves: Move, sessions: int = 1, **rules) -> MoveQueue:
    made = MoveQueue(moves, WindowRules(sessions, **rules), RATES)
    made.open_window()
    return made


def names(moves) -> list[str]:
    return [move.fq_name.removeprefix("public.") for move in moves]


@st.composite
def workloads(draw) -> list[Move]:
    count = draw(st.integers(1, 40))
    return [
        Move(
            draw(st.sampled_from(["demo", "other"])),
            number,
            f"public.t{number}",
            draw(st.integers(0, 9_000_000)),
            index_bytes=draw(st.integers(0, 1_000_000)),
            storage=draw(st.sampled_from(Storage)),
            locks=frozenset(draw(st.lists(st.integers(0, count), max_size=2))),
            group=draw(st.sampled_from(["", "", "a", "b"])),
        )
        for number in range(count)
    ]


ERRORS = st.floats(0.7, 1.3)
SETTINGS = st.builds(
    WindowRules,
    sessions=st.integers(1, 5),
    grace=st.sampled_from([0.0, 600.0, HOUR]),
    longest_window=st.just(2 * HOUR),
    oversize=st.booleans(),
)


def played(moves: list[Move], rules: WindowRules, error) -> Played:
    real = {move.key: RATES.expect(move).likely * error(move) for move in moves}
    return play(moves, nightly(2), rules, NOW, rates=RATES, actual=lambda move: real[move.key], most_windows=200)


@given(workloads(), SETTINGS, st.randoms())
def test_never_more_moves_at_a_time_than_allowed_and_never_two_that_lock_the_same_table(moves, rules, random):
    attempts = played(moves, rules, lambda move: random.uniform(0.7, 1.3)).attempts
    for attempt in attempts:
        beside = [a.move for a in attempts if a.started <= attempt.started < a.ended]
        assert len(beside) <= rules.sessions
        assert not any(one.conflicts_with(other) for i, one in enumerate(beside) for other in beside[:i])


@given(workloads(), SETTINGS, st.randoms())
def test_nothing_begins_outside_a_window_or_is_cancelled_before_its_grace_is_over(moves, rules, random):
    result = played(moves, rules, lambda move: random.uniform(0.7, 1.3))
    for attempt in result.attempts:
        window = next(w for w in result.windows if w.contains(attempt.started))
        overrun = (attempt.ended - window.end).total_seconds()
        if not attempt.done:
            assert overrun == pytest.approx(rules.grace, abs=1e-3)
        elif not rules.oversize:
            assert overrun <= rules.grace + 1e-3


@given(workloads(), SETTINGS)
def test_what_takes_as_long_as_expected_is_moved_once_and_in_time(moves, rules):
    result = played(moves, rules, lambda move: 1.0)
    assert result.seconds_thrown_away == 0
    done = [attempt.move.key for attempt in result.attempts]
    assert len(done) == len(set(done))
    assert sorted(done + [move.key for move in result.never]) == sorted(move.key for move in moves)


@given(workloads(), SETTINGS)
def test_nothing_that_fits_a_window_is_left_for_ever(moves, rules):
    result = played(moves, rules, lambda move: 1.0)
    assert not [move for move in result.never if RATES.expect(move).high <= rules.longest_window]
    if rules.oversize:
        assert not result.never


def test_smaller_ones_fill_the_end_of_a_window():
    made = queue(a_move(1, 100), a_move(2, 20), a_move(3, 5), a_move(4, 1))
    assert names([made.next_move(30.0)]) == ["t2"]
    made.finished(a_move(2, 20), 21)
    assert names([made.next_move(12.0)]) == ["t3"]


def test_what_was_passed_over_is_the_first_choice_of_the_next_window():
    made = queue(a_move(1, 100), a_move(2, 20))
    made.next_move(30.0)
    made.finished(a_move(2, 20), 21)
    assert made.next_move(30.0) is None
    made.open_window()
    assert names([made.next_move(HOUR)]) == ["t1"]


def test_the_grace_counts_for_the_worst_time_only():
    """Likely 101 s, at worst 127 s."""
    assert queue(a_move(1, 100), grace=30.0).next_move(102.0) is not None
    assert queue(a_move(1, 100), grace=30.0).next_move(100.0) is None
    assert queue(a_move(1, 100), grace=20.0).next_move(102.0) is None
    assert queue(a_move(1, 100), grace=0.0).next_move(102.0) is None


def test_a_table_longer_than_every_window_is_begun_only_if_asked_for_and_only_when_a_window_opens():
    huge, small = a_move(1, 3 * HOUR), a_move(2, 10)
    assert names(queue(huge, small, longest_window=HOUR).oversize()) == ["t1"]
    made = queue(huge, small, sessions=2, longest_window=HOUR, oversize=True)
    assert names([made.next_move(HOUR)]) == ["t2"]
    made.finished(small, 11)
    assert made.next_move(HOUR - 11) is None
    made.open_window()
    assert names([made.next_move(HOUR)]) == ["t1"]


def wide(spread: float) -> Rates:
    """Rates that are known only so well."""
    return Rates({storage: Rate(1000.0, spread, 50) for storage in Storage}, Rate(1000.0, spread, 50), overhead=1.0)


def test_a_table_that_fits_by_the_top_of_its_range_is_begun_when_the_longest_window_opens_and_not_later():
    """Likely 50 min, eight times in ten not over 57, in 200 cases one over 65."""
    made = MoveQueue([a_move(1, 3000)], WindowRules(1, longest_window=HOUR), wide(0.1))
    made.open_window()
    assert made.next_move(HOUR - 400) is None
    made.open_window()
    assert names([made.next_move(HOUR - 10)]) == ["t1"]


def test_a_table_that_may_need_more_than_any_window_waits_until_nothing_else_is_left():
    doubtful, small = a_move(1, 3000), a_move(2, 10)
    made = MoveQueue([doubtful, small], WindowRules(1, longest_window=HOUR), wide(0.3))
    made.open_window()
    assert names([made.next_move(HOUR)]) == ["t2"]
    made.finished(small, 11)
    assert made.next_move(HOUR - 11) is None  # its chance comes when a window opens
    made.open_window()
    assert names([made.next_move(HOUR)]) == ["t1"]
    assert not made.may_overrun(doubtful)


def test_tables_of_which_nothing_is_known_do_move():
    """Even if by the range of a mere supposition all of them might need more than any window."""
    moves = [a_move(number, 3000) for number in range(6)]
    rules = WindowRules(2, longest_window=HOUR)
    result = play(moves, nightly(1), rules, NOW, rates=wide(1.0), actual=lambda move: 3000.0)
    assert not result.never
    assert result.seconds_thrown_away == 0


def test_tables_that_are_joined_move_in_one_window():
    a, b = a_move(1, 1000, group="sales"), a_move(2, 1000, group="sales")
    made = queue(a, b, a_move(3, 500), longest_window=HOUR)
    assert names([made.next_move(1500.0)]) == ["t3"]
    made = queue(a, b, a_move(3, 500), longest_window=HOUR)
    assert names([made.next_move(2200.0)]) == ["t1"]


def test_a_move_that_failed_is_tried_again_behind_the_others_and_one_that_was_cancelled_in_the_next_window():
    first, second = a_move(1, 10), a_move(2, 10)
    made = queue(first, second)
    made.next_move(HOUR)
    made.set_aside(first)
    made.again(first)
    assert names([made.next_move(HOUR)]) == ["t2"]
    made.cancelled(second, 5.0)
    assert names([made.next_move(HOUR)]) == ["t1"]
    made.given_up(first)
    assert made.next_move(HOUR) is None
    made.open_window()
    assert names([made.next_move(HOUR)]) == ["t2"]


def test_a_move_that_is_cancelled_again_and_again_is_found_to_fit_no_window():
    move = a_move(1, 3000)
    result = play([move], nightly(1), WindowRules(1, longest_window=HOUR), NOW, rates=RATES, actual=lambda _: 9999.0)
    assert [attempt.done for attempt in result.attempts] == [False]
    assert result.never == [move]


def test_a_hundred_thousand_tables_are_looked_at_once_a_window():
    """Counted, not timed: each move is asked for its span a bounded number of times."""
    asked = 0

    class Counting(Rates):
        def expect(self, move):
            nonlocal asked
            asked += 1
            return super().expect(move)

    moves = [a_move(number, 1 + number % 7) for number in range(5000)]
    rates = Counting(RATES.tables, RATES.indexes, RATES.overhead)
    result = play(moves, nightly(2), WindowRules(4, longest_window=2 * HOUR), NOW, rates=rates)
    assert len(result.attempts) == 5000
    assert asked <= 5000 * (2 + 2 * len(result.windows))
