"""SQL to the coordinator from its own host: connections, the array, the words in which errors are logged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .environment import Environment
from .segments import COLUMNS, Array, Segment

UTILITY_MODE = "-c gp_session_role=utility"


def connect(
    environment: Environment, dbname: str, *, utility: bool = False, host: str = "localhost", port: int | None = None
) -> Any:
    """A psycopg2 connection; autocommit is on.

    Like gppylib's it has no application_name, which is how its sessions look in pg_stat_activity.
    """
    import psycopg2  # here, not above: a bad option must not pay for it

    connection = psycopg2.connect(
        host=host,
        port=port or environment.port,
        dbname=dbname,
        user=environment.user,
        options=UTILITY_MODE if utility else "",
    )
    connection.autocommit = True
    return connection


@contextmanager
def session(environment: Environment, dbname: str, *, utility: bool = False) -> Iterator[Any]:
    """A connection that is closed afterwards."""
    connection = connect(environment, dbname, utility=utility)
    try:
        yield connection
    finally:
        connection.close()


def rows(connection: Any, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query. Without parameters '%' needs no doubling."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall())


def execute(connection: Any, sql: str, parameters: tuple[object, ...] = ()) -> None:
    """A statement without rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def scalar(connection: Any, sql: str, parameters: tuple[object, ...] = ()) -> Any:
    """The first column of the first row, or None."""
    found = rows(connection, sql, parameters)
    return found[0][0] if found else None


def read_array(connection: Any) -> Array:
    """gp_segment_configuration as it is now."""
    query = f"SELECT {COLUMNS} FROM pg_catalog.gp_segment_configuration ORDER BY content, dbid"  # noqa: S608 - a constant
    found = rows(connection, query)
    return Array(tuple(Segment(*row) for row in found))


def server_version(connection: Any) -> str:
    """``version()``, as the utilities log it."""
    return str(scalar(connection, "SELECT version()"))


def describe(error: Exception) -> str:
    """The server's message with its severity and detail, as pygresql gives it; else the exception's text."""
    return str(getattr(error, "pgerror", None) or error)
