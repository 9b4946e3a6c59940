"""The tables of an expansion as the page shows them: searched, filtered, sorted, a page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.planning.record import TableList, TableRecord

ROWS = 50
"""A page."""

WORDS = {
    "-": "waiting",
    "m": "moving",
    "r": "tried again",
    "f": "failed",
    "c": "moved",
    "g": "gone meanwhile",
}
"""What people read for each letter of a record."""

_SORTS: dict[str, Callable[[TableList, int], Any]] = {
    "order": lambda tables, number: number,
    "name": lambda tables, number: (tables.dbnames[number], tables.names[number]),
    "size": lambda tables, number: tables.sizes[number],
    "seconds": lambda tables, number: tables.seconds[number] or -1.0,
}
SORTS = tuple(_SORTS)


@dataclass(frozen=True)
class Wanted:
    """What of the list is asked for.

    :param search: a part of database and name; upper and lower case are the same
    :param state: a letter of `WORDS`; empty: all
    :param sort: one of `SORTS`
    """

    search: str = ""
    state: str = ""
    sort: str = "order"
    descending: bool = False
    page: int = 1


@dataclass(frozen=True)
class Page:
    """One page of what was asked for.

    :param rows: place in the order of moves, from 1, and the table
    :param counts: tables by state, of the whole list
    """

    rows: tuple[tuple[int, TableRecord], ...]
    found: int
    page: int
    pages: int
    counts: dict[str, int]


def select(tables: TableList, wanted: Wanted) -> Page:
    """One page of the list; the nearest one if there are fewer."""
    numbers: Sequence[int] = range(len(tables))
    if wanted.state:
        numbers = [number for number in numbers if tables.states[number] == wanted.state]
    if words := wanted.search.strip().lower():
        names, dbnames = tables.names, tables.dbnames
        numbers = [number for number in numbers if words in f"{dbnames[number]}.{names[number]}".lower()]
    found = len(numbers)
    pages = max(1, -(-found // ROWS))
    page = min(max(1, wanted.page), pages)
    if wanted.sort != "order":
        key = _SORTS.get(wanted.sort, _SORTS["order"])
        numbers = sorted(numbers, key=lambda number: key(tables, number), reverse=wanted.descending)
    elif wanted.descending:
        numbers = numbers[::-1]
    shown = numbers[(page - 1) * ROWS : page * ROWS]
    counts = Counter(tables.states)
    return Page(
        rows=tuple((number + 1, tables[number]) for number in shown),
        found=found,
        page=page,
        pages=pages,
        counts={letter: counts[letter] for letter in WORDS},
    )
