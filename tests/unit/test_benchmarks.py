"""The benchmarks run, at sizes that take no time; their goals are for those who run them whole."""

from __future__ import annotations

import pytest

from benchmarks import scale, windows


@pytest.mark.parametrize("calendar", windows.CALENDARS)
def test_windows_plays_both_planners_over_the_same_work(calendar, capsys):
    ours, theirs = windows.run(60, calendar, 1)
    assert ours.left == 0
    assert ours.overrun <= windows.GRACE
    assert ours.ratio <= theirs.ratio
    assert ours.thrown_away < theirs.thrown_away


def test_windows_has_no_table_that_could_not_move():
    calendar = windows.Calendar(windows.parse_rules(windows.CALENDARS["nights of 4 h"]))
    moves = windows.make_moves(50, 1.8, calendar, windows.random.Random(1))
    longest = max(move.bytes for move in moves) / windows._BYTES_PER_SECOND
    assert longest * (1 + windows.WRONG) < 4 * 3600


def test_windows_prints_a_line_for_each_planner_and_says_whether_the_goal_is_met(capsys):
    windows.main(["--tables", "40", "--trials", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 * len(windows.CALENDARS) + 1
    assert lines[-1].startswith("Goal: ")


def test_scale_times_every_part_that_has_a_goal(capsys):
    assert [part.name for part in scale.run(300, 100)] == list(scale.GOALS)
    scale.main(["--tables", "300", "--segments", "100"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("Goals, 300 MB included: ")
