"""Which tool gets which names, with which options."""

import pytest

from greenplum_expansion.backup.archives import (
    MOST_NAMES,
    Archive,
    BackupTools,
    Tool,
    archives,
    connection_string,
    dump_jobs,
    gpbackup_command,
    names_refused,
    pg_dump_command,
    roles_command,
)
from greenplum_expansion.backup.selection import BackupTable, select
from greenplum_expansion.cluster.patterns import Pattern

BOTH = BackupTools("gpbackup version 1.30.5", True, "pg_dump (PostgreSQL) 9.4.26", True)
PG_DUMP = BackupTools("", False, "pg_dump (PostgreSQL) 9.4.26", True)


def cut(tools, tables, *patterns):
    names = sorted({table.dbname for table in tables})
    return archives(select([Pattern.parse(p) for p in patterns], names, tables), tools)


def test_gpbackup_is_taken_where_it_is_present():
    (archive,) = cut(BOTH, [BackupTable("demo", "s", "t", 1)])
    assert (archive.tool, archive.expected) == (Tool.GPBACKUP, 1)
    assert gpbackup_command(archive, "/b/x.gpbackup", 4) == [
        "gpbackup", "--dbname", "demo", "--backup-dir", "/b/x.gpbackup", "--jobs", "4",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["it's", 'a"b', "a.b", "$(id)", "a;b", "a\\b", "x=1"])
def test_names_that_gpbackup_would_put_unquoted_into_statements_go_to_pg_dump(name):
    tables = [BackupTable(name, "s", "t", 1)]
    (archive,) = cut(BOTH, tables)
    assert archive.tool is Tool.PG_DUMP
    assert names_refused(select([], [name], tables), BOTH) == [name]


def test_a_table_named_alone_is_told_to_gpbackup_only_if_its_name_is_plain():
    tables = [BackupTable("demo", "s", "it's", 1), BackupTable("demo", "s", "plain", 1)]
    assert cut(BOTH, tables, "demo.s.plain")[0].tool is Tool.GPBACKUP
    assert cut(BOTH, tables, "demo.s.it's")[0].tool is Tool.PG_DUMP
    assert cut(BOTH, tables)[0].tool is Tool.GPBACKUP, "the whole database: no table is named"


def test_schemas_and_tables_are_two_archives_as_pg_dump_forgets_schemas_beside_tables():
    tables = [BackupTable("demo", "s", "t", 1), BackupTable("demo", "hr", "e", 1)]
    first, second = cut(PG_DUMP, tables, "demo.s", "demo.hr.e")
    assert (first.label, first.schemas, first.names) == ("01_demo", ("s",), ())
    assert (second.label, second.schemas, second.names) == ("02_demo", (), (("hr", "e"),))


def test_very_many_tables_are_cut_into_commands_that_fit():
    tables = [BackupTable("demo", "s", f"t{i}", 1) for i in range(MOST_NAMES + 1)]
    made = cut(PG_DUMP, tables, "demo.s.t*")
    assert [len(archive.names) for archive in made] == [MOST_NAMES, 1]
    assert [archive.expected for archive in made] == [MOST_NAMES, 1]


def test_pg_dump_gets_exact_names_and_a_database_that_cannot_be_an_option():
    archive = Archive("01", Tool.PG_DUMP, "host=evil", ('we"ird*',))
    command = pg_dump_command(archive, "/b/01", 3)
    assert '--schema="we""ird*"' in command
    assert command[-1] == "--dbname=dbname='host=evil'"
    assert "--jobs=3" in command
    assert "--no-password" in command


@pytest.mark.parametrize(("name", "text"), [("it's", "dbname='it\\'s'"), ("a\\b", "dbname='a\\\\b'")])
def test_a_database_name_is_quoted_as_libpq_reads_it(name, text):
    assert connection_string(name) == text


@pytest.mark.parametrize(
    ("release", "jobs"), [("6.24.3", 4), ("6.21.0", 4), ("6.20.5", 1), ("6.9", 1), ("7.0.0", 4), ("5.29.1", 1), ("", 1)]
)
def test_several_connections_only_where_they_see_the_same_moment(release, jobs):
    assert dump_jobs(release, 4)[0] == jobs
    assert bool(dump_jobs(release, 4)[1]) == (jobs == 1)


def test_one_connection_needs_no_snapshot():
    assert dump_jobs("6.9", 1) == (1, "")


def test_resource_queues_are_asked_for_where_pg_dumpall_knows_them():
    assert "--gp-syntax" in roles_command(PG_DUMP)
    assert "--gp-syntax" not in roles_command(BackupTools("", False, "pg_dump 15", False))


@pytest.mark.parametrize("name", ["../../etc", "a/b", "x y", "顧客", "-rf", ".."])
def test_an_archive_s_directory_is_made_of_harmless_letters(name):
    (archive,) = cut(PG_DUMP, [BackupTable(name, "s", "t", 1)])
    assert set(archive.label) <= set("0123456789_-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert archive.label.startswith("01_")
