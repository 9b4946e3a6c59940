"""Recording for the pages: everything once, then only what changed."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from greenplum_expansion.planning.record import MOVES_KEY, TableList
from greenplum_expansion.planning.windows import Calendar, parse_rules
from greenplum_expansion.redistribution.recording import Recorder

NOW = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)


class Hook:
    """Answers as the cluster does; `rows` is what tables_to_record returns next."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.sessions: list[dict[str, Any]] = []
        self.listed = self.history = True
        self.since: list[str] = []

    @contextmanager
    def connected(self, *_: Any, **__: Any) -> Any:
        yield object()

    def query(self, name: str, params: dict[str, Any] | None = None, **_: Any) -> list[dict[str, Any]]:
        if name == "expansion_schema_exists":
            return [{"status_exists": self.listed}]
        if name == "history_exists":
            return [{"history_exists": self.history}]
        if name == "sessions_moving_and_waiting":
            return self.sessions
        assert name == "tables_to_record"
        assert params is not None
        self.since.append(params["since"])
        return self.rows


def row(oid: int, status: str = "NOT STARTED", **values: Any) -> dict[str, Any]:
    usual = {"size_bytes": 100 * oid, "seconds": None, "ended": None, "failures": 0, "error": None, "root": None}
    known = {"dbname": "dwh", "oid": oid, "fq_name": f"sales.t{oid}", "seen": "2026-11-20 22:00:00"}
    return {**known, "status": status, **usual, **values}


def looked(recorder: Recorder, hook: Hook, kept: dict[str, Any]) -> list[str]:
    left = recorder.look(hook, NOW)  # type: ignore[arg-type]
    kept.update(left)
    return [key for key, _ in left]


def test_the_list_comes_once_and_its_head_behind_it() -> None:
    hook, recorder, kept = Hook(), Recorder("e1"), {}
    hook.rows = [row(1), row(2, "IN PROGRESS")]
    assert looked(recorder, hook, kept) == ["tables.0", "moved.0", "tables", "moves"]
    hook.rows = [row(2, "IN PROGRESS")]
    assert looked(recorder, hook, kept) == ["moves"]
    assert hook.since == ["-infinity", "2026-11-20 22:00:00"]
    assert TableList.assemble(kept.items()).states == "-m"


def test_what_changed_is_left_again_and_nothing_else() -> None:
    hook, recorder, kept = Hook(), Recorder("e1"), {}
    hook.rows = [row(1), row(2)]
    looked(recorder, hook, kept)
    hook.rows = [row(1, "COMPLETED", seconds=4.26), row(2, "FAILED", failures=5, error="deadlock detected")]
    assert looked(recorder, hook, kept) == ["moved.0", "moves"]
    tables = TableList.assemble(kept.items())
    assert tables.states == "cf"
    assert (tables[0].seconds, tables[1].failures, tables[1].error) == (4.3, 5, "deadlock detected")
    assert kept[MOVES_KEY]["points"] == [[NOW.timestamp(), 0], [NOW.timestamp(), 100]]


def test_a_move_that_was_cut_off_is_no_longer_shown_as_moving() -> None:
    hook, recorder, kept = Hook(), Recorder("e1"), {}
    hook.rows = [row(1, "IN PROGRESS"), row(2)]
    looked(recorder, hook, kept)
    hook.rows = []
    assert looked(recorder, hook, kept) == ["moved.0", "moves"]
    assert TableList.assemble(kept.items()).states == "--"


def test_nothing_is_left_while_no_table_is_listed() -> None:
    hook, recorder = Hook(), Recorder("e1")
    assert looked(recorder, hook, {}) == []
    hook.history = False
    assert looked(recorder, hook, {}) == []
    hook.listed = False
    assert looked(recorder, hook, {}) == []


def test_sessions_tell_their_table_and_whom_they_wait_for() -> None:
    hook, recorder, kept = Hook(), Recorder("e1", points=[[1.0, 7]]), {}
    hook.rows = [row(1, "IN PROGRESS")]
    hook.sessions = [
        {"pid": 7, "dbname": "dwh", "seconds": 3.21, "waits_for": "session 9 of etl",
         "query": 'ALTER TABLE ONLY "sales"."t 1" EXPAND TABLE'},
        {"pid": 8, "dbname": "dwh", "seconds": None, "waits_for": None,
         "query": "ALTER TABLE sales.leaf SET WITH (REORGANIZE=true) DISTRIBUTED BY (a)"},
        {"pid": 9, "dbname": "dwh", "seconds": 1.0, "waits_for": None,
         "query": "ALTER ROLE boss PASSWORD 'secret'; -- EXPAND TABLE"},
    ]  # fmt: skip
    looked(recorder, hook, kept)
    assert [list(session.values()) for session in kept[MOVES_KEY]["sessions"]] == [
        [7, 'dwh.sales."t 1"', 3.2, "session 9 of etl"],
        [8, "dwh.sales.leaf", 0.0, ""],
        [9, "dwh.(not named)", 1.0, ""],
    ]
    assert kept[MOVES_KEY]["points"][0] == [1.0, 7]


def test_leaves_are_known_by_their_root_as_soon_as_it_is_known() -> None:
    hook, recorder, kept = Hook(), Recorder("e1"), {}
    hook.rows = [row(1), row(2), row(3)]
    looked(recorder, hook, kept)
    hook.rows = [row(1, "IN PROGRESS", root="sales.orders"), row(2, root="sales.orders"), row(3)]
    assert "tables.0" in looked(recorder, hook, kept)
    assert hook.since[1:] == ["2026-11-20 22:00:00", "-infinity"]
    assert TableList.assemble(kept.items()).roots == ["sales.orders", "sales.orders", ""]
    assert "tables.0" not in looked(recorder, hook, kept)  # once
    hook.rows = []
    looked(recorder, hook, kept)
    assert TableList.assemble(kept.items()).roots[0] == "sales.orders"  # cut off, and still a leaf


def test_windows_are_left_for_the_picture() -> None:
    nights = Calendar(parse_rules(["22:00-06:00"]), last_end=NOW + timedelta(days=2))
    hook, recorder, kept = Hook(), Recorder("e1", [[NOW.timestamp() - 86400, 0]], nights), {}
    hook.rows = [row(1)]
    looked(recorder, hook, kept)
    begins = [datetime.fromtimestamp(start, UTC) - NOW for start, _ in kept[MOVES_KEY]["windows"]]
    assert begins == [timedelta(days=-1), timedelta(0), timedelta(days=1)]
    looked(Recorder("e1"), hook, kept)
    assert kept[MOVES_KEY]["windows"] == [[NOW.timestamp(), None]]


def test_who_begins_to_watch_late_goes_on_with_the_line_of_what_has_moved() -> None:
    hook, recorder, kept = Hook(), Recorder("e1"), {}
    at = NOW.timestamp()
    hook.rows = [
        row(1, "COMPLETED", seconds=20.0, ended=at - 50),
        row(2, "NOT STARTED"),
        row(3, "COMPLETED", seconds=5.0, ended=at - 60),
        row(4, "IN PROGRESS", seconds=1.0, ended=at - 90),  # of a move that was interrupted, and begins anew
    ]
    looked(recorder, hook, kept)
    assert kept[MOVES_KEY]["points"] == [[at - 70, 0], [at - 60, 300], [at - 50, 400], [at, 400]]
