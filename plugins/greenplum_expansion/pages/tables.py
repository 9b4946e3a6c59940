"""The tables of an expansion as the page shows them: searched, filtered, sorted, a page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

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

SORTS = {
    "order": "order of the moves",
    "name": "name",
    "size": "size, largest first",
    "smallest": "size, smallest first",
    "seconds": "time taken, longest first",
    "failures": "failures, most first",
}
"""What people read for each way to sort."""


@dataclass(frozen=True)
class Wanted:
    """What of the list is asked for.

    :param search: a part of database and name, or of the name of the partitioned table a leaf is of; upper and lower
        case are the same
    :param state: a letter of `WORDS`; empty: all
    :param sort: one of `SORTS`
    """

    search: str = ""
    state: str = ""
    sort: str = "order"
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
        numbers = [number for number in numbers if _is_named(tables, number, words)]
    found = len(numbers)
    pages = max(1, -(-found // ROWS))
    page = min(max(1, wanted.page), pages)
    numbers = _sorted(tables, numbers, wanted.sort)
    shown = numbers[(page - 1) * ROWS : page * ROWS]
    counts = Counter(tables.states)
    return Page(
        rows=tuple((number + 1, tables[number]) for number in shown),
        found=found,
        page=page,
        pages=pages,
        counts={letter: counts[letter] for letter in WORDS},
    )


def _is_named(tables: TableList, number: int, words: str) -> bool:
    if words in f"{tables.dbnames[number]}.{tables.names[number]}".lower():
        return True
    root = tables.roots[number]
    return bool(root) and words in f"{tables.dbnames[number]}.{root}".lower()


def _sorted(tables: TableList, numbers: Sequence[int], sort: str) -> Sequence[int]:
    """Equals stay in the order of the moves."""
    if sort == "name":
        return sorted(numbers, key=lambda number: (tables.dbnames[number], tables.names[number]))
    if sort == "size":
        return sorted(numbers, key=lambda number: -tables.sizes[number])
    if sort == "smallest":
        return sorted(numbers, key=lambda number: tables.sizes[number])
    if sort == "seconds":
        return sorted(numbers, key=lambda number: -(tables.seconds[number] or -1.0))
    if sort == "failures":
        return sorted(numbers, key=lambda number: -tables.failed.get(number, (0, ""))[0])
    return numbers
