"""What the log says while tables move."""

import pytest

from greenplum_expansion.planning.progress import Progress, human_seconds

MiB = 2**20


def progress(done: int, total: int, bytes_done: int, bytes_total: int, *moving: str) -> Progress:
    return Progress(done, total, bytes_done, bytes_total, moving)


def test_rows_of_the_status_table_are_summed_and_a_vanished_table_counts_as_done():
    rows = [
        {"status": "COMPLETED", "tables": 3, "bytes": 300},
        {"status": "NO LONGER EXISTS", "tables": 1, "bytes": 50},
        {"status": "IN PROGRESS", "tables": 2, "bytes": 200},
        {"status": "NOT STARTED", "tables": 4, "bytes": 400},
    ]
    assert Progress.from_rows(rows, ["d.s.t"]) == progress(4, 10, 350, 950, "d.s.t")


def test_the_line_gives_tables_bytes_rate_rest_and_names():
    line = progress(5, 10, 50 * MiB, 100 * MiB, "d.s.t").say(progress(0, 10, 0, 100 * MiB), 10.0)
    assert line == "5 of 10 tables, 50.0 MiB of 100.0 MiB, 5.0 MiB/s, about 10 s left, moving d.s.t"


def test_nothing_is_foretold_before_anything_has_moved():
    first = progress(0, 10, 0, 100)
    assert first.seconds_left(first, 5.0) is None
    assert first.say(first, 5.0) == "0 of 10 tables, 0 B of 100 B"


def test_tables_count_where_sizes_are_not_known():
    assert progress(5, 10, 0, 0).seconds_left(progress(0, 10, 0, 0), 20.0) == 20.0


def test_a_finished_redistribution_promises_no_rest():
    done = progress(10, 10, 100, 100)
    assert done.is_complete
    assert "left" not in done.say(progress(0, 10, 0, 100), 4.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600 * 3 + 1200, "3 h 20 min")]
)
def test_seconds_are_said_as_people_say_them(seconds, text):
    assert human_seconds(seconds) == text
