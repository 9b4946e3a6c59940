"""Where gpexpand moves a family at once, its members are passed by, then recorded by what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.redistribution import inheritance


@dataclass
class _Cluster:
    """gpexpand's list, kept as the statements would keep it.

    :param rows: ``{(dbname, oid): (fq_name, status)}``
    :param children: what tables_moving_with_parents finds among the tables asked for, if their parent is asked for, too
    :param expanded: OIDs of the tables on all segments
    """

    rows: dict[tuple[str, int], tuple[str, str]]
    children: dict[int, int]
    expanded: set[int] = field(default_factory=set)
    stopped: bool = False

    def databases(self) -> list[str]:
        return ["demo", "postgres"]

    def query(self, name: str, params: Mapping[str, Any] | None = None, dbname: str = "") -> list[dict[str, Any]]:
        asked = list((params or {}).get("oids", []))
        if name == "tables_not_moved":
            return [
                {"dbname": db, "table_oid": oid, "fq_name": fq_name, "status": status}
                for (db, oid), (fq_name, status) in self.rows.items()
                if status != "COMPLETED"
            ]
        if name == "tables_moving_with_parents":
            return [{"oid": oid} for oid in asked if self.children.get(oid) in asked]
        if name == "families":
            pairs = [{"head": parent, "child": child} for child, parent in self.children.items()]
            return [pair for pair in pairs if {pair["head"], pair["child"]} <= set(asked)]
        if name == "tables_already_expanded":
            return [{"oid": oid} for oid in asked if oid in self.expanded]
        if name == "mark_stopped":
            self.stopped = True
            return []
        becomes = {"mark_with_parent": "WITH PARENT", "mark_completed": "COMPLETED", "mark_not_started": "NOT STARTED"}
        changed = []
        for key, (fq_name, status) in self.rows.items():
            mine = status == "WITH PARENT" if name == "mark_not_started" else key[1] in asked
            if mine:
                self.rows[key] = fq_name, becomes[name]
                changed.append({"dbname": key[0], "fq_name": fq_name})
        return changed if name == "mark_not_started" else []

    def statuses(self) -> dict[int, str]:
        return {oid: status for (_, oid), (_, status) in self.rows.items()}


def _family(**expanded: Any) -> _Cluster:
    """Table 2 inherits from table 1, table 3 from nobody; 4 lay in a database that is gone."""
    rows = {
        ("demo", 1): ("public.parent", "NOT STARTED"),
        ("demo", 2): ("public.child", "NOT STARTED"),
        ("demo", 3): ("public.single", "NOT STARTED"),
        ("gone", 4): ("public.lost", "NOT STARTED"),
    }
    return _Cluster(rows, {2: 1}, **expanded)


def test_a_child_is_left_to_its_parent() -> None:
    cluster = _family()

    said = inheritance.pass_by(cluster)  # type: ignore[arg-type]

    assert said == ["demo.public.child moves with the table it inherits from"]
    assert cluster.statuses() == {1: "NOT STARTED", 2: "WITH PARENT", 3: "NOT STARTED", 4: "NOT STARTED"}


def test_doing_it_again_changes_nothing() -> None:
    cluster = _family()
    inheritance.pass_by(cluster)  # type: ignore[arg-type]
    before = dict(cluster.rows)

    inheritance.pass_by(cluster)  # type: ignore[arg-type]

    assert cluster.rows == before


def test_a_child_whose_parent_has_moved_without_it_gets_its_own_turn_in_the_next_run() -> None:
    cluster = _family()
    inheritance.pass_by(cluster)  # type: ignore[arg-type]
    cluster.rows["demo", 1] = ("public.parent", "COMPLETED")

    inheritance.pass_by(cluster)  # type: ignore[arg-type]

    assert cluster.statuses()[2] == "NOT STARTED"


def test_a_child_that_moved_is_recorded() -> None:
    cluster = _family(expanded={1, 2, 3})
    inheritance.pass_by(cluster)  # type: ignore[arg-type]

    assert inheritance.settle(cluster, 4) == []  # type: ignore[arg-type]

    assert cluster.statuses()[2] == "COMPLETED"
    assert not cluster.stopped


def test_a_child_that_did_not_move_is_told_and_the_expansion_is_not_complete() -> None:
    cluster = _family(expanded={1, 3})
    inheritance.pass_by(cluster)  # type: ignore[arg-type]

    assert inheritance.settle(cluster, 4) == ["demo.public.child"]  # type: ignore[arg-type]

    assert cluster.statuses()[2] == "NOT STARTED"
    assert cluster.stopped


def test_without_families_nothing_is_touched() -> None:
    cluster = _family(expanded=set())
    before = dict(cluster.rows)

    assert inheritance.settle(cluster, 4) == []  # type: ignore[arg-type]

    assert cluster.rows == before
    assert not cluster.stopped


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["public.child"], r"demo\.public\.child is named, demo\.public\.parent is not"),
        (["public.parent", "public.single"], r"demo\.public\.parent is named, demo\.public\.child is not"),
    ],
)
def test_half_a_family_is_not_begun(names: list[str], said: str) -> None:
    with pytest.raises(ActionRefused, match=said):
        inheritance.require_whole_families(_family(), lambda dbname, name: name in names)  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [["public.parent", "public.child"], ["public.single"], []])
def test_whole_families_and_tables_without_one_are(names: list[str]) -> None:
    inheritance.require_whole_families(_family(), lambda dbname, name: name in names)  # type: ignore[arg-type]
