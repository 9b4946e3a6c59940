"""Rates before anything has moved: history before hardware before a supposition, and each says what it is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.moves import Move, Rates, Storage, Volume
from greenplum_expansion.planning.rates import FinishedMove, Shape, Source, believe, learn_all

MIB = 1024 * 1024
SHAPE = Shape(segments_before=4, segments_after=8, old_hosts=2, new_hosts=2, mirrored=True, sessions=4)
HARDWARE = {
    "measured": True,
    "read_from_memory": True,
    "hosts": [
        {"hostname": "sdw3", "group": "new", "disk_write": 900.0, "disk_read": 9000.0, "network": 1000.0},
        {"hostname": "sdw1", "group": "existing", "disk_write": 120.0, "disk_read": 8000.0, "network": 900.0},
    ],
}


def past(rate: float, moves: int = 40, storage: Storage = Storage.HEAP, noise: float = 0.1) -> list[FinishedMove]:
    """Moves of an earlier expansion at so many MiB a second."""
    dice = random.Random(1)
    found = []
    for _ in range(moves):
        mib = dice.uniform(50, 2000)
        found.append(FinishedMove(storage, int(mib * MIB), 0, 0.2 + mib / rate * dice.lognormvariate(0, noise)))
    return found


@pytest.mark.parametrize("rate", [3, 60, 700])
def test_what_the_cluster_has_done_before_is_believed(rate):
    believed = believe(SHAPE, past(rate), HARDWARE)
    assert believed.rates.tables[Storage.HEAP].bytes_per_second == pytest.approx(rate * MIB, rel=0.15)
    assert believed.sources[Storage.HEAP] is Source.HISTORY
    assert "earlier expansions" in believed.because[0]


def test_a_class_that_never_moved_before_is_taken_from_the_hardware():
    believed = believe(SHAPE, past(60), HARDWARE)
    assert believed.sources[Storage.COMPRESSED] is Source.HARDWARE
    assert believed.rates.tables[Storage.COMPRESSED] == believe(SHAPE, [], HARDWARE).rates.tables[Storage.COMPRESSED]


@pytest.mark.parametrize("hardware", [None, {"measured": False, "why": "dry run"}, {"measured": True, "hosts": []}])
def test_without_any_measurement_it_says_so_and_the_range_is_wide(hardware):
    believed = believe(SHAPE, [], hardware)
    assert set(believed.sources.values()) == {Source.SUPPOSED}
    assert "not measured" in believed.because[0]
    span = believed.rates.expect_volumes({Storage.HEAP: Volume(10, 10_000 * MIB)})
    assert span.high / span.low > 10


def test_the_better_it_is_known_the_narrower_is_the_range():
    def width(*known: object) -> float:
        span = believe(SHAPE, *known).rates.expect_volumes({Storage.HEAP: Volume(10, 10_000 * MIB)})  # type: ignore[arg-type]
        return span.high / span.low

    assert width(past(60), None) < width([], HARDWARE) < width([], None)


def test_the_slowest_host_counts_and_reading_from_memory_does_not():
    fast = {**HARDWARE, "hosts": [HARDWARE["hosts"][0]]}  # type: ignore[index]
    slow, quick = (believe(SHAPE, [], known).rates.tables[Storage.HEAP] for known in (HARDWARE, fast))
    assert slow.bytes_per_second < quick.bytes_per_second / 4


def test_sessions_share_the_hosts():
    def together(sessions: int) -> float:
        shape = Shape(96, 120, 12, 3, True, sessions)
        return believe(shape, [], HARDWARE).rates.tables[Storage.HEAP].bytes_per_second * sessions

    assert together(16) == pytest.approx(together(8))


def test_many_small_tables_teach_little_of_how_fast_bytes_move():
    tiny = [FinishedMove(Storage.HEAP, 8192, 0, 0.3)] * 200
    believed = believe(SHAPE, tiny, None)
    assert believed.sources[Storage.HEAP] is Source.SUPPOSED
    assert believed.rates.overhead == pytest.approx(0.3, rel=0.2)


@given(st.floats(2, 800), st.sampled_from(Storage))
def test_learning_converges(rate, storage):
    learned = learn_all(Rates(), past(rate, 80, storage))
    assert learned.tables[storage].bytes_per_second == pytest.approx(rate * MIB, rel=0.2)
    assert learned.tables[storage].spread < 0.5


@given(st.lists(st.tuples(st.sampled_from(Storage), st.integers(0, 10**12), st.integers(0, 10**11), st.floats(0, 1e6))))
def test_whatever_the_history_says_rates_stay_positive(rows):
    believed = believe(SHAPE, [FinishedMove(*row) for row in rows], None)
    assert all(rate.bytes_per_second > 0 for rate in believed.rates.tables.values())
    assert believed.rates.overhead > 0


@given(st.lists(st.tuples(st.sampled_from(Storage), st.integers(0, 10**12), st.integers(0, 10**11)), min_size=1))
def test_sums_take_as_long_as_their_tables(rows):
    moves = [Move("d", number, "s.t", size, index, storage) for number, (storage, size, index) in enumerate(rows)]
    volumes: dict[Storage, Volume] = {}
    for move in moves:
        volumes[move.storage] = volumes.get(move.storage, Volume()) + Volume(1, move.bytes, move.index_bytes)
    assert Rates().expect_volumes(volumes).likely == pytest.approx(Rates().expect_all(moves).likely)
