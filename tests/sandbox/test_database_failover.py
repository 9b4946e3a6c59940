"""A primary dies: fts promotes its mirror, and every row whose insert was confirmed is there, once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg2
import pytest

from tests.sandbox.conformance.practice import Practice
from tests.sandbox.moving import asleep, fingerprint, wait_for
from tests.support.practice import as_after_up

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

Rows = Callable[..., list[tuple[Any, ...]]]
Connect = Callable[..., Any]

KILL = "kill -9 $(head -1 {0}/postmaster.pid)"
CONFIGURATION = (
    "select dbid::int, role::text, mode::text, status::text from gp_segment_configuration where content = {} order by 1"
)


@pytest.fixture(autouse=True)
def whole_again(practice: Practice) -> Iterator[None]:
    """Each test breaks the cluster."""
    yield
    as_after_up(practice)


def test_confirmed_rows_survive_the_death_of_their_primary(practice: Practice, connect: Connect, rows: Rows) -> None:
    rows("create table public.confirmed (id bigint, v text) distributed by (id)")
    wait_for(
        "mirrors in sync",
        lambda: rows("select bool_and(mode = 's') from gp_segment_configuration where content >= 0")[0][0],
    )
    confirmed: list[int] = []
    ended = threading.Event()

    def insert() -> None:
        """One row a transaction; a new session after an error."""
        connection, number = None, 0
        while not ended.is_set():
            number += 1
            with suppress(psycopg2.Error):
                connection = connection or connect()
                with connection.cursor() as cursor:
                    cursor.execute("insert into public.confirmed values (%s, 'x')", (number,))
                confirmed.append(number)
                continue
            connection = None

    writer = threading.Thread(target=insert)
    writer.start()
    wait_for("rows", lambda: len(confirmed) > 100)
    assert practice.run(KILL.format("/data/primary/gpseg1"), "sdw1").exit_code == 0
    wait_for("the mirror's promotion", lambda: (7, "p", "n", "u") in rows(CONFIGURATION.format(1)))
    before = len(confirmed)
    wait_for("rows again", lambda: len(confirmed) > before + 100)
    ended.set()
    writer.join(60)

    assert rows(CONFIGURATION.format(1)) == [(3, "m", "n", "d"), (7, "p", "n", "u")]
    history = [row[0] for row in rows('select "desc" from gp_configuration_history order by time desc limit 2')]
    assert set(history) == {
        "FTS: update role, status, and mode for dbid 7 with contentid 1 to p, u, and n",
        "FTS: update role, status, and mode for dbid 3 with contentid 1 to m, d, and n",
    }
    there = [row[0] for row in rows("select id from public.confirmed")]
    assert len(there) == len(set(there))
    assert set(confirmed) <= set(there)


def test_dead_mirror_is_marked_down_and_commits_go_on(practice: Practice, rows: Rows) -> None:
    assert practice.run(KILL.format("/data/mirror/gpseg2"), "sdw1").exit_code == 0
    wait_for("the mirror to be marked down", lambda: (8, "m", "n", "d") in rows(CONFIGURATION.format(2)))
    assert (4, "p", "n", "u") in rows(CONFIGURATION.format(2))
    rows("insert into stage.small_03 select i, 'x' from generate_series(-50, -1) i")
    practice.run("/opt/sandbox/bin/python -m sandbox.database.instance start --datadir /data/mirror/gpseg2", "sdw1")
    wait_for("the mirror in sync", lambda: (8, "m", "s", "u") in rows(CONFIGURATION.format(2)))


def test_move_that_loses_a_primary_fails_and_succeeds_on_the_mirror(
    practice: Practice, connect: Connect, rows: Rows
) -> None:
    before = fingerprint(rows, "sales.orders")
    practice.set_fault("slow-moves", "0.5")
    connection = connect()
    failure: list[psycopg2.Error] = []

    def move() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("alter table sales.orders set with (reorganize=true) distributed by (customer_id)")
        except psycopg2.Error as error:
            failure.append(error)

    mover = threading.Thread(target=move)
    mover.start()
    wait_for("the move to sleep", lambda: asleep(rows, connection.get_backend_pid()))
    assert practice.run(KILL.format("/data/primary/gpseg0"), "sdw1").exit_code == 0
    practice.clear_faults()
    mover.join(60)
    assert failure
    wait_for("the mirror's promotion", lambda: (6, "p", "n", "u") in rows(CONFIGURATION.format(0)))
    assert fingerprint(rows, "sales.orders") == before
    rows("alter table sales.orders set with (reorganize=true) distributed by (customer_id)")
    assert fingerprint(rows, "sales.orders") == before
    assert rows("select pg_get_table_distributedby('sales.orders'::regclass)") == [("DISTRIBUTED BY (customer_id)",)]


def test_probe_request_returns_after_a_round(rows: Rows) -> None:
    assert rows("select gp_request_fts_probe_scan()") == [(True,)]
