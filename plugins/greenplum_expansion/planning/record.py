"""The list of tables as it is left in Airflow for the pages: once as a whole, then only what changed.

A hundred thousand tables are some megabytes of names that stay, and a letter each that changes. So names and sizes are
left once, in compressed chunks of some thousand tables in the order of their moves; what changes stands in a second,
small chunk beside each. As tables move in that order, an update concerns one or two of them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from greenplum_expansion.planning.windows import Calendar, Window

CHUNK = 5000
"""Tables a chunk: some 60 kB of names, and at most 20 kB of what became of them."""

LIST_KEY = "tables"
"""How many there are, and in how many chunks; left behind the names, so whoever sees it sees them all."""
NAMES_PREFIX = "tables."
STATES_PREFIX = "moved."
MOVES_KEY = "moves"
"""Sessions that move, how many bytes had moved when, and the windows: ``{at, sessions, points, windows}``."""

STATES = {
    "NOT STARTED": "-",
    "PENDING": "-",
    "WITH PARENT": "-",
    "IN PROGRESS": "m",
    "RETRYING": "r",
    "FAILED": "f",
    "COMPLETED": "c",
    "NO LONGER EXISTS": "g",
}
"""Words of gpexpand's list and of the history, and the letter of each."""
_LONGEST_ERROR = 300  # characters kept of one; the whole is in the log and in the history


@dataclass(frozen=True, slots=True)
class TableRecord:
    """One table.

    :param size: bytes to move, as measured in preparation
    :param state: a letter of `STATES`
    :param seconds: its move took; None if it has not ended
    :param failures: how often a move of it failed; `error` is the last one's
    :param root: the partitioned table it is a leaf of; empty if it is none, or as long as nobody has looked
    """

    dbname: str
    name: str
    size: int
    state: str = "-"
    seconds: float | None = None
    failures: int = 0
    error: str = ""
    root: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.dbname}.{self.name}"


def letter(status: str) -> str:
    """Of a word in gpexpand's list; one that is not known counts as not moved."""
    return STATES.get(status, "-")


def chunks(tables: Sequence[TableRecord]) -> Iterator[Sequence[TableRecord]]:
    """The tables, cut as they are left."""
    for begin in range(0, len(tables), CHUNK):
        yield tables[begin : begin + CHUNK]


def encode_names(tables: Sequence[TableRecord]) -> str:
    """What of a chunk stays as it is."""
    databases = list(dict.fromkeys(table.dbname for table in tables))
    place = {dbname: number for number, dbname in enumerate(databases)}
    roots = list(dict.fromkeys(["", *(table.root for table in tables)]))
    root_place = {root: number for number, root in enumerate(roots)}
    columns = {
        "databases": databases,
        "database": [place[table.dbname] for table in tables],
        "name": [table.name for table in tables],
        "size": [table.size for table in tables],
    }
    if len(roots) > 1:
        columns |= {"roots": roots, "root": [root_place[table.root] for table in tables]}
    return _pack(columns)


def encode_states(tables: Sequence[TableRecord]) -> str:
    """What of a chunk changes; with a mark of the tables it is of, as it is left beside their names, not with them."""
    columns = {
        "of": _mark([table.dbname for table in tables], [table.name for table in tables]),
        "state": "".join(table.state for table in tables),
        "seconds": [None if table.seconds is None else round(table.seconds, 1) for table in tables],
        "failed": {
            str(number): [table.failures, table.error[:_LONGEST_ERROR]]
            for number, table in enumerate(tables)
            if table.failures or table.error
        },
    }
    return _pack(columns)


class OtherList(ValueError):
    """States and names are of different lists: one is being left anew."""


