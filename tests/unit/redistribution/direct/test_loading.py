"""What is read from gpexpand's list and the catalogs becomes moves, and of many tables little more is kept."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from greenplum_expansion.planning.moves import Storage
from greenplum_expansion.redistribution.direct.books import Described
from greenplum_expansion.redistribution.direct.loading import load
from greenplum_expansion.redistribution.direct.session import Kind

ListRow = tuple[str, int, str, int, bool, int]


class Connection:
    """Answers moves_to_do row by row, as a cursor does."""

    def __init__(self, rows: Iterator[ListRow]) -> None:
        self.rows = rows

    def cursor(self) -> Connection:
        return self

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def execute(self, statement: str) -> None:
        return None

    def __iter__(self) -> Iterator[ListRow]:
        return self.rows


class Cluster:
    """A list, and catalogs that know every table of it unless told otherwise."""

    def __init__(self, rows: Sequence[ListRow] | Iterator[ListRow], **details: Mapping[str, Any]) -> None:
        self.rows = iter(rows)
        self.details = details
        self.pairs: list[dict[str, int]] = []
        self.asked: list[str] = []
        self.largest = 0

    @contextmanager
    def connected(self, dbname: str) -> Iterator[Connection]:
        yield Connection(self.rows)

    def query(self, name: str, params: Mapping[str, Any], *_: Any, **__: Any) -> list[dict[str, Any]]:
        self.asked.append(name)
        self.largest = max(self.largest, len(params["oids"]))
        if name == "families":
            return self.pairs
        if name == "relation_sizes":
            return [{"oid": oid, "bytes": 4096} for oid in params["oids"]]
        return [
            {
                "oid": oid,
                "schema_name": "public",
                "table_name": f"t{oid}",
                "storage": "heap",
                "index_bytes": 7,
                "is_external": False,
                "distributed_by": "DISTRIBUTED BY (id)" if root else "",
                "root_name": "public.root" if root else None,
                **self.details.get(f"t{oid}", {}),
            }
            for oid, root in zip(params["oids"], params["roots"], strict=True)
            if not self.details.get(f"t{oid}", {}).get("dropped")
        ]


class Books:
    """Counts what it was told."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.described = 0

    def session(self) -> Connection:
        return Connection(self.cluster.rows)

    def describe(self, dbname: str, tables: Sequence[Described]) -> None:
        self.described += len(tables)


def read(cluster: Cluster, **options: Any) -> Any:
    return load(cluster, Books(cluster), with_children=options.pop("with_children", False), **options)  # type: ignore[arg-type]


def test_moves_are_in_rank_order_over_all_databases_and_each_has_its_statement() -> None:
    cluster = Cluster(
        [
            ("one", 1, "public.t1", 0, False, 10),
            ("two", 2, "public.t2", 9, False, 20),
            ("one", 3, "public.t3", 0, True, 0),
            ("one", 4, "public.t4", 0, False, 30),
        ],
        t4={"storage": "compressed", "dropped": False},
    )
    work = read(cluster, groups={("one", 4): "joined"})

    assert [(move.dbname, move.table_oid) for move in work.moves] == [("one", 1), ("two", 2), ("one", 3), ("one", 4)]
    assert [work.targets[move.key].kind for move in work.moves] == [Kind.TABLE, Kind.LEAF, Kind.EXTERNAL, Kind.TABLE]
    assert work.targets["two", 2].distributed_by == "DISTRIBUTED BY (id)"
    assert (work.moves[3].storage, work.moves[3].index_bytes) == (Storage.COMPRESSED, 7)
    assert [move.group for move in work.moves] == ["", "", "", "joined"]


def test_an_external_leaf_is_only_recorded_and_a_dropped_table_is_left_out() -> None:
    cluster = Cluster(
        [("d", 1, "public.t1", 9, False, 10), ("d", 2, "public.t2", 0, False, 10)],
        t1={"is_external": True},
        t2={"dropped": True},
    )
    work = read(cluster)

    assert work.moves == []
    assert [move.table_oid for move in work.unneeded] == [1]


def test_only_tables_that_are_wanted_are_asked_about() -> None:
    cluster = Cluster([("d", 1, "public.t1", 0, False, 1), ("d", 2, "public.t2", 0, False, 1)])
    work = read(cluster, wanted=lambda dbname, fq_name: fq_name == "public.t2")

    assert [move.table_oid for move in work.moves] == [2]


def test_sizes_are_measured_if_gpexpand_has_listed_none() -> None:
    work = read(Cluster([("d", 1, "public.t1", 0, False, 0)]))

    assert work.moves[0].bytes == 4096


def test_tables_that_inherit_move_with_their_parent() -> None:
    cluster = Cluster([("d", oid, f"public.t{oid}", 0, False, 100) for oid in (1, 2, 3)])
    cluster.pairs = [{"head": 2, "child": 1}, {"head": 2, "child": 3}]
    work = read(cluster, with_children=True)

    (parent,) = work.moves
    assert (parent.table_oid, parent.bytes, parent.locks) == (2, 300, frozenset({1, 3}))
    assert [move.table_oid for move in work.families[parent.key]] == [1, 3]


def test_a_hundred_thousand_tables_are_asked_about_in_slices_and_take_little_memory() -> None:
    many = 100_000
    cluster = Cluster(("d", oid, f"public.t{oid}", 0, False, oid) for oid in range(1, many + 1))
    tracemalloc.start()
    work = read(cluster)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(work.moves) == many
    assert cluster.largest <= 5000
    assert peak < 150 * 1024 * 1024
