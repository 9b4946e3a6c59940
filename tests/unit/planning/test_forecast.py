"""The forecast keeps what it says: no table in a window it does not fit, ranges around points, bytes that add up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.forecast import (
    MOST,
    PREVIEWED,
    DiskPeak,
    Forecast,
    Question,
    forecast,
    play_likely,
    preview,
)
from greenplum_expansion.planning.forecast_text import Happened, compared, one_line, preview_lines, sections
from greenplum_expansion.planning.moves import Move, Storage, Volume
from greenplum_expansion.planning.rates import Shape, believe
from greenplum_expansion.planning.scheduler import WindowRules
from greenplum_expansion.planning.section import Section, render_section
from greenplum_expansion.planning.windows import Calendar, parse_rules

MIB = 1024 * 1024
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NIGHTS = Calendar(parse_rules(["22:00-04:00"]))
SHAPE = Shape(segments_before=4, segments_after=8, old_hosts=2, new_hosts=2, mirrored=True, sessions=4)
NOT_MEASURED = believe(SHAPE, [], None)


def tables(*mib: float, index: float = 0.0) -> list[Move]:
    """Of these sizes, of all storage classes in turn."""
    kinds = list(Storage)
    return [
        Move("demo", number, f"public.t{number}", int(size * MIB), int(size * index * MIB), kinds[number % 3])
        for number, size in enumerate(mib, start=1)
    ]


def question(moves: list[Move], calendar: Calendar = NIGHTS, sessions: int = 4, **given: object) -> Question:
    rules = WindowRules(sessions, grace=600.0, longest_window=calendar.longest_seconds(NOW), oversize=False)
    return Question(moves, calendar, rules, NOW, NOT_MEASURED, **given)  # type: ignore[arg-type]


sizes = st.lists(st.floats(0.01, 3_000_000), max_size=40)


@given(sizes, st.integers(1, 8))
def test_no_table_is_promised_in_a_window_it_does_not_fit(mib, sessions):
    asked = question(tables(*mib), sessions=sessions)
    windows = list(play_likely(asked).windows)
    for table in preview(asked, play_likely(asked)):
        if table.starts is None:
            assert table.ends is None
            assert table.window == 0
            continue
        window = windows[table.window - 1]
        assert window.start.timestamp() <= table.starts
        assert table.starts + table.likely <= window.end.timestamp() + 0.001


@given(sizes, st.booleans())
def test_every_range_contains_its_point(mib, by_gpexpand):
    made = forecast(question(tables(*mib, index=0.3), by_gpexpand=by_gpexpand))
    for one in (*made.classes, *made.largest, *made.preview):
        assert one.low <= one.likely <= one.high
    if not (made.best.never or made.likely.never or made.worst.never):
        assert made.best.seconds <= made.likely.seconds * 1.001 <= made.worst.seconds * 1.002
        assert made.best.windows <= made.likely.windows <= made.worst.windows
        assert (made.best.ends or 0) <= (made.likely.ends or 0) + 0.001 <= (made.worst.ends or 0) + 0.002


@given(sizes)
def test_bytes_and_tables_add_up(mib):
    moves = tables(*mib, index=0.2)
    made = forecast(question(moves))
    classes = [one for one in made.classes if one.name != "indexes"]
    assert sum(one.tables for one in classes) == made.tables == len(moves)
    assert sum(one.bytes for one in classes) == made.bytes == sum(move.bytes for move in moves)
    assert sum(one.bytes for one in made.classes if one.name == "indexes") == made.index_bytes
    played = play_likely(question(moves))
    assert made.likely.never + len({attempt.move.key for attempt in played.attempts if attempt.done}) == len(moves)


@given(sizes)
def test_it_comes_through_json_as_it_was(mib):
    moves = tables(*mib)
    roots = {move.key: f"public.root{move.table_oid % 3}" for move in moves[::2]}
    made = forecast(question(moves, roots=roots), digest="abc", disks=[DiskPeak("sdw1", "/data", 10, 20, 2, 0)])
    assert Forecast.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_however_many_tables_there_are_it_stays_small():
    made = forecast(question(tables(*[1.0] * 3000)))
    assert len(made.largest) == MOST
    assert len(made.preview) == PREVIEWED
    assert len(json.dumps(made.to_dict())) < 64 * 1024


def test_what_fits_no_window_is_named_with_what_to_do():
    made = forecast(question(tables(10_000_000, 10, 20)))
    assert [table.name for table in made.never] == ["demo.public.t1"]
    assert made.likely.never == 1
    [section] = [one for one in sections(made) if one.title == "Tables that fit no window"]
    assert section.lines[0].startswith("1 tables, 9.5 TiB, stay where they are")
    assert "choose that they move in a window of their own" in section.lines[1]


def test_what_its_range_alone_keeps_out_of_every_window_is_counted():
    rate = NOT_MEASURED.rates.tables[Storage.APPEND_OPTIMIZED].bytes_per_second / MIB
    made = forecast(question(tables(rate * 3 * 3600)))  # three hours, or eleven; the window has six
    assert made.likely.never == 0
    assert made.doubtful == 1


def test_a_table_for_which_the_last_window_is_too_early_stays():
    calendar = Calendar(NIGHTS.rules, last_end=NOW + timedelta(hours=11))
    made = forecast(question(tables(1, 500_000), calendar))
    assert made.likely.never == 1
    assert made.likely.windows == 1


def test_gpexpand_never_ends_a_table_longer_than_its_windows():
    made = forecast(question(tables(10_000_000, 10, 20), by_gpexpand=True))
    assert [table.name for table in made.never] == ["demo.public.t1"]


def test_another_plan_changes_disks_and_nothing_else():
    made = forecast(question(tables(1, 2)), digest="a")
    peaks = (DiskPeak("sdw3", "/data", 5, 6, 0, 2),)
    edited = made.for_plan("b", peaks)
    assert (edited.digest, edited.disks) == ("b", peaks)
    assert edited.classes == made.classes


def test_leaf_partitions_are_counted_by_their_root():
    moves = tables(1, 2, 3, 4)
    roots = {moves[0].key: "s.a", moves[1].key: "s.a", moves[2].key: "s.b"}
    made = forecast(question(moves, roots=roots))
    assert (made.roots, made.leaves) == (2, 3)
    assert [(one.name, one.leaves, one.bytes) for one in made.partitioned] == [
        ("demo.s.a", 2, 3 * MIB),
        ("demo.s.b", 1, 3 * MIB),
    ]


@pytest.mark.parametrize("moves", [[], tables(1), tables(10_000_000), tables(*range(1, 60), index=0.5)])
def test_the_text_can_be_shown_whatever_there_is_to_move(moves):
    made = forecast(question(moves), disks=[DiskPeak("sdw1", "/data", 10, 20, 2, 0)])
    for section in sections(made):
        assert render_section(Section.from_dict(section.to_dict()))
        assert all(len(row) == len(section.columns) for row in section.rows)
    assert len(list(preview_lines(made.preview, made.zone))) == len(made.preview)
    assert one_line(made)


def test_it_says_that_nothing_was_measured():
    [first, *_] = sections(forecast(question(tables(1))))
    assert "not measured" in first.lines[-1]


def test_at_the_end_it_is_shown_beside_what_happened():
    made = forecast(question(tables(100, 100, 100)))
    happened = Happened(
        volumes={"heap": (Volume(1, 100 * MIB), 50.0)},
        windows=1,
        began=NOW.timestamp(),
        ended=NOW.timestamp() + 50,
        failed=1,
        left=1,
    )
    section = compared(made, happened)
    rows = {row[0]: row for row in section.rows}
    assert rows["heap"][:6] == ("heap", "1", "1", "100.0 MiB", "100.0 MiB", "2.0 MiB/s")
    assert rows["compressed"][:6] == ("compressed", "0", "1", "0 B", "100.0 MiB", "")
    assert "1 tables failed, 1 more have not moved." in section.lines
    assert all(len(row) == len(section.columns) for row in section.rows)


def test_the_windows_of_the_worst_case_are_told_for_a_picture() -> None:
    made = forecast(question(tables(*[200_000] * 12)))
    assert len(made.windows) == max(made.likely.windows, made.worst.windows)
    assert made.windows[0] == (NOW.timestamp() + 10 * 3600, NOW.timestamp() + 16 * 3600)
    assert forecast(question(tables(1), Calendar())).windows == ((NOW.timestamp(), None),)
    assert Forecast.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    older = {name: value for name, value in made.to_dict().items() if name != "windows"}
    assert Forecast.from_dict(older).windows == ()
