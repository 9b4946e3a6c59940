"""What the proxy makes of statements: text in, text out."""

import base64
import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.database import lexer, partitions, proxy, settings, statements, vacuum, wire


def shown(sql: str, ask: statements.Ask | None = None) -> str:
    """The rewritten text with its marks readable."""
    return re.sub(
        r"/\*sandbox:([A-Za-z0-9+/=]+)\*/",
        lambda found: "<" + base64.b64decode(found[1]).decode() + ">",
        statements.rewrite(sql, ask),
    )


def marked(sql: str) -> dict[str, object]:
    """What the first mark of the rewritten text tells the event trigger."""
    found = re.search(r"/\*sandbox:([A-Za-z0-9+/=]+)\*/", statements.rewrite(sql))
    assert found is not None
    return dict(json.loads(base64.b64decode(found[1])))


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "select 'alter table x expand table'",
        "-- expand table\nselect 1",
        "alter table x add column expand int",
        "select $$alter table x expand table$$",
        "create table t (a int)",
        "set work_mem = '1MB'",
        "show work_mem",
        "select * from pg_locks where gp_segment_id = -1",
        "select count(*) as gp_segment_id from t",
        "update t set note = 'distributed by (a)'",
    ],
)
def test_what_postgresql_understands_is_passed_on_as_it_is(sql: str) -> None:
    assert statements.rewrite(sql) == sql


@pytest.mark.parametrize(
    ("sql", "table", "head"),
    [
        ("ALTER TABLE hr.employees EXPAND TABLE", "hr.employees", "ALTER TABLE hr.employees SET WITHOUT OIDS"),
        (
            'alter table only "Mixed Case"."Table With Space" expand table;',
            '"Mixed Case"."Table With Space"',
            'alter TABLE only "Mixed Case"."Table With Space" SET WITHOUT OIDS',
        ),
        ('alter table "a""b; c".d expand table', '"a""b; c".d', 'alter TABLE "a""b; c".d SET WITHOUT OIDS'),
        ("/* why */ alter materialized view m expand table", "m", "/* why */ alter TABLE m SET WITHOUT OIDS"),
    ],
)
def test_expand_becomes_a_statement_that_does_nothing_and_a_mark(sql: str, table: str, head: str) -> None:
    assert statements.rewrite(sql).startswith(head)
    assert marked(sql)["do"] == "expand"
    assert marked(sql)["table"] == table


def test_every_statement_of_a_string_is_rewritten() -> None:
    text = shown("BEGIN; ALTER TABLE a EXPAND TABLE; ALTER TABLE b EXPAND PARTITION PREPARE; COMMIT")
    assert text.count("SET WITHOUT OIDS <") == 2
    assert '"do": "expand", "table": "a"' in text
    assert '"do": "prepare", "table": "b"' in text
    assert text.endswith("; COMMIT")


@pytest.mark.parametrize(
    ("clause", "by"),
    [
        ('SET WITH (REORGANIZE=true) DISTRIBUTED BY (id, "B c")', {"type": "hash", "columns": ["id", "B c"]}),
        ("SET DISTRIBUTED BY (id pg_catalog.int4_ops, a)", {"type": "hash", "columns": ["id", "a"]}),
        ("set with (reorganize = true) distributed randomly", {"type": "random", "columns": []}),
        ("SET DISTRIBUTED REPLICATED", {"type": "replicated", "columns": []}),
        ("SET WITH (REORGANIZE=true)", None),
    ],
)
def test_reorganize_tells_the_policy(clause: str, by: dict[str, object] | None) -> None:
    assert marked(f"ALTER TABLE sales.facts_1_prt_2 {clause}") == {
        "do": "redistribute",
        "table": "sales.facts_1_prt_2",
        "by": by,
    }


def test_created_table_loses_greenplums_clauses_and_keeps_postgresqls() -> None:
    text = shown(
        "create table s.t (id int primary key, v text default 'distributed by (v)') "
        "with (appendonly=true, orientation=column) distributed by (id) ;"
    )
    assert text.startswith("create table s.t (id int primary key, v text default 'distributed by (v)')  ")
    assert '"by": {"type": "hash", "columns": ["id"]}' in text
    assert '"with": {"appendonly": "true", "orientation": "column"}' in text


def test_partition_clause_is_read_with_its_subpartitions() -> None:
    spec = marked(
        "create table e (id int, day date, kind text) distributed by (id) partition by range (day) "
        "subpartition by list (kind) "
        "subpartition template (subpartition a values ('a', 'x'), default subpartition oth) "
        "(start (date '2025-01-01') inclusive end (date '2025-05-01') exclusive every (interval '1 month'), "
        "default partition other)"
    )["partition"]
    assert spec == {
        "strategy": "range",
        "column": "day",
        "parts": [
            {
                "name": None,
                "start_inclusive": True,
                "end_inclusive": False,
                "start": "date '2025-01-01'",
                "end": "date '2025-05-01'",
                "every": "interval '1 month'",
            },
            {"name": "other", "start_inclusive": True, "end_inclusive": False, "default": True},
        ],
        "sub": {
            "strategy": "list",
            "column": "kind",
            "parts": [
                {"name": "a", "start_inclusive": True, "end_inclusive": False, "values": ["'a'", "'x'"]},
                {"name": "oth", "start_inclusive": True, "end_inclusive": False, "default": True},
            ],
        },
    }


