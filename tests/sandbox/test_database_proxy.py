"""What is not rewritten passes the proxy unharmed: COPY, large values, pipelines, prepared statements, notices."""

import hashlib
import io
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.sandbox.conformance.practice import Practice

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

Connect = Callable[..., Any]


def test_copy_in_and_out(connect: Connect) -> None:
    text = "".join(f"{i}\tvalue {i}\n" for i in range(20000))
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute("create temp table copied (id int, v text)")
        cursor.copy_expert("copy copied from stdin", io.StringIO(text))
        assert cursor.rowcount == 20000
        out = io.StringIO()
        cursor.copy_expert("copy (select * from copied order by id) to stdout", out)
        assert out.getvalue() == text


def test_large_values_and_many_rows_pass_in_both_directions(connect: Connect) -> None:
    large = "äß" * 3_000_000
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute("select md5(%s), %s", (large, large))
        assert cursor.fetchone() == (hashlib.md5(large.encode()).hexdigest(), large)
        cursor.execute("select i, repeat('x', i % 300) from generate_series(1, 200000) i")
        assert sum(len(v) for _, v in cursor.fetchall()) == sum(i % 300 for i in range(1, 200001))


def test_own_errors_keep_their_context_and_notices_arrive(connect: Connect) -> None:
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "create function pg_temp.f() returns int language plpgsql as"
            " $$ begin raise notice 'hello'; return 1 / 0; end $$"
        )
        with pytest.raises(psycopg2.errors.DivisionByZero) as failed:
            cursor.execute("select pg_temp.f()")
        assert "PL/pgSQL function" in failed.value.diag.context
        assert connection.notices[-1].strip() == "NOTICE:  hello"


def test_psycopg_3_with_prepared_statements_pipeline_and_rewritten_ones(practice: Practice) -> None:
    psycopg = pytest.importorskip("psycopg")
    known = json.loads(practice.state.connection.read_text())
    with psycopg.connect(
        host=known["host"],
        port=known["port"],
        user=known["login"],
        password=known["password"],
        dbname="demo",
        autocommit=True,
    ) as connection:
        assert connection.info.server_version == 90426
        for content in range(8):  # prepared on the server from the fifth time on
            found = connection.execute("select count(*) from sales.orders where id = %s", (content,), prepare=True)
            assert found.fetchone() == (1 if content else 0,)
        with connection.pipeline():
            cursors = [connection.execute("select %s::int, repeat('y', 50000)", (number,)) for number in range(50)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(50))
        rows = connection.execute("select gp_segment_id, count(*) from sales.orders group by 1 order by 1").fetchall()
        assert [content for content, _ in rows] == [0, 1, 2, 3]
        with pytest.raises(psycopg.Error, match='cannot expand table "orders"'):
            connection.execute("alter table sales.orders expand table")


def test_vacuum_reaches_the_segments(connect: Connect) -> None:
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "create table public.swollen as select i, repeat('x', 100) as v from generate_series(1, 20000) i"
        )
        try:
            cursor.execute("delete from public.swollen where i > 10; select pg_relation_size('public.swollen')")
            before = cursor.fetchone()[0]
            connection.notices.clear()
            cursor.execute("VACUUM FULL public.swollen")
            assert cursor.statusmessage == "VACUUM"
            assert connection.notices == []
            cursor.execute("select pg_relation_size('public.swollen'), count(*) from public.swollen")
            size, rows = cursor.fetchone()
            assert size < before / 10
            assert rows == 10
        finally:
            cursor.execute("drop table public.swollen")


def test_failed_login_names_the_database(practice: Practice) -> None:
    known = json.loads(practice.state.connection.read_text())
    with pytest.raises(psycopg2.OperationalError, match='database "nowhere" does not exist'):
        psycopg2.connect(
            host=known["host"], port=known["port"], user=known["login"], password=known["password"], dbname="nowhere"
        )
