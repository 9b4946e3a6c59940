"""Exact names come out of patterns; what matches nothing is told."""

from greenplum_expansion.backup.selection import BackupTable, select
from greenplum_expansion.cluster.patterns import Pattern

TABLES = [
    BackupTable("demo", "sales", "orders", 1000),
    BackupTable("demo", "sales", "facts", 3000, append_optimised=True),
    BackupTable("demo", "hr", "employees", 10),
    BackupTable("demo", "hr", "Select", 20),
    BackupTable("other", "public", "t", 7),
]
DATABASES = ["demo", "other", "postgres", "template1"]


def chosen(*patterns):
    return select([Pattern.parse(text) for text in patterns], DATABASES, TABLES)


def test_without_patterns_every_database_is_meant_but_for_those_that_hold_nothing_of_a_user():
    assert [(d.dbname, d.is_whole) for d in chosen().databases] == [("demo", True), ("other", True)]
    assert chosen().tables == tuple(sorted(TABLES, key=lambda t: (t.dbname, t.schema, t.name)))


def test_a_user_s_table_in_postgres_counts():
    made = select([], DATABASES, [BackupTable("postgres", "public", "mine", 1)])
    assert "postgres" in [d.dbname for d in made.databases]


def test_schemas_and_single_tables_are_kept_apart_and_no_table_is_named_twice():
    (demo,) = chosen("demo.sales", "demo.*.Select", "demo.sales.orders").databases
    assert not demo.is_whole
    assert (demo.schemas, demo.names) == (("sales",), (("hr", "Select"),))
    assert {t.name for t in demo.tables} == {"orders", "facts", "Select"}


def test_a_whole_database_swallows_what_else_is_named_of_it():
    (demo,) = chosen("demo", "demo.sales").databases
    assert demo.is_whole
    assert demo.schemas == demo.names == ()


def test_what_matches_nothing_is_told():
    assert chosen("demo.sales", "demo.slaes", "nowhere", "demo.hr.salary").unmatched == (
        "demo.slaes",
        "nowhere",
        "demo.hr.salary",
    )
