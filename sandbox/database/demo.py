"""Fill database demo with tables of every kind (sql/demo/), in Greenplum's own syntax and through the proxy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from sandbox import layout

from . import settings
from .lexer import statements

FULL_SIZE = 950
"""Megabytes that the tables have with the numbers of rows as they stand in the files."""

_SCHEMAS = ("sales", "hr", "stage", "Mixed Case", "Größe ☃")
_SMALL = (
    "create table stage.small_NN (id int, v text) distributed by (id);\n"
    "insert into stage.small_NN select g, md5(g::text) from generate_series(1, {n:ROWS}) g;"
)
_MARK = "practice data of the sandbox"


def load(port: int, size: int) -> bool:
    """Load about `size` megabytes; False if a complete load was there already.

    An incomplete one (the loader was killed) is thrown away first.
    """
    with closing(connect(port)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = %s", (layout.DATABASE,)
        )
        if (cursor.fetchone()[0] or "").startswith(_MARK):
            return False
        for schema in _SCHEMAS:
            cursor.execute(f'drop schema if exists "{schema}" cascade')
    first, *others = sorted((settings.SQL_DIRECTORY / "demo").glob("*.sql"))
    scale = size / FULL_SIZE
    _run(port, first.read_text(), scale)
    with ThreadPoolExecutor(2) as pool:  # two sessions: what two processors can do
        for job in [pool.submit(_run, port, file.read_text(), scale) for file in others]:
            job.result()
    with closing(connect(port)) as connection, connection.cursor() as cursor:
        cursor.execute(f"comment on database {layout.DATABASE} is '{_MARK}, {int(size)} MB'")
    return True


def connect(port: int) -> Any:
    """A psycopg2 connection (autocommit) to database demo through the proxy."""
    import psycopg2

    connection = psycopg2.connect(
        host=settings.SOCKET_DIRECTORIES[0],
        port=port,
        dbname=layout.DATABASE,
        user=settings.SUPERUSER,
        application_name="load",
    )
    connection.autocommit = True
    return connection


def scaled(text: str, scale: float) -> str:
    """The statements with their numbers of rows scaled; at least one row each."""
    small = "\n".join(_SMALL.replace("NN", f"{i:02d}").replace("ROWS", str(i * 1000)) for i in range(1, 19))
    text = text.replace("{small tables}", small)
    return re.sub(r"\{n:(\d+)\}", lambda found: str(max(1, round(int(found.group(1)) * scale))), text)


def _run(port: int, text: str, scale: float) -> None:
    with closing(connect(port)) as connection, connection.cursor() as cursor:
        for statement in _split(scaled(text, scale)):
            cursor.execute(statement)


def _split(text: str) -> Iterator[str]:
    for statement in statements(text):
        yield text[statement[0].start : statement[-1].end]
