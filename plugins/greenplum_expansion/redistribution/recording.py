"""What is left in Airflow for the pages while tables move: the list of tables once, then what changes of it.

The shapes are those of ``planning/record.py``. Whoever records gets pairs of key and value to leave, and only those
that differ from what was left before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.record import (
    LIST_KEY,
    MOVES_KEY,
    NAMES_PREFIX,
    STATES_PREFIX,
    TableRecord,
    chunks,
    encode_names,
    encode_states,
    head_of,
    letter,
    thin_out,
    windows_around,
)
from greenplum_expansion.planning.windows import Calendar

APPLICATION = "greenplum_expansion record"
_EVER = "-infinity"
_STATEMENT = re.compile(
    r"\s*ALTER\s+(?:EXTERNAL\s+)?TABLE\s+(?:ONLY\s+)?(?P<table>.+?)\s+(?:EXPAND|SET)\s", re.I | re.S
)
_NEEDLESS_QUOTES = re.compile(r'(?<![^.])"([a-z_][a-z0-9_]*)"(?![^.])')
_LONGEST_NAME = 200
_WINDOWS_HOLD = timedelta(minutes=5)

Left = list[tuple[str, Any]]


class Recorder:
    """Looks, and tells what is new to be left.

    :param expansion_id: whose history tells of failures
    :param points: (seconds since 1970, bytes moved) of earlier looks, by another recorder of the same run
    :param calendar: when tables may move
    """

    def __init__(
        self, expansion_id: str, points: Sequence[Sequence[float]] = (), calendar: Calendar | None = None
    ) -> None:
        self._expansion_id = expansion_id
        self._calendar = calendar or Calendar()
        self._windows: list[list[float | None]] = []
        self._windows_hold = datetime.min.replace(tzinfo=UTC)
        self._points = [(float(at), int(moved)) for at, moved in points]
        self._tables: list[TableRecord] = []
        self._places: dict[tuple[str, int], int] = {}
        self._states: dict[int, str] = {}
        self._since = _EVER

    def look(self, hook: GreenplumHook, now: datetime) -> Left:
        """By four short statements over one session; nothing while no table is listed.

        :param now: UTC
        :raises RemoteError: the cluster cannot be asked
        """
        with hook.connected(SCHEMA_DATABASE, application_name=APPLICATION) as connection:
            there = hook.query("expansion_schema_exists", connection=connection)[0]
            if (
                not there["status_exists"]
                or not hook.query("history_exists", connection=connection)[0]["history_exists"]
            ):
                return []
            given = {"expansion_id": self._expansion_id, "since": self._since}
            rows = hook.query("tables_to_record", given, connection=connection)
            if self._tells_new_roots(rows):
                self._since = _EVER
                rows = hook.query("tables_to_record", {**given, "since": _EVER}, connection=connection)
            sessions = hook.query("sessions_moving_and_waiting", connection=connection)
        left = self._list(rows) if self._since == _EVER else self._changes(rows)
        if rows:
            self._since = rows[0]["seen"]
        if self._tables:
            left.append((MOVES_KEY, self._moves(sessions, now)))
        return left

    def _tells_new_roots(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Which table each leaf is of is only found out when the first window opens; then the list is left anew."""
        places = (self._places.get((row["dbname"], row["oid"])) for row in rows if row["root"])
        return any(place is not None and not self._tables[place].root for place in places)

    def _list(self, rows: Sequence[Mapping[str, Any]]) -> Left:
        """All of it; the head comes last, so that whoever finds it finds everything."""
        self._tables = [_record(row) for row in rows]
        self._points = self._points or _line_so_far(rows)
        self._places = {(row["dbname"], row["oid"]): place for place, row in enumerate(rows)}
        left: Left = [
            (f"{NAMES_PREFIX}{number}", encode_names(part)) for number, part in enumerate(chunks(self._tables))
        ]
        if left:
            left += [*self._changed_states(), (LIST_KEY, head_of(self._tables))]
        return left

    def _changes(self, rows: Sequence[Mapping[str, Any]]) -> Left:
        """A table that was listed meanwhile, or renamed, keeps its old place and name until the next list."""
        for row in rows:
            place = self._places.get((row["dbname"], row["oid"]))
            if place is not None:
                old = self._tables[place]
                new = _record(row)
                # Its size may have been measured anew when it began to move; the list shows what was planned.
                self._tables[place] = replace(new, dbname=old.dbname, name=old.name, size=old.size, root=old.root)
        # What is not told any more is not under way any more: interrupted, or moved more than a minute ago.
        told = {self._places.get((row["dbname"], row["oid"])) for row in rows}
        for place, table in enumerate(self._tables):
            if table.state == "m" and place not in told:
                self._tables[place] = TableRecord(table.dbname, table.name, table.size, root=table.root)
        return self._changed_states()

    def _changed_states(self) -> Left:
        left: Left = []
        for number, part in enumerate(chunks(self._tables)):
            states = encode_states(part)
            if self._states.get(number) != states:
                self._states[number] = states
                left.append((f"{STATES_PREFIX}{number}", states))
        return left

    def _moves(self, sessions: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
        moved = sum(table.size for table in self._tables if table.state in "cg")
        self._points = thin_out([*self._points, (round(now.timestamp(), 1), moved)])
        return {
            "at": round(now.timestamp(), 1),
            "sessions": [
                {
                    "pid": row["pid"],
                    "table": f"{row['dbname']}.{_table_of(row['query'])}",
                    "seconds": round(row["seconds"] or 0.0, 1),
                    "waits_for": row["waits_for"] or "",
                }
                for row in sessions
            ],
            "points": [list(point) for point in self._points],
            "windows": self._windows_around(now),
        }

    def _windows_around(self, now: datetime) -> list[list[float | None]]:
        """Counted anew now and then: in a calendar with many windows each time would cost."""
        if now >= self._windows_hold:
            begin = datetime.fromtimestamp(self._points[0][0], UTC)
            self._windows = windows_around(self._calendar, begin, now)
            self._windows_hold = now + _WINDOWS_HOLD
        return self._windows


def _line_so_far(rows: Iterable[Mapping[str, Any]]) -> list[tuple[float, int]]:
    """Bytes moved over time as gpexpand's list knows it, for who begins to watch late, or anew after a retry."""
    ended = sorted(
        (row["ended"], row["seconds"], row["size_bytes"])
        for row in rows
        if row["ended"] is not None and letter(row["status"]) == "c"
    )
    if not ended:
        return []
    line = [(round(min(at - seconds for at, seconds, _ in ended), 1), 0)]
    for at, _, size in ended:
        line.append((round(at, 1), line[-1][1] + size))
    return thin_out(line)


def _record(row: Mapping[str, Any]) -> TableRecord:
    return TableRecord(
        dbname=row["dbname"],
        name=row["fq_name"],
        size=row["size_bytes"],
        state=letter(row["status"]),
        seconds=row["seconds"] if letter(row["status"]) == "c" else None,
        failures=row["failures"],
        error=row["error"] or "" if row["failures"] else "",
        root=row["root"] or "",
    )


def _table_of(statement: str) -> str:
    """Its name as the list has it. Nothing else of a statement is left: it may hold what not everybody may read."""
    found = _STATEMENT.match(statement)
    name = _NEEDLESS_QUOTES.sub(r"\1", found["table"]) if found else "(not named)"
    return " ".join(name.split())[:_LONGEST_NAME]
