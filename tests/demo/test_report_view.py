"""The demo exits 0 only if the report proves everything; each gap in it is told."""

import copy
import io
from typing import Any

import pytest
from rich.console import Console

from demo import progress_line, report_view
from demo.screen import Moves
from greenplum_expansion.planning.progress import Progress

REPORT: dict[str, Any] = {
    "expansion_id": "20261120T093000",
    "connection": "greenplum_default",
    "outcome": "complete",
    "segments": {
        "segments_before": 4,
        "segments_after": 8,
        "hosts_before": {"sdw1": 2, "sdw2": 2},
        "hosts_after": {"sdw1": 2, "sdw2": 2, "sdw3": 2, "sdw4": 2},
    },
    "proof": {
        "proven": True,
        "tables": 30,
        "rows": 1234567,
        "checksums": True,
        "differences": [],
        "appeared": [],
        "not_moved": [],
        "skew_before": {"worst_ratio": 1.02, "rows_by_content": {"0": 300, "1": 310, "2": 305, "3": 295}},
        "skew_after": {"worst_ratio": 1.01, "rows_by_content": {str(content): 150 for content in range(8)}},
    },
    "steps": [{"task_id": "add_segments", "seconds": 71.0, "outcome": "4 segments added"}],
    "failure": "",
    "next_action": "",
    "is_over": True,
    "is_proven": True,
}


def changed(path: str, value: Any) -> dict[str, Any]:
    report = copy.deepcopy(REPORT)
    *parents, last = path.split(".")
    place = report
    for parent in parents:
        place = place[parent]
    place[last] = value
    return report


def test_complete_report_is_proven() -> None:
    assert report_view.unproven(REPORT) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("outcome", "not cleaned up", "not cleaned up"),
        ("segments", None, "no segments were added"),
        ("segments.segments_after", 4, "4 segments before, 4 after"),
        ("segments.hosts_after.sdw4", 0, "host sdw4 has no segment"),
        ("proof", None, "nothing was compared"),
        ("proof.checksums", False, "no checksums compared"),
        ("proof.rows", 0, "nothing to compare"),
        ("proof.not_moved", ["demo.public.orders"], "demo.public.orders"),
        ("proof.differences", ["demo.public.orders: 10 rows before, 9 after"], "9 after"),
        ("is_proven", False, "calls itself not proven"),
    ],
)
def test_each_gap_is_told(path: str, value: Any, words: str) -> None:
    (sentence,) = report_view.unproven(changed(path, value))
    assert words in sentence


def test_report_shows_segments_proof_skew_and_time() -> None:
    output = io.StringIO()
    Console(file=output, width=110).print(report_view.render(REPORT))
    text = output.getvalue()
    for words in (
        "PROVEN",
        "sdw4",
        "1,234,567 rows",
        "fullest : average",
        "1.020",
        "add_segments",
        "1 min 11 s",
        "4 segments added",
    ):
        assert words in text


def test_line_of_progress_is_read_as_it_is_written() -> None:
    begin = Progress(0, 34, 0, 210 * 1024**2)
    now = Progress(12, 34, 80 * 1024**2, 210 * 1024**2, ("demo.public.orders",))
    line = f"Progress: {now.say(begin, 10)}"
    assert progress_line.parse(line) == Moves(12, 34, 80 * 1024**2, 210 * 1024**2)


def test_newest_progress_of_a_log_counts() -> None:
    lines = [
        "gpexpand: …",
        "Progress: 1 of 3 tables, 10 B of 30 B",
        "moving",
        "Progress: 2 of 3 tables, 20 B of 30 B",
        "x",
    ]
    assert progress_line.newest(lines) == Moves(2, 3, 20, 30)
    assert progress_line.newest(["nothing"]) is None