class TableList:
    """All tables, column by column: a hundred thousand objects would take seconds to make.

    :ivar states: a letter of `STATES` a table
    :ivar failed: by number of a table how often a move of it failed, and the last error
    """

    def __init__(self) -> None:
        self.dbnames: list[str] = []
        self.names: list[str] = []
        self.roots: list[str] = []
        self.sizes: list[int] = []
        self.states = ""
        self.seconds: list[float | None] = []
        self.failed: dict[int, tuple[int, str]] = {}

    @classmethod
    def assemble(cls, left: Iterable[tuple[str, Any]]) -> TableList:
        """From what was left under the keys above; empty if the list is not complete (yet).

        :raises OtherList: names and states are of different lists
        """
        values = dict(left)
        tables = cls()
        head = values.get(LIST_KEY)
        if not head or any(f"{NAMES_PREFIX}{number}" not in values for number in range(head["chunks"])):
            return tables
        for number in range(head["chunks"]):
            tables._add(values[f"{NAMES_PREFIX}{number}"], values.get(f"{STATES_PREFIX}{number}"))
        return tables

    def _add(self, names: str, states: str | None) -> None:
        fixed, begin = _unpack(names), len(self.names)
        databases = fixed["databases"]
        self.dbnames += [databases[place] for place in fixed["database"]]
        self.names += fixed["name"]
        self.sizes += fixed["size"]
        count = len(fixed["name"])
        roots = fixed.get("roots", [""])
        self.roots += [roots[place] for place in fixed["root"]] if "root" in fixed else [""] * count
        changed: dict[str, Any]
        changed = _unpack(states) if states else {"state": "-" * count, "seconds": [None] * count, "failed": {}}
        self._hold(changed, begin, count)
        self.states += changed["state"]
        self.seconds += changed["seconds"]
        self.failed.update({begin + int(number): (said[0], said[1]) for number, said in changed["failed"].items()})

    def _hold(self, changed: Mapping[str, Any], begin: int, count: int) -> None:
        """:raises OtherList: what changed is not of the `count` tables from `begin` on"""
        if len(changed["state"]) != count or len(changed["seconds"]) != count:
            raise OtherList(f"{count} names, but {len(changed['state'])} states are recorded")
        end = begin + count
        if "of" in changed and changed["of"] != _mark(self.dbnames[begin:end], self.names[begin:end]):
            raise OtherList(f"{count} names, but states of other tables are recorded")

    def with_states(self, left: Mapping[str, str]) -> TableList:
        """The same tables, with what became of some chunks of them since; the rest is shared.

        :param left: what was left anew, under keys that begin with `STATES_PREFIX`
        :raises OtherList: names and states are of different lists
        """
        tables = TableList()
        tables.dbnames, tables.names, tables.sizes, tables.roots = self.dbnames, self.names, self.sizes, self.roots
        tables.states, tables.seconds, tables.failed = self.states, list(self.seconds), dict(self.failed)
        for key, states in left.items():
            begin = int(key.removeprefix(STATES_PREFIX)) * CHUNK
            changed, count = _unpack(states), len(self.names[begin : begin + CHUNK])
            self._hold(changed, begin, count)
            end = begin + count
            tables.states = tables.states[:begin] + changed["state"] + tables.states[end:]
            tables.seconds[begin:end] = changed["seconds"]
            tables.failed = {number: said for number, said in tables.failed.items() if not begin <= number < end}
            tables.failed |= {begin + int(number): (said[0], said[1]) for number, said in changed["failed"].items()}
        return tables

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> TableRecord:
        failures, error = self.failed.get(number, (0, ""))
        return TableRecord(
            self.dbnames[number],
            self.names[number],
            self.sizes[number],
            self.states[number],
            self.seconds[number],
            failures,
            error,
            self.roots[number],
        )


def head_of(tables: Sequence[TableRecord]) -> dict[str, int]:
    """What is left under `LIST_KEY`."""
    return {"tables": len(tables), "chunks": -(-len(tables) // CHUNK)}


_POINTS = 240


def thin_out(points: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """At most some hundred points of a line, evenly over its time, the first and the last among them."""
    if len(points) <= _POINTS:
        return list(points)
    begin, end = points[0][0], points[-1][0]
    step = (end - begin) / (_POINTS // 2)
    kept = [points[0]]
    for point in points[1:-1]:
        if point[0] - kept[-1][0] >= step:
            kept.append(point)
    return [*kept, points[-1]]


_WINDOWS = 30


def windows_around(calendar: Calendar, begin: datetime, now: datetime) -> list[list[float | None]]:
    """The windows for a picture from `begin` on: ``[start, end]`` in seconds since 1970, `end` None: without one.

    At most some dozens before `now`, the one under way, and some dozens to come. Without a calendar of its own a run
    has one window, from its beginning on and without an end; with none any more it has none.

    :param begin, now: UTC
    """
    past: deque[Window] = deque(maxlen=_WINDOWS)
    coming: list[Window] = []
    for window in calendar.windows(begin):
        if window.end <= now:
            past.append(window)
        else:
            coming.append(window)
            if len(coming) > _WINDOWS:
                break
    return [
        [window.start.timestamp(), window.end.timestamp() if window.has_end else None] for window in (*past, *coming)
    ]


def _mark(dbnames: Sequence[str], names: Sequence[str]) -> int:
    """Of these tables in this order."""
    return zlib.crc32("\n".join((*dbnames, *names)).encode("utf-8", "surrogatepass"))


def _pack(columns: Mapping[str, Any]) -> str:
    text = json.dumps(columns, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode(), 6)).decode()


def _unpack(text: str) -> dict[str, Any]:
    columns: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    return columns
