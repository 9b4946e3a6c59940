"""Moving tables from four segments to eight: every kind, and with something dying in between. No row may be lost."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from tests.sandbox.conformance.practice import Practice

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

Rows = Callable[..., list[tuple[Any, ...]]]
Connect = Callable[..., Any]

INSTANCE = "/opt/sandbox/bin/python -m sandbox.database.instance"
NEW = ((11, 4, "sdw3", 6000), (12, 5, "sdw3", 6001), (13, 6, "sdw4", 6000), (14, 7, "sdw4", 6001))


def wait_for(what: str, condition: Callable[[], object], seconds: float = 60) -> None:
    """Poll until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"gave up waiting: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module", autouse=True)
def eight_segments(practice: Practice, rows: Rows) -> Iterator[None]:
    """Four more primaries in the catalog; afterwards everything is as before."""
    for host in ("sdw3", "sdw4"):
        practice.run("mkdir -p /data/primary && chown gpadmin:gpadmin /data/primary", host, user="root")
    for dbid, content, host, port in NEW:
        where = f"--datadir /data/primary/gpseg{content} --port {port} --content {content} --dbid {dbid}"
        made = practice.run(f"{INSTANCE} create-primary {where} --start", host)
        assert made.exit_code == 0, made.stderr
        rows(
            f"select gp_add_segment({dbid}::int2, {content}::int2, 'p', 'p', 'n', 'u', {port}, '{host}', '{host}',"
            f" '/data/primary/gpseg{content}')"
        )
    yield
    practice.clear_faults()
    practice.reset()


def fingerprint(rows: Rows, table: str) -> tuple[Any, ...]:
    """Number of rows and an order-independent checksum."""
    return rows(f"select count(*), sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric) from {table} t")[
        0
    ]


def contents(rows: Rows, table: str) -> list[int]:
    """Segments that hold rows of the table."""
    return [row[0] for row in rows(f"select distinct gp_segment_id from {table} order by 1")]


def segments_of(rows: Rows, table: str) -> int:
    """numsegments of its policy."""
    return int(rows(f"select numsegments from gp_distribution_policy where localoid = '{table}'::regclass")[0][0])


@pytest.fixture
def table(rows: Rows, request: pytest.FixtureRequest) -> Iterator[str]:
    """A table of 40,000 rows on four segments, as if made before the expansion."""
    name = "public.moved"
    rows(f"create table {name} (id bigint primary key, v text) distributed by (id)")
    with_four_segments(rows, name)
    rows(f"insert into {name} select i, repeat(md5(i::text), 4) from generate_series(1, 40000) i")
    yield name
    rows(f"drop table if exists {name}")


def with_four_segments(rows: Rows, name: str) -> None:
    """Put an empty table back onto contents 0 to 3."""
    rows(f"select pg_sandbox.protect('{name}'::regclass), pg_sandbox.move('{name}'::regclass, 4)")
    rows(f"update gp_distribution_policy set numsegments = 4 where localoid = '{name}'::regclass")
    assert segments_of(rows, name) == 4


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


class Mover:
    """An EXPAND in another session."""

    def __init__(self, connect: Connect, table: str, *settings: str) -> None:
        self.connection = connect()
        self.pid = self.connection.get_backend_pid()
        self.error: psycopg2.Error | None = None
        self.thread = threading.Thread(target=self._run, args=(table, settings))
        self.thread.start()

    def _run(self, table: str, settings: tuple[str, ...]) -> None:
        try:
            with self.connection.cursor() as cursor:
                for setting in settings:
                    cursor.execute(setting)
                cursor.execute(f"alter table {table} expand table")
        except psycopg2.Error as error:
            self.error = error

    def end(self) -> psycopg2.Error | None:
        """Wait for it."""
        self.thread.join(120)
        assert not self.thread.is_alive()
        with suppress(psycopg2.Error):
            self.connection.close()
        return self.error


def state_of(rows: Rows, pid: int) -> tuple[Any, ...]:
    found = rows(f"select state, waiting from pg_stat_activity where pid = {pid}", "postgres")
    return found[0] if found else (None, None)


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


def unused_physical_tables(practice: Practice, rows: Rows) -> int:
    """Physical tables on the old segments beyond those that the coordinator's catalog names."""
    used = (
        "select count(*) from pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver"
        " where s.srvname = 'seg{}' and array_to_string(ftoptions, ',') ~ 'table_name=t[0-9]'"
    )
    unused = 0
    for content, host, port in ((0, "sdw1", 6000), (3, "sdw2", 6001)):
        query = "select count(*) from pg_class where relkind = 'r' and relname ~ '^t[0-9]+_[0-9]+$'"
        there = practice.run(f'PGHOST=/tmp psql -p {port} -d demo -Atc "{query}"', host)
        named = rows(used.format(content))[0][0]
        unused += int(there.stdout) - int(named)
    return unused


