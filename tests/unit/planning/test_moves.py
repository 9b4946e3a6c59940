"""Forecasts: wide while nothing is known, right and narrow after some moves, honest about what they are."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.moves import Move, Rates, Span, Storage

MIB = 1024 * 1024


def move(mib: float, index_mib: float = 0, storage: Storage = Storage.HEAP, number: int = 1) -> Move:
    return Move("demo", number, "public.t", int(mib * MIB), int(index_mib * MIB), storage)


def taught(rates: Rates, megabytes_a_second: float, moves: int = 60, noise: float = 0.1, seed: int = 1) -> Rates:
    dice = random.Random(seed)
    for _ in range(moves):
        one = move(dice.uniform(50, 2000))
        rates = rates.learn(one, 0.2 + one.bytes / MIB / megabytes_a_second * dice.lognormvariate(0, noise))
    return rates


@given(st.floats(0, 1e6), st.floats(0, 1e5), st.sampled_from(Storage))
def test_low_is_below_likely_is_below_high(mib, index_mib, storage):
    span = Rates().expect(move(mib, index_mib, storage))
    assert 0 < span.low < span.likely < span.high


@pytest.mark.parametrize("rate", [5, 60, 400])
def test_after_some_moves_the_forecast_is_right_and_narrow(rate):
    span = taught(Rates(), rate).expect(move(1000))
    assert span.likely == pytest.approx(1000 / rate, rel=0.15)
    assert span.high / span.low < 2


def test_what_nobody_has_measured_has_a_wide_range():
    span = Rates().expect(move(1000))
    assert span.high / span.low > 6


def test_noisy_moves_keep_the_range_wide():
    assert _width(taught(Rates(), 60, noise=0.8)) > 2 * _width(taught(Rates(), 60, noise=0.1))


def test_eight_times_in_ten_the_real_time_is_in_the_range():
    rates = taught(Rates(), 60, moves=200, noise=0.3)
    dice = random.Random(7)
    inside = 0
    for _ in range(500):
        span = rates.expect(move(500))
        inside += span.low <= 0.2 + 500 / 60 * dice.lognormvariate(0, 0.3) <= span.high
    assert 350 <= inside <= 450


def test_one_storage_class_teaches_nothing_about_another():
    rates = taught(Rates(), 400)
    assert rates.tables[Storage.COMPRESSED] == Rates().tables[Storage.COMPRESSED]


def test_tiny_tables_teach_what_a_move_costs_whatever_its_size():
    rates = Rates()
    for _ in range(100):
        rates = rates.learn(move(0), 0.03)
    assert rates.overhead == pytest.approx(0.03, rel=0.2)


def test_indexes_have_a_rate_of_their_own():
    rates = Rates()
    for _ in range(100):
        rates = rates.learn(move(0, 300), 0.2 + 300 / 10)
    assert rates.expect(move(0, 600)).likely == pytest.approx(60, rel=0.15)


def test_the_errors_of_many_moves_even_out_but_not_that_of_their_rate():
    rates = taught(Rates(), 60, noise=0.5)
    moves = [move(100, number=number) for number in range(100)]
    together, added = rates.expect_all(moves), sum((rates.expect(m) for m in moves), Span(0, 0, 0))
    assert together.likely == pytest.approx(added.likely)
    assert together.high / together.low < added.high / added.low
    guessed = Rates().expect_all(moves)
    assert guessed.high / guessed.low > 3
    assert Rates().expect_all([]) == Span(0, 0, 0)


def test_what_was_learned_is_kept_for_the_next_window():
    rates = taught(Rates(), 123)
    assert Rates.from_dict(rates.to_dict()) == rates


@pytest.mark.parametrize("data", [{}, {"tables": 1, "indexes": [], "overhead": 1}])
def test_a_file_that_is_no_rates_is_refused(data):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Rates.from_dict(data)


def _width(rates: Rates) -> float:
    span = rates.expect(move(1000))
    return span.high / span.low
