"""Moving tables from four segments to eight: every kind, what waits for what, and the lock of the catalogs."""

from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors

from tests.sandbox.moving import Connect, Mover, Rows, contents, fingerprint, segments_of, state_of, wait_for
from tests.support.practice import Practice

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.usefixtures("eight_segments")]


@pytest.mark.parametrize(
    "name",
    [
        "sales.orders",
        "sales.order_lines",
        "sales.customers",
        "sales.clicks",
        "sales.mv_customers",
        "stage.ao_col_zlib",
        "stage.unlogged_t",
        'hr."Select"',
        '"Mixed Case"."Table With Space"',
        '"Größe ☃"."Straße ""7"""',
        '"Größe ☃"."顧客"',
    ],
)
def test_table_is_moved_to_all_segments_with_every_row(rows: Rows, name: str) -> None:
    before, oid = fingerprint(rows, name), rows(f"select '{name}'::regclass::oid")
    assert contents(rows, name) == [0, 1, 2, 3]
    rows(f"ALTER TABLE ONLY {name} EXPAND TABLE")
    assert fingerprint(rows, name) == before
    assert contents(rows, name) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert segments_of(rows, name) == 8
    assert rows(f"select '{name}'::regclass::oid") == oid
    with pytest.raises(psycopg2.Error) as refused:
        rows(f"ALTER TABLE ONLY {name} EXPAND TABLE")
    assert refused.value.diag.message_primary == f'cannot expand table "{unqualified(rows, name)}"'
    assert refused.value.diag.message_detail == "table has already been expanded"
    assert refused.value.diag.context is None


def unqualified(rows: Rows, name: str) -> str:
    return str(rows(f"select relname from pg_class where oid = '{name}'::regclass")[0][0])


def test_replicated_table_gets_a_copy_on_every_segment(rows: Rows) -> None:
    copies = "select gp_segment_id, count(*) from gp_dist_random('sales.regions') group by 1 order by 1"
    assert rows(copies) == [(i, 12) for i in range(4)]
    rows("ALTER TABLE sales.regions EXPAND TABLE")
    assert rows(copies) == [(i, 12) for i in range(8)]
    rows("update sales.regions set title = 'x' where code = 'r1'; delete from sales.regions where code = 'r2'")
    assert rows(copies) == [(i, 11) for i in range(8)]
    assert rows("select count(*) from gp_dist_random('sales.regions') where title = 'x'") == [(8,)]
    with pytest.raises(errors.UndefinedColumn, match='column "gp_segment_id" does not exist'):
        rows("select gp_segment_id from sales.regions")


def test_partitions_are_prepared_and_then_moved_leaf_by_leaf(rows: Rows) -> None:
    before = fingerprint(rows, "sales.events")
    with pytest.raises(psycopg2.Error, match='cannot expand leaf or interior partition "events_1_prt_1_2_prt_a"'):
        rows("ALTER TABLE sales.events_1_prt_1_2_prt_a EXPAND TABLE")
    rows("ALTER TABLE sales.events EXPAND PARTITION PREPARE")
    leaves = [
        row[0] for row in rows("select oid::regclass::text from pg_class where relname like 'events_1_prt%_2_prt%'")
    ]
    assert len(leaves) == 12
    policy = (
        "select distinct numsegments, pg_get_table_distributedby(localoid) from gp_distribution_policy where localoid"
    )
    named = "(select oid from pg_class where relname ~ '{}')"
    assert rows(f"{policy} in {named.format('^events_1_prt_._2')}") == [(8, "DISTRIBUTED RANDOMLY")]
    assert rows(f"{policy} in {named.format('^events(_1_prt_.)?$')}") == [(8, "DISTRIBUTED BY (id)")]
    assert contents(rows, "sales.events") == [0, 1, 2, 3]  # not a row has moved
    assert fingerprint(rows, "sales.events") == before
    rows("insert into sales.events select -i, date '2025-01-05', 'a', 'new' from generate_series(1, 200) i")
    assert contents(rows, "sales.events_1_prt_1_2_prt_a") == [0, 1, 2, 3, 4, 5, 6, 7]
    rows("delete from sales.events where id < 0")
    with pytest.raises(psycopg2.Error, match="can't set the distribution policy"):
        rows("ALTER TABLE sales.events_1_prt_1_2_prt_a SET WITH (REORGANIZE=true) DISTRIBUTED BY (kind)")
    for leaf in leaves:
        rows(f"ALTER TABLE {leaf} SET WITH (REORGANIZE=true) DISTRIBUTED BY (id)")
        assert contents(rows, leaf) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert rows(f"{policy} in {named.format('^events')}") == [(8, "DISTRIBUTED BY (id)")]
    assert fingerprint(rows, "sales.events") == before
    assert rows("select count(*) from sales.events where id = 77") == [(1,)]  # the key prunes as before


