"""The catalogs against the recordings of a real Greenplum 6.24.3: names, columns, types, rows and values."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

Rows = Callable[..., list[tuple[Any, ...]]]
Connect = Callable[..., Any]
RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"


def recorded_table(name: str, first_column: str) -> list[dict[str, str]]:
    """Rows of the table of psql whose header begins with that column."""
    lines = iter((RECORDINGS / name).read_text().splitlines())
    for line in lines:
        header = [cell.strip() for cell in line.split("|")]
        if len(header) > 1 and header[0] == first_column:
            break
    next(lines)
    found = []
    for line in lines:
        if line.startswith("("):
            break
        found.append(dict(zip(header, (cell.strip() for cell in line.split("|")), strict=True)))
    return found


def recorded_columns(relation: str) -> list[tuple[str, str]]:
    r"""Column names and types as `\d+` showed them."""
    text = (RECORDINGS / "05_describe_catalog.txt").read_text()
    part = text[text.index(f'"pg_catalog.{relation}"') :]
    rows = re.findall(r"^ (\w+) +\| ([^|]+?) +\|", part[: part.index("\n\n")].split("\n", 3)[3], re.MULTILINE)
    until = next((i for i, (name, _) in enumerate(rows) if name == "View"), len(rows))
    return rows[:until]


def test_segment_configuration_is_the_recorded_one(rows: Rows) -> None:
    recorded = recorded_table("05_catalog_before.txt", "dbid")
    columns = ", ".join(f"{name}::text" for name in recorded[0])
    found = rows(f"select {columns} from gp_segment_configuration order by content, preferred_role desc")
    assert [tuple(row.values()) for row in recorded] == found


@pytest.mark.parametrize(
    "relation",
    [
        "gp_segment_configuration",
        "gp_distribution_policy",
        "pg_stat_activity",
        "gp_configuration_history",
        "gp_stat_replication",
    ],
)
def test_catalog_has_the_recorded_columns(rows: Rows, relation: str) -> None:
    found = rows(
        "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
        f" where attrelid = 'pg_catalog.{relation}'::regclass and attnum > 0 order by attnum"
    )
    assert found == recorded_columns(relation)


def test_distribution_policies_are_the_recorded_ones(rows: Rows) -> None:
    left_out = {"inh_child", "inh_parent"}  # inheritance is not part of the sandbox
    recorded = {
        (row["nspname"], row["relname"]): row
        for row in recorded_table("05_catalog_before.txt", "localoid")
        if row["relname"] not in left_out
    }
    names = ("relkind", "relstorage", "policytype", "numsegments", "distkey", "distclass", "distby")
    found = {
        row[:2]: row[2:]
        for row in rows(
            "select n.nspname::text, c.relname::text, relkind::text, relstorage::text, policytype::text,"
            " numsegments::text, distkey::text, distclass::text, pg_get_table_distributedby(c.oid)"
            " from gp_distribution_policy p"
            " join pg_class c on c.oid = p.localoid join pg_namespace n on n.oid = c.relnamespace"
        )
    }
    assert {key: found.get(key) for key in recorded} == {
        key: tuple(row[name] for name in names) for key, row in recorded.items()
    }


def test_history_tells_what_fts_found_first(rows: Rows) -> None:
    recorded = {row["desc"] for row in recorded_table("07_conf_history.txt", "time")}
    assert {row[0] for row in rows('select "desc" from gp_configuration_history')} >= recorded


def test_every_mirror_and_the_standby_stream(rows: Rows) -> None:
    found = rows("select gp_segment_id, state, sync_state, sync_error from gp_stat_replication order by 1")
    assert found == [(content, "streaming", "sync", "none") for content in range(-1, 4)]


def test_versions_are_greenplums(connect: Connect, rows: Rows) -> None:
    said = re.search(r"^PostgreSQL 9.*$", (RECORDINGS / "03_version.txt").read_text(), re.MULTILINE)
    assert said is not None
    assert rows("select version()") == [(said.group(),)]
    with closing(connect()) as connection:
        assert connection.server_version == 90426
        assert connection.get_parameter_status("server_version") == "9.4.26"


def test_partitions_are_listed_with_their_parents(rows: Rows) -> None:
    assert len(rows("select * from pg_partitions where tablename = 'facts'")) == 13
    levels = rows("select parlevel, paristemplate, count(*) from pg_partition group by 1, 2 order by 1, 2")
    assert levels == [(0, False, 2), (1, False, 1), (1, True, 1)]
    leaves = rows(
        "select c.relname::text, d.relname::text from pg_partitions p"
        " join pg_class c on c.relname = p.partitiontablename"
        " join pg_inherits i on i.inhrelid = c.oid join pg_class d on d.oid = i.inhparent"
        " where p.tablename = 'events' and not c.relhassubclass order by 1"
    )
    assert len(leaves) == 12
    assert leaves[0] == ("events_1_prt_1_2_prt_a", "events_1_prt_1")  # as gpexpand records root_partition_oid
    assert rows("select count(*) from pg_partition_rule r join pg_partition p on p.oid = r.paroid") == [(13 + 4 + 12,)]


def test_what_holds_the_rows_is_not_shown(rows: Rows) -> None:
    assert rows("select count(*) from pg_class where relkind = 'p' or relname like '%gpseg%'") == [(0,)]
    assert rows(
        "select count(*) from pg_inherits i left join pg_class c on c.oid = i.inhrelid where c.oid is null"
    ) == [(0,)]
    assert rows("select count(*) from pg_tables where schemaname in ('pg_aoseg', 'pg_sandbox')") == [(0,)]
    shown = {row[0] for row in rows("select nspname::text from pg_namespace where nspname !~ '^pg_'")}
    assert shown == {"sales", "hr", "stage", "Mixed Case", "Größe ☃", "public", "information_schema", "gp_toolkit"}
    others = (
        "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and query ~ 'synchronous_standby_names'"
    )
    assert rows(others) == [(0,)]


@pytest.mark.parametrize(
    "view", ["gp_skew_coefficients", "gp_skew_idle_fractions", "gp_bloat_diag", "gp_stats_missing"]
)
def test_toolkit_has_the_recorded_columns(connect: Connect, view: str) -> None:
    recorded = {
        "gp_skew_coefficients": ["skcoid", "skcnamespace", "skcrelname", "skccoeff"],
        "gp_skew_idle_fractions": ["sifoid", "sifnamespace", "sifrelname", "siffraction"],
        "gp_bloat_diag": ["bdirelid", "bdinspname", "bdirelname", "bdirelpages", "bdiexppages", "bdidiag"],
        "gp_stats_missing": ["smischema", "smitable", "smisize", "smicols", "smirecs"],
    }[view]
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"select * from gp_toolkit.{view}")
        assert [column.name for column in cursor.description] == recorded
        assert cursor.rowcount > 0


def test_toolkit_finds_the_skewed_and_the_bloated_table(rows: Rows) -> None:
    assert rows("select skcrelname from gp_toolkit.gp_skew_coefficients order by skccoeff desc limit 1") == [
        ("skewed",)
    ]
    assert ("bloaty", "significant amount of bloat suspected") in rows(
        "select bdirelname, bdidiag from gp_toolkit.gp_bloat_diag"
    )


def test_sizes_count_what_lies_on_segments(rows: Rows) -> None:
    size = rows(
        "select pg_relation_size('sales.orders'), pg_total_relation_size('sales.order_lines'),"
        " pg_relation_size('sales.order_lines'), pg_database_size('demo')"
    )[0]
    assert size[0] > 1_000_000
    assert size[1] > size[2]  # it has an index
    assert size[3] > sum(row[0] for row in rows("select pg_relation_size(localoid) from gp_distribution_policy"))
    listed = rows(
        "select sotaidtablesize from gp_toolkit.gp_size_of_table_and_indexes_disk where sotaidtablename = 'orders'"
    )
    assert listed == [(size[0],)]


def test_gp_segment_id_and_gp_dist_random_name_every_segment(rows: Rows) -> None:
    per_segment = dict(rows("SELECT gp_segment_id, count(*) FROM sales.orders GROUP BY 1"))
    assert set(per_segment) == {0, 1, 2, 3}
    assert sum(per_segment.values()) == rows("select count(*) from sales.orders")[0][0]
    assert rows("select count(*) from gp_dist_random('gp_id')") == [(4,)]
    assert rows(
        "select gp_execution_segment() as c, count(*) from gp_dist_random('sales.regions') t group by 1 order by 1"
    ) == [(content, 12) for content in range(4)]
    assert rows("select count(*) from only sales.orders") == rows("select count(*) from sales.orders")
    assert rows("select count(*) from only sales.facts") == [(0,)]


def test_utility_mode_and_greenplums_settings_are_accepted(connect: Connect) -> None:
    with (
        closing(connect("postgres", options="-c gp_session_role=utility")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("set optimizer = off; set gp_enable_global_deadlock_detector = on")
        cursor.execute("show gp_server_version")
        assert cursor.fetchone()[0].startswith("6.24.3 build")


def test_statement_that_cannot_be_imitated_fails_and_says_so(connect: Connect) -> None:
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute("begin")
        with pytest.raises(psycopg2.errors.FeatureNotSupported, match="is not part of the sandbox"):
            cursor.execute(
                "create table public.p (a int, b int) distributed by (a) partition by range (a, b) (start (1) end (2))"
            )
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            cursor.execute("select 1")
        cursor.execute("rollback")
        with pytest.raises(psycopg2.errors.FeatureNotSupported, match="changing columns"):
            cursor.execute("alter table sales.orders add column x int")


def test_tables_are_created_as_greenplum_would(connect: Connect) -> None:
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute("create schema made")
        try:
            cursor.execute("create table made.keyed (a int, b text primary key)")
            cursor.execute("create table made.plain (j json, b text)")
            cursor.execute(
                "create table made.copied as select i, i % 3 as k from generate_series(1, 100) i distributed by (k)"
            )
            assert cursor.statusmessage == "SELECT 100"
            cursor.execute("create table made.liked (like made.keyed)")
            cursor.execute("create temp table t on commit drop as select 1")
            cursor.execute(
                "select c.relname::text, pg_get_table_distributedby(c.oid) from pg_class c"
                " where relnamespace = 'made'::regnamespace and relkind = 'r' order by 1"
            )
            assert cursor.fetchall() == [
                ("copied", "DISTRIBUTED BY (k)"),
                ("keyed", "DISTRIBUTED BY (b)"),
                ("liked", "DISTRIBUTED BY (a)"),
                ("plain", "DISTRIBUTED BY (b)"),
            ]
            assert any(
                "Using column named 'a' as the Greenplum Database data distribution key" in n
                for n in connection.notices
            )
            cursor.execute(
                "create materialized view made.m as select k, count(*) from made.copied group by 1 distributed by (k)"
            )
            cursor.execute("insert into made.copied values (101, 7)")
            cursor.execute("refresh materialized view made.m")
            assert cursor.statusmessage == "REFRESH MATERIALIZED VIEW"
            cursor.execute("select count(*), sum(count) from made.m")
            assert cursor.fetchone() == (4, 101)
        finally:
            cursor.execute("drop schema made cascade")
