"""An Airflow with clusters in every state their pages know, as tasks would have left it.

`Stage` writes them; the tests in a browser and the benchmark look at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from greenplum_expansion.checks.finding import Finding, Severity
from greenplum_expansion.cluster.topology import Host
from greenplum_expansion.planning.moves import Move
from greenplum_expansion.planning.placement import place
from greenplum_expansion.planning.plan import DatabaseSize, Plan
from greenplum_expansion.planning.record import TableRecord
from greenplum_expansion.planning.section import Section
from greenplum_expansion.planning.workload import Workload
from tests.pages.seeding import Seeds
from tests.unit.clusters import cluster
from tests.unit.planning.test_record import leave

MOVING, WAITING, OVER, FAILED, NEW = "dwh", "orders", "archive", "stage", "untouched"
"""Connections: of a cluster whose tables move, one whose plan waits for a person, one that has grown, one whose
expansion failed and was rolled back, and one that nobody has ever looked at."""
PASSWORD, EXTRA = "hunter2-of-the-cluster", "not-for-any-page"
EXPAND, ROLL_BACK, LOOK = "greenplum_expand", "greenplum_rollback", "greenplum_look"
BEGAN = datetime.now(UTC) - timedelta(hours=11)
"""Of every run: none is older than a day, and none is yet to come."""
WATCH, MOVE = "redistribute.watch_progress", "redistribute.move_tables"
DAGS = Path(__file__).resolve().parents[2] / "dags"
GIB = 2**30

_BEFORE_APPROVAL = (
    *(f"check_cluster.{name}" for name in ("connection", "claim", "segments", "databases", "settings", "activity")),
    *("check_new_hosts.places", "check_new_hosts.network", "judge_findings", "survey_before"),
    *("prepare_hosts.operating_system", "prepare_hosts.account", "prepare_hosts.software", "exchange_keys"),
    *("measure_hardware", "back_up", "make_plan"),
)
_BEFORE_MOVES = (
    "approve_plan",
    "fingerprint_tables",
    "drain_sessions",
    "add_segments",
    "wait_for_mirrors",
    "rank_tables",
)
_AFTER_MOVES = (WATCH, MOVE, "verify_distribution", "survey_after", "clean_up", "report")


def tables_of(count: int) -> list[TableRecord]:
    """The tables of a cluster, the first half moved, four of them moving, some failed."""
    return [_table(number, count) for number in range(count)]


def _table(number: int, count: int) -> TableRecord:
    size = 8192 * (1 + (number * 7919) % 100_000)
    table = TableRecord(f"dwh_{number % 10}", f"sales_{number % 37}.fact_orders_by_region_{number:06d}", size)
    half = count // 2
    if number < half:
        if number % 997 == 13:
            return replace(table, state="f", failures=5, error="canceling statement due to lock timeout")
        return replace(table, state="c", seconds=0.4 + number % 60)
    return replace(table, state="m") if number < half + 4 else table


def progress_of(tables: list[TableRecord]) -> dict[str, Any]:
    """What the trigger beside the moves leaves of these."""
    words = {"-": "pending", "m": "moving", "r": "pending", "f": "failed", "c": "done", "g": "done"}
    counts = dict.fromkeys(("done", "moving", "pending", "failed"), 0)
    sizes = dict(counts)
    for table in tables:
        counts[words[table.state]] += 1
        sizes[words[table.state]] += table.size
    now = datetime.now(UTC).timestamp()
    return {
        "at": now, "tables": counts, "bytes": sizes, "rate": 120 * 2**20, "seconds_left": [20_000, 30_000, 47_000],
        "windows_left": [1, 2, 2], "ends": [now + 20_000, now + 100_000, now + 130_000], "names": [],
    }  # fmt: skip


def moves_of(tables: list[TableRecord], points: int = 240) -> dict[str, Any]:
    """The sessions that move, and a line of `points` points."""
    now = datetime.now(UTC).timestamp()
    done = sum(table.size for table in tables if table.state == "c")
    moving = [table.full_name for table in tables if table.state == "m"]
    return {
        "at": now,
        "sessions": [
            {"pid": 4711 + n, "table": name, "seconds": 8.0 + n, "waits_for": "session 9 of etl" if n == 1 else ""}
            for n, name in enumerate(moving)
        ],
        "points": [[now - 30_000 + 30_000 * n / points, done * n // points] for n in range(1, points + 1)],
    }  # fmt: skip


def plan_of(conn_id: str) -> Plan:
    """Two hosts more for a cluster of two."""
    new = place(cluster(), [Host("sdw3", "10.0.0.3"), Host("sdw4", "10.0.0.4")], "grouped")
    return Plan(
        conn_id, "Greenplum 6 (6.24.3)", cluster(), new, (DatabaseSize("dwh", 5 * GIB, 40),), (WARNING,)
    )  # fmt: skip


WARNING = Finding(Severity.WARNING, "new host sdw4", "memory is 60 GiB, sdw1 has 64 GiB", "take like machines")
NOTE = Finding(Severity.NOTE, "cluster", "4 segments on 2 hosts, all up", "")
ERROR = Finding(Severity.ERROR, "new host sdw4", "memory is 4 GiB, sdw1 has 64 GiB", "add 60 GiB")
LAYOUT = Section(
    "Sizes, kinds and skew", ("40 tables in one database.",), ("Table", "Size", "Skew"),
    (("dwh.sales.orders", "3 GiB", "1.2"), ("dwh.sales.lines", "2 GiB", "1.0")),
)  # fmt: skip


class Stage:
    """Fills one database, piece by piece; `fill` is all of them."""

    def __init__(self, seeds: Seeds, tables: int = 100_000) -> None:
        self.seeds = seeds
        self.tables = tables_of(tables)

    def fill(self) -> None:
        """Every cluster and every state."""
        self.install()
        for conn_id in (MOVING, WAITING, OVER, FAILED, NEW):
            self.seeds.connection(
                conn_id, description=f"The cluster {conn_id}", host="mdw", login="gpadmin", password=PASSWORD,
                port=5432, extra={"ssh_password": EXTRA},
            )  # fmt: skip
        self.moving()
        self.waiting()
        self.over()
        self.failed()

    def install(self) -> None:
        """The DAGs as the dag-processor would have read them, so that Airflow's own UI and API know them.

        No scheduler runs; it is said to, else every page would tell of that.
        """
        self.seeds.alive()
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

        bag = DagBag(dag_folder=str(DAGS))
        assert bag.import_errors == {}
        self.seeds.bundle("dags-folder")
        with self.seeds.session() as session:
            sync_bag_to_db(bag, "dags-folder", None, session=session)

    def moving(self, conn_id: str = MOVING, run_id: str = "moving") -> None:
        """In the middle of its moves."""
        self._expansion(conn_id, run_id, "running", (*_BEFORE_APPROVAL, *_BEFORE_MOVES))
        run = {"run_id": run_id}
        self.seeds.task(MOVE, "running", begin=60, **run)
        self.seeds.task(WATCH, "deferred", begin=60, **run)
        for task_id in ("verify_distribution", "survey_after", "clean_up", "report"):
            self.seeds.task(task_id, None, **run)
        self.seeds.left(WATCH, "progress", progress_of(self.tables), **run)
        self.seeds.left(WATCH, "moves", moves_of(self.tables), **run)
        self.list_of(self.tables, run_id)

    def list_of(self, tables: list[TableRecord], run_id: str) -> None:
        """The list of tables of a run, as it is left once."""
        for key, value in leave(tables).items():
            self.seeds.left(WATCH, key, value, run_id=run_id)

    def waiting(self, conn_id: str = WAITING, run_id: str = "waiting") -> None:
        """For a person's word on the plan."""
        self._expansion(conn_id, run_id, "running", _BEFORE_APPROVAL)
        plan = plan_of(conn_id)
        self.seeds.question(
            params={"input_file": {"value": plan.input_file, "schema": {"title": "Input file", "type": "string"}}},
            body=f"**{conn_id}** grows from 4 to 8 segments.\n\n| host | segments |\n| --- | --- |\n| sdw3 | 4 |\n",
            run_id=run_id,
        )

    def over(self, conn_id: str = OVER, run_id: str = "over") -> None:
        """Grown, proven and reported; looked at since, with two hosts more."""
        self._expansion(
            conn_id, run_id, "success", (*_BEFORE_APPROVAL, *_BEFORE_MOVES, *_AFTER_MOVES), minutes=600
        )  # fmt: skip
        moved = [replace(table, state="c", seconds=table.seconds or 3.0) for table in self.tables]
        self.seeds.left(WATCH, "progress", progress_of(moved), run_id=run_id)
        self.seeds.left(WATCH, "moves", {**moves_of(moved), "sessions": []}, run_id=run_id)
        self.list_of(moved, run_id)
        self.seeds.left("report", "report", report_of(conn_id), run_id=run_id)
        self.look(conn_id, "look-at-" + conn_id)

    def failed(self, conn_id: str = FAILED, run_id: str = "failed") -> None:
        """One whose segments could not be added, and its rollback; and before it one with tables that did not move."""
        self._expansion(conn_id, "stuck", "failed", (*_BEFORE_APPROVAL, *_BEFORE_MOVES), minutes=300)
        self.seeds.task(MOVE, "failed", begin=60, run_id="stuck")
        self.seeds.task("report", "failed", begin=290, run_id="stuck")
        failed = [table for table in self.tables if table.state == "f"]
        told = [{"table": table.full_name, "status": "FAILED", "error": table.error} for table in failed]
        self.seeds.left(MOVE, "failed_tables", told, run_id="stuck")
        self.seeds.left(WATCH, "progress", progress_of(self.tables), run_id="stuck")
        left = [replace(table, state="-") if table.state == "m" else table for table in self.tables]
        self.list_of(left, "stuck")
        self._expansion(conn_id, run_id, "failed", (*_BEFORE_APPROVAL, "approve_plan"), minutes=80)
        self.seeds.task("add_segments", "failed", begin=70, run_id=run_id)
        for task_id in ("rank_tables", MOVE, "verify_distribution", "clean_up"):
            self.seeds.task(task_id, "upstream_failed", run_id=run_id)
        back = {"dag_id": ROLL_BACK, "run_id": "back"}
        self.seeds.run(state="success", minutes=90, greenplum_conn_id=conn_id, **back)
        for number, task_id in enumerate(("probe", "roll_back", "open_cluster", "verify", "report")):
            self.seeds.task(task_id, "success", begin=80 + number, **back)

    def look(self, conn_id: str, run_id: str, hosts: Mapping[str, list[Finding]] | None = None) -> None:
        """A look at a cluster and at would-be hosts, which is over.

        :param hosts: as they are typed, and what was found about each
        """
        found = {"sdw5": [], "sdw6=10.0.0.6": [ERROR, NOTE]} if hosts is None else hosts
        look = {"dag_id": LOOK, "run_id": run_id}
        self.seeds.run(
            state="success", minutes=1, greenplum_conn_id=conn_id, new_hosts=list(found), with_tables=True, **look
        )
        seen = {
            "at": self.seeds.began.timestamp(), "version": "Greenplum 6 (6.24.3)", "instances": cluster().to_rows(),
            "databases": [{"name": "dwh", "bytes": 5 * GIB}], "state": "idle", "because": "nothing is there",
        }  # fmt: skip
        self.seeds.left("cluster", "cluster", seen, **look)
        self.seeds.left("cluster", "findings", [NOTE.to_dict()], **look)
        self.seeds.left("workload", "workload", workload_of(self.tables).to_dict(), **look)
        for index, (typed, findings) in enumerate(found.items()):
            self.seeds.task("host", "success", map_index=index, label=typed.partition("=")[0], **look)
            self.seeds.left("host", "findings", [one.to_dict() for one in findings], map_index=index, **look)

    def _expansion(
        self, conn_id: str, run_id: str, state: str, done: tuple[str, ...], *, minutes: int | None = None
    ) -> None:
        conf = {"new_hosts": ["sdw3=10.0.0.3", "sdw4=10.0.0.4"], "webhook_conn_id": "notify_dba"}
        self.seeds.run(EXPAND, run_id, state, minutes=minutes, greenplum_conn_id=conn_id, **conf)
        for number, task_id in enumerate(done):
            self.seeds.task(task_id, "success", begin=number, run_id=run_id)
        run = {"run_id": run_id}
        self.seeds.left("judge_findings", "findings", [WARNING.to_dict(), NOTE.to_dict()], **run)
        self.seeds.left("survey_before", "section", {"task_id": "survey_before", **LAYOUT.to_dict()}, **run)
        if "make_plan" in done:
            self.seeds.left("make_plan", "return_value", plan_of(conn_id).to_dict(), **run)


def workload_of(tables: Iterable[TableRecord]) -> Workload:
    """As a look measures them; nothing has ever moved there."""
    moves = [Move(table.dbname, number, table.name, table.size) for number, table in enumerate(tables)]
    return Workload.measure(moves, [], datetime.now(UTC).timestamp())


def report_of(conn_id: str) -> dict[str, Any]:
    """As the task `report` leaves it at a good end."""
    steps: Iterator[str] = iter((*_BEFORE_APPROVAL, *_BEFORE_MOVES, *_AFTER_MOVES))
    return {
        "expansion_id": "2026-11-20", "connection": conn_id, "outcome": "complete", "failure": "",
        "next_action": "", "is_over": True, "is_proven": True,
        "segments": {"hosts_before": {"sdw1": 2, "sdw2": 2}, "hosts_after": dict.fromkeys(["sdw1", "sdw2", "sdw3"], 2)},
        "proof": {"tables": 40, "rows": 9_000_000, "checksums": True, "differences": [], "not_moved": []},
        "steps": [{"task_id": task_id, "seconds": 12.0, "outcome": "success"} for task_id in steps],
        "sections": [{"task_id": "survey_before", **LAYOUT.to_dict()}],
    }  # fmt: skip
