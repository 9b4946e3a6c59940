"""What the SQL driver and the server say, put into subject, cause and next action."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2

from greenplum_expansion.errors import ActionRefused, RemoteError

# Each: what libpq or the server says, what the reader does. The first that fits counts.
_CONNECT_ACTIONS = (
    ("could not translate host name", "correct the host in the connection"),
    ("password authentication failed", "correct login or password in the connection"),
    ("no password supplied", "enter the password in the connection"),
    (
        "no pg_hba.conf entry",
        "let the Airflow workers in: add a line to the coordinator's pg_hba.conf, then 'gpstop -u'",
    ),
    ("Connection refused", "check that the cluster is up (gpstate on the coordinator) and the port is right"),
    ("timeout expired", "check that the coordinator is up and no firewall lies between"),
    ("timed out", "check that the coordinator is up and no firewall lies between"),
    ("No route to host", "check the network between the Airflow worker and the coordinator"),
    ("starting up", "wait until the cluster has started, then clear the task"),
    ("shutting down", "start the cluster, then clear the task"),
    ("in recovery mode", "connect to the coordinator, not to the standby or a segment"),
    ("utility-mode", "connect to the coordinator, not to a segment"),
    ("utility mode", "connect to the coordinator, not to a segment"),
    ("too many clients", "free sessions, or raise max_connections"),
    ("remaining connection slots", "free sessions, or raise max_connections"),
    ("does not exist", "correct the database (schema) or the login in the connection"),
    ("SSL", "correct sslmode in the connection's extra"),
)
_PRODUCT = re.compile(
    r"\((?P<name>[A-Za-z ]*?(?:Database|Greengage|MatrixDB|Cloudberry)[A-Za-z ]*?) (?P<version>[0-9][^ )]*)"
)
_OPTION_NAME = re.compile(r"[a-z_][a-z0-9_.]*\Z")


def session_option(name: str, value: str) -> str:
    """``name=value`` for libpq's ``options``, escaped; :raises ValueError: for what is no name of a setting."""
    if not _OPTION_NAME.match(name):
        raise ValueError(f"not the name of a setting: {name!r}")
    escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")
    return f"{name}={escaped}"


def connect_error(
    connection_id: str, arguments: Mapping[str, Any], error: psycopg2.Error, redact: Callable[[str], str]
) -> RemoteError:
    """Why no SQL connection came about."""
    said = redact(" ".join(str(error).split())) or type(error).__name__
    said = said.removesuffix("Is the server running on that host and accepting TCP/IP connections?").strip()
    where = f"{arguments.get('host') or 'local socket'} port {arguments.get('port') or 5432}"
    subject = (
        f"SQL to {where}, database {arguments.get('dbname')}, as {arguments.get('user')} (connection {connection_id})"
    )
    action = next(
        (action for text, action in _CONNECT_ACTIONS if text in said), "correct the connection, or mend the server"
    )
    return RemoteError(subject, said, action)


def query_error(name: str, dbname: str, error: psycopg2.Error, redact: Callable[[str], str]) -> RemoteError:
    """Why a statement failed: the server's message, detail and SQLSTATE."""
    diag = error.diag
    parts = [diag.message_primary or " ".join(str(error).split()), diag.message_detail, diag.message_hint]
    said = redact("; ".join(part for part in parts if part))
    code = f" (SQLSTATE {error.pgcode})" if error.pgcode else ""
    action = f"mend what it names, then clear the task; the statement stands in include/sql/{name}.sql"
    return RemoteError(f"Query {name} in database {dbname}", f"{said}{code}", action)


def product(version: str) -> str:
    """What ``version()`` names in its parentheses ("Greenplum Database 6.24.3"), else its beginning."""
    match = _PRODUCT.search(version)
    return f"{match['name']} {match['version']}" if match else " ".join(version.split()[:2])


def judge_identity(identity: Mapping[str, Any], connection_id: str) -> None:
    """Refuse a server that is no Greenplum, and a role that may not expand it.

    :param identity: the row of server_identity.sql
    :raises ActionRefused: with what it is instead
    """
    subject = f"Connection {connection_id}"
    if not identity["has_segments"]:
        cause = (
            f"the server is not Greenplum: it has no gp_segment_configuration and says {product(identity['version'])}"
        )
        raise ActionRefused(subject, cause, "enter host and port of a Greenplum coordinator")
    if not identity["is_superuser"]:
        cause = f"role {identity['role']} is no superuser, and an expansion changes the catalog"
        raise ActionRefused(
            subject, cause, f"use the owner of the cluster (gpadmin), or ALTER ROLE {identity['role']} SUPERUSER"
        )