def insists_on_intact(practice: Practice, rows: Rows, table: str, before: tuple[Any, ...]) -> None:
    """The table has its rows, once, on its old segments, and leaves nothing behind; then it can be moved."""

    def answers() -> bool:
        with suppress(psycopg2.Error):
            return fingerprint(rows, table) == before
        return False

    wait_for("the table with all its rows", answers)
    assert segments_of(rows, table) == 4
    assert contents(rows, table) == [0, 1, 2, 3]
    wait_for("the garbage to be collected", lambda: unused_physical_tables(practice, rows) == 0)
    rows(f"alter table {table} expand table")
    assert fingerprint(rows, table) == before
    assert len(contents(rows, table)) == 8


@pytest.mark.parametrize(
    "end", ["cancel", "select pg_cancel_backend({})", "select pg_terminate_backend({})", "kill -9"]
)
@pytest.mark.parametrize("moment", ["while rows are written", "before the commit"])
def test_session_ended_during_a_move(
    practice: Practice, connect: Connect, rows: Rows, table: str, end: str, moment: str
) -> None:
    before = fingerprint(rows, table)
    if moment == "before the commit":
        practice.set_fault("slow-moves", "0.1")
    mover = Mover(connect, table)
    try:
        if moment == "before the commit":
            wait_for("the move to sleep", lambda: asleep(rows, mover.pid))
        else:
            wait_for("the move", lambda: state_of(rows, mover.pid)[0] == "active")
        if end == "cancel":
            mover.connection.cancel()
        elif end == "kill -9":
            assert practice.run(f"kill -9 {mover.pid}").exit_code == 0
        else:
            rows(end.format(mover.pid), "postgres")
        error = mover.end()
    finally:
        practice.clear_faults()
    if error is None:  # it was faster
        assert moment == "while rows are written"
        assert fingerprint(rows, table) == before
        return
    insists_on_intact(practice, rows, table, before)


def asleep(rows: Rows, pid: int) -> bool:
    with suppress(psycopg2.Error):
        return rows(f"select wait_event from pg_stat_activity_real where pid = {pid}", "postgres") == [("PgSleep",)]
    return False


def test_backend_killed_while_segments_commit(practice: Practice, connect: Connect, rows: Rows, table: str) -> None:
    """One segment cannot commit (its mirror does not confirm), others have: the rows they got must not count."""
    before = fingerprint(rows, table)
    receiver = practice.run(
        "pgrep -P $(head -1 /data/mirror/gpseg1/postmaster.pid) -f walreceiver", "sdw2"
    ).stdout.strip()
    assert practice.run(f"kill -STOP {receiver}", "sdw2").exit_code == 0
    try:
        mover = Mover(connect, table)
        waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
        wait_for(
            "a segment's commit to hang",
            lambda: practice.run(f'PGHOST=/tmp psql -p 6001 -d demo -Atc "{waiting}"', "sdw1").stdout.strip() != "0",
        )
        assert practice.run(f"kill -9 {mover.pid}").exit_code == 0
        assert mover.end() is not None
    finally:
        practice.run(f"kill -CONT {receiver}", "sdw2")
    insists_on_intact(practice, rows, table, before)


def test_segment_stopped_during_a_move(practice: Practice, connect: Connect, rows: Rows, table: str) -> None:
    before = fingerprint(rows, table)
    practice.set_fault("slow-moves", "0.1")
    try:
        mover = Mover(connect, table)
        wait_for("the move to sleep", lambda: asleep(rows, mover.pid))
        practice.run(f"{INSTANCE} stop --datadir /data/primary/gpseg5 --mode immediate", "sdw3")
        practice.clear_faults()
        rows(f"select pg_cancel_backend({mover.pid})", "postgres")
        assert mover.end() is not None
    finally:
        practice.clear_faults()
        practice.run(f"{INSTANCE} start --datadir /data/primary/gpseg5", "sdw3")
    insists_on_intact(practice, rows, table, before)


def test_table_fault_is_raised_by_its_move(practice: Practice, rows: Rows) -> None:
    practice.set_fault("table.demo.stage.small_01", "no space left on device")
    try:
        with pytest.raises(psycopg2.Error, match="no space left on device"):
            rows("alter table stage.small_01 expand table")
    finally:
        practice.clear_faults()
    assert segments_of(rows, "stage.small_01") == 4
    rows("alter table stage.small_01 expand table")


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
