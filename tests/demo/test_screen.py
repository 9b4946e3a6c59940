"""What the demo shows: everything on a terminal that is high enough, only changes in a log."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from demo.airflow_api import TaskInstance
from demo.screen import Board, LiveScreen, Moves, PlainScreen, Preparation, fit, moves_text, seconds, size

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def task(name: str, state: str | None, took: float | None = None) -> TaskInstance:
    ended = NOON + timedelta(seconds=took) if took is not None else None
    return TaskInstance(name, -1, state, 1, NOON if took is not None else None, ended, None)


def test_durations_and_sizes_are_short() -> None:
    assert [seconds(8.4), seconds(60), seconds(125)] == ["8 s", "1 min 00 s", "2 min 05 s"]
    assert [size(512), size(1536), size(5 * 1024**4)] == ["512 B", "1.5 KiB", "5.0 TiB"]


def test_moves_are_counted_and_bytes_told_where_they_are_known() -> None:
    assert moves_text(Moves(3, 30)) == "3 of 30 tables"
    assert moves_text(Moves(3, 30, 1024, 4096)) == "3 of 30 tables, 1.0 KiB of 4.0 KiB"


@pytest.mark.parametrize("done", range(21))
def test_tasks_that_do_not_fit_shrink_to_a_line_above_and_below(done: int) -> None:
    tasks = [task(f"t{i}", "success" if i < done else None) for i in range(20)]
    shown, before, after = fit(tasks, 8)
    assert before + len(shown) + after == 20
    assert len(shown) + bool(before) + bool(after) <= 8
    if done < 20:
        assert tasks[done] in shown, "what happens now is always seen"


def test_plain_screen_tells_a_change_once() -> None:
    output = io.StringIO()
    plain = PlainScreen(Console(file=output, width=200))
    board = Board([Preparation("Airflow", "starting")], [task("check_cluster", "running"), task("report", None)])
    plain.update(board)
    plain.update(board)
    board.preparations[0].finish("up")
    board.tasks[0] = task("check_cluster", "success", 3)
    board.moves = Moves(1, 2)
    plain.update(board)
    plain.update(board)
    lines = [line.split("] ", 1)[1] for line in output.getvalue().splitlines()]
    assert lines == [
        "Airflow: starting",
        "check_cluster: running",
        "Airflow: up (0 s)",
        "check_cluster: done (3 s)",
        "tables: 1 of 2 tables",
    ]


def test_live_picture_names_what_runs_and_how_far_the_tables_are() -> None:
    console = Console(file=io.StringIO(), width=100, height=40)
    board = Board(tasks=[task("make_plan", "success", 2), task("redistribute", "deferred")], moves=Moves(7, 30, 10, 40))
    with console.capture() as capture:
        console.print(LiveScreen(console, None)._picture(board))  # type: ignore[arg-type]
    assert "redistribute" in capture.get()
    assert "7 of 30 tables" in capture.get()
