"""gpexpand's list of tables follows what happened to the tables meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from greenplum_expansion.redistribution import engine


class _Cluster:
    """Answers the queries that `reconcile` asks, and notes what it writes."""

    def __init__(self, listed: list[dict[str, Any]], names: dict[int, str], moved: set[int]) -> None:
        self.listed = listed
        self.names = names
        self.moved = moved
        self.written: list[tuple[str, dict[str, Any]]] = []

    def databases(self) -> list[str]:
        return ["demo", "postgres"]

    @contextmanager
    def connected(self, dbname: str) -> Iterator[str]:
        assert dbname in self.databases()
        yield dbname

    def query(self, name: str, params: Mapping[str, Any] | None = None, **_: Any) -> list[dict[str, Any]]:
        if name == "tables_not_moved":
            return self.listed
        assert params is not None
        if name == "tables_already_expanded":
            return [{"oid": oid} for oid in params["oids"] if oid in self.moved]
        if name == "table_names":
            return [{"oid": oid, "fq_name": self.names[oid]} for oid in params["oids"] if oid in self.names]
        self.written.append((name, dict(params)))
        return []


def _listed(dbname: str, oid: int, fq_name: str) -> dict[str, Any]:
    return {"dbname": dbname, "table_oid": oid, "fq_name": fq_name}


def test_a_list_that_agrees_with_the_tables_is_left_alone() -> None:
    cluster = _Cluster([_listed("demo", 1, "public.a")], {1: "public.a"}, set())

    assert engine.reconcile(cluster, 4) == []  # type: ignore[arg-type]
    assert cluster.written == []


def test_a_table_moved_without_a_record_a_renamed_one_and_a_dropped_database_are_recorded() -> None:
    listed = [_listed("demo", 1, "public.a"), _listed("demo", 2, "public.b"), _listed("gone", 3, "public.c")]
    cluster = _Cluster(listed, {1: "public.a", 2: 'archive."B"'}, {1})

    said = engine.reconcile(cluster, 4)  # type: ignore[arg-type]

    assert cluster.written == [
        ("mark_completed", {"dbname": "demo", "oids": [1]}),
        ("mark_renamed", {"dbname": "demo", "oid": 2, "fq_name": 'archive."B"'}),
        ("mark_gone", {"dbname": "gone"}),
    ]
    assert said == [
        "demo.public.a has been moved already, now recorded",
        'demo.public.b is called archive."B" now, recorded',
        "Database gone no longer exists; its 1 tables are recorded as gone",
    ]


def test_a_dropped_table_is_recorded_as_gone() -> None:
    cluster = _Cluster([_listed("demo", 1, "public.a")], {}, set())

    assert engine.reconcile(cluster, 4) == [  # type: ignore[arg-type]
        "demo.public.a no longer exists, now recorded"
    ]
    assert cluster.written == [("mark_tables_gone", {"dbname": "demo", "oids": [1]})]


def test_a_long_list_is_asked_about_in_slices() -> None:
    names = {oid: f"public.t{oid}" for oid in range(12_001)}
    cluster = _Cluster([_listed("demo", oid, name) for oid, name in names.items()], names, set(names))

    engine.reconcile(cluster, 4)  # type: ignore[arg-type]

    assert [len(given["oids"]) for name, given in cluster.written] == [5000, 5000, 2001]


LOG = """\
20261120:10:40:52:027543 gpexpand:mdw:gpadmin-[ERROR]:-Table demo.odd.mv failed to expand: error 'ERROR:  materialized \
view "mv" has not been populated
HINT:  Use the REFRESH MATERIALIZED VIEW command.
' in 'ALTER  TABLE ONLY odd.mv EXPAND TABLE'
20261120:10:40:52:027543 gpexpand:mdw:gpadmin-[INFO]:-Resetting status_detail for demo.odd.mv
20261120:10:40:53:027543 gpexpand:mdw:gpadmin-[ERROR]:-Table demo."new
line" failed to expand: error 'ERROR:  permission denied
' in 'ALTER  TABLE ONLY "new
line" EXPAND TABLE'
"""


def test_what_the_server_said_of_a_table_is_told_whole_and_on_one_line() -> None:
    listed = [
        {**_listed("demo", 1, "odd.mv"), "status": "NOT STARTED"},
        {**_listed("demo", 2, '"new\nline"'), "status": "NOT STARTED"},
        {**_listed("demo", 3, "odd.other"), "status": "NOT STARTED"},
    ]

    left = engine.read_tables_left(_Cluster(listed, {}, set()), LOG)  # type: ignore[arg-type]

    assert [table.error for table in left] == [
        'materialized view "mv" has not been populated; HINT:  Use the REFRESH MATERIALIZED VIEW command.',
        "permission denied",
        "",
    ]


def test_where_gpexpand_died_over_a_name_the_server_log_is_pointed_to() -> None:
    log = "20261120:11:09:03:037394 gpexpand:mdw:gpadmin-[ERROR]:-'ascii' codec can't decode byte 0xc3 in position 92"
    listed = [{**_listed("demo", 1, 'public."täb"'), "status": "IN PROGRESS"}]

    (left,) = engine.read_tables_left(_Cluster(listed, {}, set()), log)  # type: ignore[arg-type]

    assert "see the coordinator's server log" in left.error
