"""The list of tables as it is left for the pages: complete, small, and cheap to bring up to date."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.record import (
    CHUNK,
    LIST_KEY,
    NAMES_PREFIX,
    STATES,
    STATES_PREFIX,
    OtherList,
    TableList,
    TableRecord,
    chunks,
    encode_names,
    encode_states,
    head_of,
    letter,
    thin_out,
    windows_around,
)
from greenplum_expansion.planning.windows import Calendar, parse_rules


def leave(tables: list[TableRecord]) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for number, part in enumerate(chunks(tables)):
        left[f"{NAMES_PREFIX}{number}"] = encode_names(part)
        left[f"{STATES_PREFIX}{number}"] = encode_states(part)
    return {**left, LIST_KEY: head_of(tables)}


def many(count: int) -> list[TableRecord]:
    return [TableRecord(f"db{n % 3}", f"sales.orders_{n}", n * 8192) for n in range(count)]


records = st.builds(
    TableRecord,
    dbname=st.text(min_size=1),
    name=st.text(min_size=1),
    size=st.integers(0, 2**60),
    state=st.sampled_from(sorted(set(STATES.values()))),
    seconds=st.none() | st.integers(0, 10**6).map(lambda tenths: tenths / 10),
    failures=st.integers(0, 9),
    error=st.text(max_size=20),
    root=st.sampled_from(["", "sales.orders", 'sales."Ümläüt"']),
)


@given(st.lists(records, max_size=30))
def test_what_is_left_is_what_is_read(tables: list[TableRecord]) -> None:
    found = TableList.assemble(leave(tables).items())
    assert [found[number] for number in range(len(found))] == tables


def test_several_chunks_are_one_list_in_the_order_of_moves() -> None:
    tables = many(2 * CHUNK + 7)
    tables[CHUNK + 1] = replace(tables[CHUNK + 1], state="f", failures=5, error="canceling statement")
    found = TableList.assemble(leave(tables).items())
    assert len(found) == len(tables)
    assert found[CHUNK + 1] == tables[CHUNK + 1]
    assert found.failed == {CHUNK + 1: (5, "canceling statement")}


def test_a_list_is_brought_up_to_date_where_it_has_changed() -> None:
    before = many(2 * CHUNK + 7)
    before[3] = replace(before[3], state="f", failures=3, error="deadlock")
    before[CHUNK + 3] = replace(before[CHUNK + 3], state="f", failures=3, error="deadlock")
    after = list(before)
    after[CHUNK + 3] = replace(after[CHUNK + 3], state="c", seconds=2.0, failures=0, error="")
    after[-1] = replace(after[-1], state="r", failures=1, error="canceled")
    first, left = TableList.assemble(leave(before).items()), leave(after)
    now = first.with_states({key: left[key] for key in ("moved.1", "moved.2")})
    assert [now[number] for number in range(len(now))] == after
    assert [first[number] for number in range(len(first))] == before
    with pytest.raises(ValueError, match="7 names, but 5000 states are recorded"):
        first.with_states({"moved.2": left["moved.1"]})


def test_a_list_that_is_not_complete_yet_is_not_shown() -> None:
    left = leave(many(CHUNK + 1))
    assert not len(TableList.assemble((key, value) for key, value in left.items() if key != LIST_KEY))
    assert not len(TableList.assemble((key, value) for key, value in left.items() if key != f"{NAMES_PREFIX}1"))


def test_without_states_nothing_has_moved() -> None:
    left = leave([replace(table, state="c", seconds=1.0) for table in many(3)])
    del left[f"{STATES_PREFIX}0"]
    assert TableList.assemble(left.items()).states == "---"


def test_states_of_another_list_are_refused() -> None:
    left = {**leave(many(3)), f"{STATES_PREFIX}0": encode_states(many(4))}
    with pytest.raises(ValueError, match="3 names, but 4 states"):
        TableList.assemble(left.items())


def test_states_of_as_many_other_tables_are_refused_too() -> None:
    before = [replace(table, state="c") for table in many(3)]
    first, left = TableList.assemble(leave(before).items()), leave(before[::-1])
    with pytest.raises(OtherList, match="states of other tables"):
        TableList.assemble({**leave(before), "moved.0": left["moved.0"]}.items())
    with pytest.raises(OtherList, match="states of other tables"):
        first.with_states({"moved.0": left["moved.0"]})


def test_a_hundred_thousand_tables_are_some_megabytes_and_an_update_some_kilobytes() -> None:
    tables = many(100_000)
    names = sum(len(encode_names(part)) for part in chunks(tables))
    assert names < 2_500_000
    moved = [replace(table, state="c", seconds=float(number % 997)) for number, table in enumerate(tables)]
    assert max(len(encode_states(part)) for part in chunks(moved)) < 25_000


def test_an_unknown_word_counts_as_not_moved() -> None:
    assert letter("SOMETHING NEW") == "-"
    assert {letter(word) for word in STATES} == {"-", "m", "r", "f", "c", "g"}


@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 10**15)), max_size=600))
def test_a_line_is_thinned_out_but_keeps_its_ends(points: list[tuple[float, int]]) -> None:
    line = sorted(points)
    kept = thin_out(line)
    assert len(kept) <= 241
    assert kept == sorted(kept)
    assert (kept[:1], kept[-1:]) == (line[:1], line[-1:])


@given(
    st.integers(0, 400 * 86400),
    st.integers(0, 400 * 86400),
    st.sampled_from([[], ["22:00-06:00"], ["0 * * * * for 5m"]]),
)
def test_windows_around_a_moment_are_few_and_hold_it(first: int, later: int, rules: list[str]) -> None:
    calendar = Calendar(parse_rules(rules))
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=first)
    now = begin + timedelta(seconds=later)
    found = windows_around(calendar, begin, now)
    assert 1 <= len(found) <= 61
    assert found == sorted(found, key=lambda window: window[0] or 0.0)
    following = calendar.next_window(now)
    assert following is not None
    ends = following.end.timestamp() if following.has_end else None
    assert [ends] == [end for _, end in found if end is None or end > now.timestamp()][:1]
