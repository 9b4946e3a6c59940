"""Room on each host that is written to."""

from greenplum_expansion.backup.archives import BackupTools, archives
from greenplum_expansion.backup.estimate import SCHEMA_BYTES, archive_bytes, needed_by_host
from greenplum_expansion.backup.selection import BackupTable, select
from tests.unit.clusters import cluster

GIB = 1024**3
TABLES = [BackupTable("demo", "s", "plain", 40 * GIB), BackupTable("demo", "s", "ao", 20 * GIB, append_optimised=True)]
CHOSEN = select([], ["demo"], TABLES)
PG_DUMP = BackupTools("", False, "", True)
GPBACKUP = BackupTools("1.30", True, "", True)


def need(tools, topology, *, rows=True):
    return needed_by_host(CHOSEN, archives(CHOSEN, tools), topology, rows=rows)


def test_a_plain_table_shrinks_and_a_compressed_one_grows():
    assert archive_bytes(TABLES) == 30 * GIB + 30 * GIB


def test_with_pg_dump_everything_lies_on_the_coordinator():
    assert need(PG_DUMP, cluster()) == {"mdw": 60 * GIB + SCHEMA_BYTES}


def test_with_gpbackup_each_host_takes_its_share_and_a_quarter_more():
    found = need(GPBACKUP, cluster(hosts=3))
    assert found == {"mdw": SCHEMA_BYTES, "sdw1": 25 * GIB, "sdw2": 25 * GIB, "sdw3": 25 * GIB}


def test_without_rows_only_the_coordinator_is_written_to():
    assert need(GPBACKUP, cluster(), rows=False) == {"mdw": SCHEMA_BYTES}
