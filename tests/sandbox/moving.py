"""Moving tables of the practice database in tests: four more segments, a table, and its move in another session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg2
import pytest

from tests.support.practice import Practice

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


@pytest.fixture(scope="module")
def eight_segments(practice: Practice, rows: Rows) -> None:
    """Four more primaries in the catalog."""
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
def table(eight_segments: None, rows: Rows) -> Iterator[str]:
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


def asleep(rows: Rows, pid: int) -> bool:
    with suppress(psycopg2.Error):
        return rows(f"select wait_event from pg_stat_activity_real where pid = {pid}", "postgres") == [("PgSleep",)]
    return False
