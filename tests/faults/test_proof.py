"""The proof after a redistribution, with each thing wrong that it is there to find.

The cluster is taken as if it had been expanded from sdw1 to sdw1 and sdw2: the plan says so, and what is proven of it
is as true as after an expansion, in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks.fingerprints import read_tables
from greenplum_expansion.hooks.placement import look_for_rows
from greenplum_expansion.operators import prove
from greenplum_expansion.operators.prove import VerifyDistributionOperator
from greenplum_expansion.operators.run import ExpansionRun
from greenplum_expansion.planning.fingerprint import TableKey
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.planning.proof import Placement
from greenplum_expansion.report import render_text
from tests.support.looking import Changes, Rows, wait_until
from tests.support.one_task import OneRun
from tests.support.practice import Practice
from tests.unit.test_report import report

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.usefixtures("connection")]

VERIFY = VerifyDistributionOperator(task_id="verify_distribution")
TABLES = (
    "create table proof.plain as select i as id, md5(i::text) as v from generate_series(1, 5000) i distributed by (id)",
    (
        'create table proof."Two Keys" as select case when i % 10 = 0 then null else i end as a,'
        ' case when i % 7 = 0 then null else md5(i::text) end as "b ""%s", i as c from generate_series(1, 3000) i'
        ' distributed by ("b ""%s", a)'
    ),
    "create table proof.loose as select i as id from generate_series(1, 100) i distributed randomly",
    "create table proof.copied (id int) distributed replicated",
    "create index plain_v on proof.plain (v)",
)


@pytest.fixture(scope="module")
def run(practice: Practice, rows: Rows) -> Iterator[OneRun]:
    """An expansion that is carried out, as far as one can see; with fingerprints from before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
        rows("create schema proof")
        for statement in TABLES:
            rows(statement)
        rows("insert into proof.copied values (1), (2)")
        made = OneRun(
            {"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23"], "parallel_moves": 2, "proof": "rows"}
        )
        here = ExpansionRun(made.context(VERIFY))
        here.claim.take(here.my_claim(), lambda _held: False, prove.read_expansion_state(here.hook))
        here.directory.ensure()
        topology = prove.read_topology(here.hook)
        new = [instance for instance in topology.instances if instance.content in (2, 3)]
        here.directory.write_plan(
            Plan(
                expansion_id=here.expansion_id,
                version="6.24.3",
                before=Topology.from_rows([row for row in topology.to_rows() if row["content"] not in (2, 3)]),
                new=tuple(
                    NewInstance(i.hostname, i.address, i.port, i.datadir, i.dbid, i.content, i.preferred_role)
                    for i in new
                ),
                databases=(),
                findings=(),
            )
        )
        here.directory.write_invalid_indexes(prove.invalid_indexes(here.hook))
        here.directory.write_fingerprints("before", prove.take(here))
        here.close()
        yield made
        rows("drop schema proof cascade")


@pytest.fixture
def proof(run: OneRun) -> Callable[..., dict[str, Any]]:
    """What is proven now; `failed` must say whether the task fails of it."""

    def prove_it(failed: bool = True, **conf: Any) -> dict[str, Any]:
        asked = OneRun({**run.params, **conf})
        if failed:
            with pytest.raises(AirflowFailException, match="not as they should be"):
                asked.run(VERIFY)
        else:
            asked.run(VERIFY)
        left: dict[str, Any] = asked.left(VERIFY, "proof")
        assert left["proven"] is not failed
        return left

    return prove_it


def parts_wrong(proof: dict[str, Any]) -> set[str]:
    parts = ("not_moved", "misplaced", "scattered", "invalid_indexes", "mirrors", "differences")
    return {part for part in parts if proof[part]}


def test_what_is_as_it_should_be_is_proven_part_by_part(proof: Callable[..., dict[str, Any]], rows: Rows) -> None:
    found = proof(failed=False, proof_of_places="every row")

    assert parts_wrong(found) == set()
    hashed = rows(
        "select count(*) from gp_distribution_policy p join pg_class c on c.oid = p.localoid"
        " where policytype = 'p' and distkey::text <> '' and relnamespace = 'proof'::regnamespace"
    )
    assert hashed == [(2,)]
    assert found["places"]["full"]
    assert found["places"]["tables"] > 2  # those of the demo database, too
    assert found["places"]["rows"] >= 8000
    largest = [(name, count) for name, count, *_ in found["skew_tables"]]
    assert largest == sorted(largest, key=lambda pair: -pair[1])
    assert "demo.sales.orders" in dict(largest)
    text = render_text(report(proof=found))
    for line in ("lies where its hash says", "no table became random", "all indexes are as valid", "up and in sync"):
        assert line in text
    assert "every row" in text


