"""The page of a run, as several tests look at it: its address, a run that moves tables, and how people act on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import event

from greenplum_expansion.pages.access import DAGS
from greenplum_expansion.planning.record import TableRecord
from tests.pages.seeding import BEGAN
from tests.pages.test_access import token_of, url
from tests.unit.planning.test_record import leave, many

BASE = "/runs/{dag_id}/{run_id}"
EVIL = "<img src=x onerror=alert(1)>"
NOW = BEGAN.timestamp()
PROGRESS = {
    "at": NOW + 600, "tables": {"done": 60, "moving": 2, "pending": 37, "failed": 1},
    "bytes": {"done": 6 * 2**30, "moving": 2**30, "pending": 3 * 2**30, "failed": 0}, "rate": 2**20,
    "seconds_left": [60, 120, 240], "windows_left": None, "ends": [NOW + 900, NOW + 1000, NOW + 2000], "names": [],
}  # fmt: skip
MOVES = {
    "at": NOW + 600,
    "sessions": [{"pid": 77, "table": f"dwh.sales.{EVIL}", "seconds": 8.0, "waits_for": "session 9 of etl (psql)"}],
    "points": [[NOW, 0], [NOW + 300, 2 * 2**30], [NOW + 600, 6 * 2**30]],
}


def sow_moving(seeds: Any) -> None:
    """A run in which tables are being moved."""
    seeds.dag(*DAGS)
    seeds.run()
    seeds.task("check_cluster.connection", "success")
    seeds.task("add_segments", "success", begin=1)
    seeds.task("redistribute.move_tables", "running", begin=2)
    watching = "redistribute.watch_progress"
    seeds.task(watching, "deferred", begin=2)
    seeds.left(watching, "progress", PROGRESS)
    seeds.left(watching, "moves", MOVES)
    tables = [replace(table, state="c", seconds=2.0) if n < 60 else table for n, table in enumerate(many(99))]
    tables.append(TableRecord("dwh", f'sales."{EVIL}"', 5, "f", None, 5, f"canceled {EVIL}"))
    for key, value in leave(tables).items():
        seeds.left(watching, key, value)


def post(client: Any, path: str, body: Any) -> Any:
    headers = {"X-Greenplum-Token": token_of(client), "Sec-Fetch-Site": "same-origin"}
    return client.post(url(BASE + path), json=body, headers=headers)


class counted:  # noqa: N801 - a context manager, used like a function
    """The statements sent to Airflow's database meanwhile."""

    def __enter__(self) -> list[str]:
        from airflow.settings import engine

        self.engine, self.seen = engine, []
        event.listen(self.engine, "before_cursor_execute", self._note)
        return self.seen

    def __exit__(self, *_: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._note)

    def _note(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.seen.append(" ".join(statement.split()))
