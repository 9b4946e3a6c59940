"""Searching, filtering, sorting and leafing through the list of tables."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.pages.tables import ROWS, SORTS, WORDS, Wanted, select
from greenplum_expansion.planning.record import STATES, TableList, TableRecord
from tests.unit.planning.test_record import leave


def listed(tables: list[TableRecord]) -> TableList:
    return TableList.assemble(leave(tables).items())


TABLES = [
    TableRecord("dwh", "sales.orders", 300, "c", 9.0),
    TableRecord("dwh", "sales.Lines", 100, "c", 20.0),
    TableRecord("dwh", "hr.people", 200, "f", None, 5, "deadlock"),
    TableRecord("stage", "sales.raw", 400),
]


def names(wanted: Wanted) -> list[str]:
    return [table.name for _, table in select(listed(TABLES), wanted).rows]


def test_the_order_of_the_moves_is_the_order_of_the_list() -> None:
    assert names(Wanted()) == ["sales.orders", "sales.Lines", "hr.people", "sales.raw"]
    assert [place for place, _ in select(listed(TABLES), Wanted()).rows] == [1, 2, 3, 4]


def test_search_finds_parts_of_database_and_name_whatever_their_case() -> None:
    assert names(Wanted(search="lines")) == ["sales.Lines"]
    assert names(Wanted(search=" STAGE.sales ")) == ["sales.raw"]
    assert names(Wanted(search="%")) == []


def test_status_and_sort() -> None:
    assert names(Wanted(state="f")) == ["hr.people"]
    assert names(Wanted(sort="size")) == ["sales.raw", "sales.orders", "hr.people", "sales.Lines"]
    assert names(Wanted(sort="name")) == ["hr.people", "sales.Lines", "sales.orders", "sales.raw"]
    assert names(Wanted(sort="seconds"))[:2] == ["sales.Lines", "sales.orders"]
    assert names(Wanted(sort="smallest"))[0] == "sales.Lines"
    assert names(Wanted(sort="failures")) == ["hr.people", "sales.orders", "sales.Lines", "sales.raw"]


def test_leaves_are_found_by_the_table_they_are_of() -> None:
    leaf = TableRecord("dwh", "sales.p2026", 1, root="sales.Orders")
    found = [table.name for _, table in select(listed([*TABLES, leaf]), Wanted(search="DWH.sales.orders")).rows]
    assert found == ["sales.orders", "sales.p2026"]


def test_counts_are_of_the_whole_list() -> None:
    counts = select(listed(TABLES), Wanted(search="raw")).counts
    assert counts == {"-": 1, "m": 0, "r": 0, "f": 1, "c": 2, "g": 0}
    assert set(WORDS) == set(STATES.values())


@given(st.integers(0, 3 * ROWS), st.integers(1, 10), st.sampled_from(sorted(SORTS)))
def test_pages_hold_everything_once(count: int, page: int, sort: str) -> None:
    tables = listed([replace(TABLES[number % 4], name=f"t{number}") for number in range(count)])
    first = select(tables, Wanted(sort=sort))
    everything = [
        table.name
        for number in range(1, first.pages + 1)
        for _, table in select(tables, Wanted(sort=sort, page=number)).rows
    ]
    assert sorted(everything) == sorted(tables.names)
    assert 1 <= select(tables, Wanted(page=page)).page <= first.pages