@pytest.mark.parametrize("table", ["proof.plain", 'proof."Two Keys"'])
def test_a_row_on_a_wrong_segment_is_found_and_where(
    table: str, proof: Callable[..., dict[str, Any]], change: Changes, rows: Rows
) -> None:
    """Moved from where it belongs to segment 3, with everything else as before: no other part sees it."""
    key, column = ("7", "id") if table == "proof.plain" else ("11", "c")
    (content,) = (int(row[0]) for row in rows(f"select gp_segment_id from {table} where {column} = {key}"))
    target = (content + 1) % 4
    parts = dict(
        rows(f"select content, name from pg_sandbox.partitions_of('{table}'::regclass) order by content")
    )  # foreign tables, to which a row may be written whatever its hash says
    move = (
        "insert into pg_aoseg.{to} select * from pg_aoseg.{of} where {column} = {key}",
        "delete from pg_aoseg.{of} where {column} = {key}",
    )

    def carry(of: int, to: int) -> None:
        words = {"of": f'"{parts[of]}"', "to": f'"{parts[to]}"', "column": column, "key": key}
        change(*(statement.format(**words) for statement in move))

    carry(content, target)
    try:
        found = proof(proof_of_places="every row")
    finally:
        carry(target, content)
    assert parts_wrong(found) == {"misplaced"}
    (said,) = found["misplaced"]
    assert said.startswith(f"demo.{table}: 1 of ")
    assert f"lie on segment {target} and belong elsewhere" in said
    assert "1 tables hold rows on a wrong segment" in render_text(report(proof=found))


def test_a_sample_looks_at_some_rows_of_each_table(run: OneRun) -> None:
    here = ExpansionRun(run.context(VERIFY))
    tables = [table for table in read_tables(here.hook) if table.schema_name == "proof"]
    counts = {TableKey(table.dbname, table.oid): 5000 for table in tables}
    placements = look_for_rows(here.hook, tables, counts, segments=4, sample=500, sessions=2)
    here.close()
    assert sorted(placement.name for placement in placements) == ['demo.proof."Two Keys"', "demo.proof.plain"]
    for placement in placements:
        assert isinstance(placement, Placement)
        assert 0 < placement.rows < 3000
        assert placement.misplaced == {}


def test_an_index_that_became_invalid(proof: Callable[..., dict[str, Any]], change: Changes) -> None:
    valid = "update pg_index set indisvalid = {} where indexrelid = 'proof.plain_v'::regclass"
    change(valid.format("false"))
    try:
        found = proof(expect_writes=True)
    finally:
        change(valid.format("true"))
    assert found["invalid_indexes"] == ["index demo.proof.plain_v is not valid"]
    assert parts_wrong(found) == {"invalid_indexes"}


def test_a_table_that_became_random(proof: Callable[..., dict[str, Any]], rows: Rows) -> None:
    rows("alter table proof.plain set with (reorganize=true) distributed randomly")
    try:
        found = proof(expect_writes=True)
    finally:
        rows("alter table proof.plain set with (reorganize=true) distributed by (id)")
    assert found["scattered"] == [
        "demo.proof.plain: it was DISTRIBUTED BY (id) and is DISTRIBUTED RANDOMLY now",
    ]
    assert parts_wrong(found) == {"scattered"}


def test_a_mirror_that_is_down(proof: Callable[..., dict[str, Any]], practice: Practice, rows: Rows) -> None:
    in_sync = (
        "select count(*) from gp_segment_configuration where role <> preferred_role or mode <> 's' or status <> 'u'"
    )
    healthy = rows(f"{in_sync} and content >= 0")[0][0]
    ((host, directory),) = rows(
        "select hostname, datadir from gp_segment_configuration where content = 1 and role = 'm'"
    )
    practice.run(f"pg_ctl -D {directory} -m immediate stop", host)
    try:
        wait_until(lambda: rows(f"{in_sync} and content >= 0")[0][0] > healthy)
        found = proof(expect_writes=True)
    finally:
        assert practice.run("gprecoverseg -a").exit_code == 0
        wait_until(lambda: rows(f"{in_sync} and content >= 0")[0][0] == healthy)
    assert parts_wrong(found) == {"mirrors"}
    assert any("segment 1" in sentence or "content 1" in sentence for sentence in found["mirrors"])
