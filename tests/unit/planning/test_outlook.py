"""While tables move: how much is left, in which windows, and until when."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.moves import Rate, Rates, Storage, Volume
from greenplum_expansion.planning.outlook import Standing, look_ahead, say, say_rates, to_dict
from greenplum_expansion.planning.windows import Calendar, parse_rules

MIB = 1024 * 1024
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NIGHTS = Calendar(parse_rules(["22:00-04:00"]))
KNOWN = Rates({storage: Rate(10 * MIB, 0.1, 50) for storage in Storage}, Rate(10 * MIB, 0.1, 50), 0.1)


def row(status: str, tables: int, mib: float, storage: Storage = Storage.HEAP) -> dict[str, object]:
    size = int(mib * MIB)
    return {"status": status, "storage": storage.value, "tables": tables, "bytes": size, "index_bytes": 0}


def left(hours: float) -> Standing:
    """So much that one session at 10 MiB/s needs."""
    return Standing.from_rows([row("NOT STARTED", 1, hours * 36000)])


def test_tables_are_told_apart_by_what_became_of_them():
    rows = [
        row("COMPLETED", 3, 30),
        row("NO LONGER EXISTS", 1, 5),
        row("IN PROGRESS", 2, 20),
        row("NOT STARTED", 4, 40, Storage.COMPRESSED),
        row("WITH PARENT", 1, 10),
        row("FAILED", 2, 2),
    ]
    standing = Standing.from_rows(rows)
    assert [volume.tables for volume in (standing.done, standing.moving, standing.pending, standing.failed)] == [
        *(4, 2, 5, 2)
    ]
    assert standing.left == {Storage.HEAP: Volume(3, 30 * MIB), Storage.COMPRESSED: Volume(4, 40 * MIB)}
    assert standing.total == Volume(13, 107 * MIB)


def test_what_does_not_fit_tonight_ends_in_a_later_night():
    ahead = look_ahead(left(8), KNOWN, NIGHTS, 1, NOW)
    assert ahead.windows == (2, 2, 2)
    assert ahead.ends[1] is not None
    assert abs(ahead.ends[1] - datetime(2026, 11, 22, 0, tzinfo=UTC)) < timedelta(minutes=1)


def test_sessions_share_the_work():
    assert look_ahead(left(8), KNOWN, NIGHTS, 2, NOW).windows == (1, 1, 1)


def test_in_the_middle_of_a_window_only_its_rest_counts():
    assert look_ahead(left(4), KNOWN, NIGHTS, 1, NOW.replace(day=21, hour=1)).windows == (2, 2, 2)


def test_without_windows_it_goes_on_until_it_is_done():
    ahead = look_ahead(left(8), KNOWN, Calendar(), 1, NOW)
    assert ahead.windows is None
    assert ahead.ends[1] is not None
    assert ahead.ends[1] - NOW > timedelta(hours=7)


def test_when_no_window_suffices_it_says_so():
    calendar = Calendar(NIGHTS.rules, last_end=NOW + timedelta(days=1))
    standing = left(80)
    ahead = look_ahead(standing, KNOWN, calendar, 1, NOW)
    assert ahead.ends == (None, None, None)
    assert "in more windows than come" in say(standing, ahead, None)


@given(st.floats(0, 400), st.integers(1, 16))
def test_the_range_contains_the_point(hours, sessions):
    ahead = look_ahead(left(hours), Rates(), NIGHTS, sessions, NOW)
    assert ahead.left.low <= ahead.left.likely <= ahead.left.high
    assert ahead.windows is not None
    assert list(ahead.windows) == sorted(ahead.windows)


def test_the_line_and_what_pages_get_say_the_same():
    rows = [row("COMPLETED", 3, 300), row("NOT STARTED", 4, 36000), row("FAILED", 2, 2)]
    standing = Standing.from_rows(rows, ["demo.public.a"])
    ahead = look_ahead(standing, KNOWN, NIGHTS, 1, NOW)
    line = say(standing, ahead, 12.0 * MIB)
    assert line.startswith("3 of 9 tables, 300.0 MiB of 35.5 GiB, 2 failed, 12.0 MiB/s, about 60 min of moving left (")
    assert line.endswith("), in 1 window, done about 2026-11-20 23:00 UTC, moving demo.public.a")
    told = json.loads(json.dumps(to_dict(standing, ahead, KNOWN, 12.0 * MIB, NOW)))
    assert told["tables"] == {"done": 3, "moving": 0, "pending": 4, "failed": 2}
    assert told["windows_left"] == [1, 1, 1]


def test_at_the_end_nothing_more_is_promised():
    standing = Standing.from_rows([row("COMPLETED", 3, 300)])
    ahead = look_ahead(standing, KNOWN, NIGHTS, 1, NOW)
    assert say(standing, ahead, None) == "3 of 3 tables, 300.0 MiB of 300.0 MiB"


def test_what_was_learned_is_said_by_class_and_only_what_was_learned():
    rates = Rates({**Rates().tables, Storage.HEAP: Rate(10 * MIB, 0.1, 5)}, overhead=0.25)
    assert say_rates(rates) == "heap 10.0 MiB/s a session, 0.25 s for each table"
    assert say_rates(Rates()) == "0.2 s for each table"