def test_external_and_local_tables_change_their_policy_only(rows: Rows) -> None:
    with pytest.raises(psycopg2.Error, match='cannot expand table "ext_gpfdist"'):
        rows("ALTER EXTERNAL TABLE stage.ext_gpfdist EXPAND TABLE")
    rows("ALTER EXTERNAL TABLE stage.ext_w EXPAND TABLE")
    assert segments_of(rows, "stage.ext_w") == 8
    with pytest.raises(psycopg2.Error, match='"v_orders" is not a table or materialized view'):
        rows("ALTER TABLE sales.v_orders EXPAND TABLE")


def test_move_is_undone_with_its_transaction(connect: Connect, rows: Rows, table: str) -> None:
    before = fingerprint(rows, table)
    with closing(connect()) as session, session.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute(f"alter table {table} expand table")
        assert cursor.statusmessage == "ALTER TABLE"
        cursor.execute("rollback")
    assert segments_of(rows, table) == 4
    assert contents(rows, table) == [0, 1, 2, 3]
    assert fingerprint(rows, table) == before


def test_rows_of_an_unmoved_table_are_read_and_written_where_they_lie(rows: Rows, table: str) -> None:
    rows(f"insert into {table} select i, 'new' from generate_series(100001, 100100) i")
    rows(f"update {table} set v = 'changed' where id <= 10; delete from {table} where id between 11 and 20")
    assert contents(rows, table) == [0, 1, 2, 3]
    assert rows(f"select count(*), sum((v = 'changed')::int), sum((v = 'new')::int) from {table}") == [(40090, 10, 100)]
    with pytest.raises(errors.UniqueViolation):
        rows(f"insert into {table} values (1, 'twice')")


def test_move_waits_for_readers_and_gives_up_at_its_lock_timeout(connect: Connect, rows: Rows, table: str) -> None:
    with closing(connect()) as reader, reader.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute(f"select count(*) from {table}")
        mover = Mover(connect, table)
        wait_for("the move to wait", lambda: state_of(rows, mover.pid)[1])
        held = rows(
            f"select mode, granted from pg_locks where pid = {mover.pid} and relation = '{table}'::regclass", "demo"
        )
        assert ("AccessExclusiveLock", False) in held
        impatient = Mover(connect, table, "set lock_timeout = '50ms'")
        assert isinstance(impatient.end(), errors.LockNotAvailable)
        cursor.execute("commit")
        assert mover.end() is None
    assert segments_of(rows, table) == 8


def test_other_tables_are_used_while_one_is_moved(practice: Practice, connect: Connect, rows: Rows, table: str) -> None:
    practice.set_fault("slow-moves", "1")
    try:
        mover = Mover(connect, table)
        wait_for("the move", lambda: state_of(rows, mover.pid)[0] == "active")
        rows("insert into sales.orders (id, note) values (-1, 'meanwhile')")
        assert rows("select note from sales.orders where id = -1") == [("meanwhile",)]
        rows("delete from sales.orders where id = -1")
        assert mover.end() is None
    finally:
        practice.clear_faults()


def test_catalog_lock_refuses_ddl_everywhere_and_lets_rows_pass(connect: Connect, rows: Rows) -> None:
    message = "gpexpand in progress, catalog changes are disallowed."
    with closing(connect("postgres", options="-c gp_session_role=utility")) as expander, expander.cursor() as lock:
        lock.execute("begin")
        lock.execute("select gp_expand_lock_catalog()")
        for database in ("demo", "postgres"):
            with pytest.raises(psycopg2.Error) as refused:
                rows("create table public.probe (a int) distributed by (a)", database)
            assert refused.value.pgerror.strip() == f"ERROR:  {message}"
        with pytest.raises(psycopg2.Error, match="catalog changes are disallowed"):
            rows("alter table stage.small_02 expand table")
        rows("insert into stage.small_02 values (-1, 'x'); delete from stage.small_02 where id = -1")
        lock.execute("commit")
    rows("create table public.probe (a int) distributed by (a)")
    assert segments_of(rows, "public.probe") == 8
    rows("drop table public.probe")


def test_catalog_lock_waits_for_open_ddl(connect: Connect, rows: Rows) -> None:
    with closing(connect()) as changer, changer.cursor() as ddl, closing(connect("postgres")) as expander:
        ddl.execute("begin")
        ddl.execute("create table public.probe2 (a int) distributed by (a)")
        with expander.cursor() as lock:
            lock.execute("set lock_timeout = '100ms'")
            with pytest.raises(errors.LockNotAvailable):
                lock.execute("begin; select gp_expand_lock_catalog()")
            lock.execute("rollback")
            ddl.execute("rollback")
            lock.execute("begin; select gp_expand_lock_catalog(); rollback")


def test_session_older_than_the_expansion_may_not_change_catalogs(connect: Connect, rows: Rows) -> None:
    with closing(connect()) as old, old.cursor() as cursor:
        cursor.execute("select 1")
        rows("select gp_expand_bump_version()", "postgres")
        with pytest.raises(
            psycopg2.Error, match=r"cluster is expaneded from version \d+ to \d+, catalog changes are disallowed"
        ):
            cursor.execute("create table public.late (a int) distributed by (a)")
        with pytest.raises((psycopg2.OperationalError, psycopg2.InterfaceError)):
            cursor.execute("select 1")  # the session has ended
    rows("create table public.late (a int) distributed by (a); drop table public.late")