@pytest.mark.parametrize("clause", ["partition by hash (a) (x)", "partition by range (a, b) (start (1) end (2))"])
def test_partitions_that_cannot_be_imitated_are_refused(clause: str) -> None:
    with pytest.raises(partitions.BadClause):
        statements.rewrite(f"create table t (a int, b int) distributed by (a) {clause}")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "select gp_segment_id, count(*) from t group by 1",
            "select gp_segment_id(tableoid), count(*) from t group by 1",
        ),
        (
            'SELECT x.gp_segment_id FROM s."T" x GROUP BY x.gp_segment_id',
            'SELECT gp_segment_id(x.tableoid) FROM s."T" x GROUP BY gp_segment_id(x.tableoid)',
        ),
        (
            "select gp_execution_segment() as content from gp_dist_random('s.r') t",
            "select gp_segment_id(tableoid) as content from [dist_random s.r] t",
        ),
        ("select count(*) from only s.t x", "select count(*) from [only s.t] x"),
        (
            "select gp_segment_id from (select gp_segment_id, 1 from t) x order by x.gp_segment_id",
            "select gp_segment_id from (select gp_segment_id(tableoid), 1 from t) x order by x.gp_segment_id",
        ),
        (
            "with a as (select t.gp_segment_id from t) select gp_segment_id from a order by gp_segment_id",
            "with a as (select gp_segment_id(t.tableoid) from t) select gp_segment_id from a order by gp_segment_id",
        ),
        (
            "select (select 1), max(gp_segment_id) from only s.t where gp_segment_id in (1)",
            "select (select 1), max(gp_segment_id(tableoid)) from [only s.t] where gp_segment_id(tableoid) in (1)",
        ),
        ("delete from t where gp_segment_id = 1", "delete from t where gp_segment_id(tableoid) = 1"),
        ("set optimizer = off", "set gp.optimizer = off"),
        ("show server_version", f"SELECT '{settings.SERVER_VERSION}'::text AS server_version"),
        ("drop external table if exists e", "drop FOREIGN TABLE if exists e"),
        ("drop materialized view m", "drop TABLE m"),
    ],
)
def test_words_of_greenplum_are_translated(sql: str, expected: str) -> None:
    assert statements.rewrite(sql, lambda question, name: f"[{question} {name}]") == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("vacuum", (False, [])),
        ("VACUUM FULL ANALYZE s.t", (True, ["s.t"])),
        ('vacuum (full, verbose) "A b", c (x, y)', (True, ['"A b"', "c"])),
        ("vacuum; select 1", None),
        ("select 'vacuum'", None),
    ],
)
def test_vacuum_is_understood(sql: str, expected: tuple[bool, list[str]] | None) -> None:
    assert vacuum.parse(sql) == expected


def test_startup_options_of_greenplum_get_a_prefix() -> None:
    given = "-c gp_session_role=utility -c statement_timeout=5s --optimizer=off -cgp_role=utility"
    assert proxy.with_prefixes(given) == (
        "-c gp.gp_session_role=utility -c statement_timeout=5s --gp.optimizer=off -cgp.gp_role=utility"
    )


@given(st.text())
def test_tokens_cover_any_text_in_order(sql: str) -> None:
    end = 0
    for token in lexer.tokens(sql):
        assert end <= token.start < token.end
        assert sql[token.start : token.end] == token.text
        end = token.end
    assert end <= len(sql)


@given(st.text(alphabet="abcde \"'$;-/*()\n\\"))
def test_no_text_breaks_the_proxy(sql: str) -> None:
    """It may be refused; nothing else may happen."""
    for statement in (
        f"alter table {sql} expand table",
        f"create table {sql} distributed by (a)",
        f"{sql}gp_segment_id only gp_dist_random('{sql}",
    ):
        with suppress(statements.RefusedStatement, partitions.BadClause):
            statements.rewrite(statement)


def test_startup_message_survives_the_round_trip() -> None:
    parameters = {"user": "gpadmin", "database": "Größe", "options": "-c x=y"}
    packet = wire.startup(parameters)
    assert wire.integer(packet) == len(packet)
    assert wire.integer(packet, 4) == wire.PROTOCOL_3
    assert wire.read_startup(packet[8:]) == parameters


@pytest.mark.parametrize(
    ("client", "source"),
    [(None, "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("10.77.0.22", "127.77.0.22"), ("192.168.1.5", "127.77.0.1")],
)
def test_server_knows_the_clients_host(client: str | None, source: str) -> None:
    assert settings.loopback_of(client) == source
