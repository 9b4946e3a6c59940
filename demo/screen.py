"""What the demo shows while it works: one live picture on a terminal, a line a change anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.airflow_api import TaskInstance

# state of a task: (sign, style, word for people)
_SIGNS = {
    "success": ("✓", "green", "done"),
    "failed": ("✗", "bold red", "failed"),
    "skipped": ("–", "dim", "skipped"),
    "upstream_failed": ("–", "red", "not reached"),
    "running": ("▸", "bold cyan", "running"),
    "deferred": ("▸", "cyan", "running, watched"),
    "awaiting_input": ("?", "bold yellow", "waits for a person"),
    "up_for_retry": ("↻", "yellow", "will be tried again"),
    "up_for_reschedule": ("↻", "cyan", "looks again soon"),
    "queued": ("·", "", "queued"),
    "scheduled": ("·", "", "next"),
}
_WAITING = ("·", "dim", "")
_QUIET = frozenset({"success", "skipped"})


@dataclass(frozen=True)
class Moves:
    """How far the redistribution is; bytes are None where nothing measured them."""

    tables_done: int
    tables: int
    bytes_done: int | None = None
    bytes: int | None = None


@dataclass
class Preparation:
    """One of the things that are made ready at the same time: what it does now, and how long it has taken."""

    name: str
    text: str = ""
    done: bool = False
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None

    def finish(self, text: str) -> None:
        """It is ready."""
        self.text, self.done, self.seconds = text, True, time.monotonic() - self.began


@dataclass
class Board:
    """All there is to show."""

    preparations: list[Preparation] = field(default_factory=list)
    tasks: list[TaskInstance] = field(default_factory=list)
    moves: Moves | None = None
    outcomes: dict[str, str] = field(default_factory=dict)  # name of a task that is done: what came of it


class Screen(Protocol):
    """Shows a board; `update` is cheap and may be called at any time."""

    def update(self, board: Board) -> None: ...


@contextmanager
def screen(console: Console, *, live: bool) -> Iterator[Screen]:
    """The screen that fits: a live picture, or plain lines."""
    if not live:
        yield PlainScreen(console)
        return
    with Live(console=console, refresh_per_second=4, transient=True) as display:
        yield LiveScreen(console, display)


def seconds(value: float) -> str:
    """As short as it can be read: ``8 s``, ``2 min 05 s``."""
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def size(value: float) -> str:
    """Bytes in binary units: ``512 B``, ``1.5 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def task_seconds(task: TaskInstance) -> float | None:
    """How long a task has run, or ran; None before it started."""
    if task.started is None:
        return None
    return ((task.ended or datetime.now(UTC)) - task.started).total_seconds()


class PlainScreen:
    """For pipes and logs: each change once, no control characters."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._said: dict[str, str] = {}

    def update(self, board: Board) -> None:
        """Print what is new since the last time."""
        for preparation in board.preparations:
            ready = f"{preparation.text} ({seconds(preparation.seconds or 0)})"
            self._say(
                f"preparation {preparation.name}", preparation.name, ready if preparation.done else preparation.text
            )
        for task in board.tasks:
            if task.state in (None, "scheduled", "queued"):
                continue
            text = _SIGNS.get(task.state or "", _WAITING)[2]
            if task.state == "success":
                text = board.outcomes.get(task.name) or text
                text += f" ({seconds(task.seconds or 0)})"
            self._say(f"task {task.task_id} {task.map_index}", task.name, text)
        if board.moves:
            self._say("moves", "tables", moves_text(board.moves))

    def _say(self, key: str, name: str, text: str) -> None:
        if text and self._said.get(key) != text:
            self._said[key] = text
            elapsed = time.monotonic() - self._began
            self._console.print(f"[{elapsed:4.0f} s] {name}: {text}", markup=False, highlight=False, soft_wrap=True)


class LiveScreen:
    """For terminals: one picture that is drawn over itself."""

    def __init__(self, console: Console, display: Live) -> None:
        self._console = console
        self._display = display
        self._began = time.monotonic()

    def update(self, board: Board) -> None:
        """Draw the board."""
        self._display.update(self._picture(board))

    def _picture(self, board: Board) -> RenderableType:
        parts: list[RenderableType] = [Text(f"Expanding from two to four hosts  {self._elapsed()}", style="bold")]
        rows = _grid()
        for preparation in board.preparations:
            took = preparation.seconds or time.monotonic() - preparation.began
            sign, style, _ = _SIGNS["success" if preparation.done else "running"]
            rows.add_row(
                Text(sign, style), Text(preparation.name), Text(seconds(took), "dim"), Text(preparation.text, "dim")
            )
        parts.append(rows)
        if board.tasks:
            room = max(self._console.size.height - len(board.preparations) - 8, 5)
            parts += [Text(""), self._tasks(board, room)]
        if board.moves:
            parts += [Text(""), self._bar(board.moves)]
        return Group(*parts)

    def _elapsed(self) -> str:
        return seconds(time.monotonic() - self._began)

    def _tasks(self, board: Board, room: int) -> Table:
        """All tasks if they fit; else what is done and what is far away shrinks to a line each."""
        rows = _grid()
        shown, before, after = fit(board.tasks, room)
        if before:
            rows.add_row(Text("✓", "green"), Text(f"{before} tasks done", "dim"))
        for task in shown:
            sign, style, word = _SIGNS.get(task.state or "", _WAITING)
            took = task_seconds(task)
            note = board.outcomes.get(task.name, "") if task.state == "success" else word
            rows.add_row(
                Text(sign, style),
                Text(task.name, style if task.state != "success" else ""),
                Text(seconds(took) if took is not None else "", "dim"),
                Text(note, "dim"),
            )
        if after:
            rows.add_row(Text("·", "dim"), Text(f"{after} more to come", "dim"))
        return rows

    def _bar(self, moves: Moves) -> Table:
        bar = Table.grid(padding=(0, 1))
        if moves.bytes:
            total, done = float(moves.bytes), float(moves.bytes_done or 0)
        else:
            total, done = float(moves.tables or 1), float(moves.tables_done)
        bar.add_row(Text("tables"), ProgressBar(total=total, completed=min(done, total), width=40), moves_text(moves))
        return bar


def _grid() -> Table:
    """Sign, name, time, and a note that is cut where the terminal ends: a line each, whatever it says."""
    grid = Table.grid(padding=(0, 1))
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    return grid


def moves_text(moves: Moves) -> str:
    """``12 of 34 tables, 80.1 MiB of 210.0 MiB``."""
    text = f"{moves.tables_done} of {moves.tables} tables"
    if moves.bytes:
        text += f", {size(moves.bytes_done or 0)} of {size(moves.bytes)}"
    return text


def fit(tasks: list[TaskInstance], room: int) -> tuple[list[TaskInstance], int, int]:
    """Which tasks to show in `room` lines: (shown, how many done ones above, how many waiting ones below)."""
    if len(tasks) <= room:
        return tasks, 0, 0
    first = next((i for i, task in enumerate(tasks) if task.state not in _QUIET), len(tasks))
    start = max(0, first - 2)  # two that are done, for the look of it
    if start == 0:
        return tasks[: room - 1], 0, len(tasks) - room + 1
    if len(tasks) - start <= room - 1:
        start = len(tasks) - room + 1
        return tasks[start:], start, 0
    return tasks[start : start + room - 2], start, len(tasks) - start - room + 2
