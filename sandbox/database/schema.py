"""Install the SQL objects of the imitation on a new coordinator. The statements are in sql/coordinator/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import settings
from .instance import read_identity


def backend_connection(datadir: Path, database: str) -> Any:
    """A psycopg2 connection (autocommit) to the coordinator's server itself, past the proxy; on its own host only.

    Its commits do not wait for the standby: after a restart that may not be up yet.
    """
    import psycopg2  # here: segments' commands do without it

    port = read_identity(datadir).port + settings.BACKEND_PORT_OFFSET
    connection = psycopg2.connect(
        host=str(settings.runtime_directory(datadir)), port=port, dbname=database, user=settings.SUPERUSER,
        application_name="sandbox", options="-c synchronous_commit=local",
    )  # fmt: skip
    connection.autocommit = True
    return connection


def install_on_coordinator(datadir: Path) -> None:
    """Into template1 of the running server (no proxy needed); database postgres is made anew as a copy of it."""
    connection = backend_connection(datadir, "template1")
    with connection.cursor() as cursor:
        for file in sorted((settings.SQL_DIRECTORY / "coordinator").glob("*.sql")):
            cursor.execute(file.read_text())
        # Only this session is connected to template1, so it may be copied from here.
        cursor.execute("drop database postgres")
        cursor.execute("create database postgres")
        cursor.execute("comment on database postgres is 'default administrative connection database'")
    connection.close()
