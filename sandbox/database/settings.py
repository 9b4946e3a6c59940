"""Words and numbers that several modules of the imitated database must agree on. Pure."""

from __future__ import annotations

from pathlib import Path

SERVER_VERSION = "9.4.26"
GP_SERVER_VERSION = "6.24.3 build commit:25d3498a400ca5230e81abb94861f23389315213"

SUPERUSER = "gpadmin"
TABLESPACE_FILES = "GPDB_6_301908232"
"""Greenplum's name for what PostgreSQL calls PG_15_…: the directory of its files in a tablespace's directory."""
SQL_DIRECTORY = Path(__file__).parent / "sql"

BACKEND_PORT_OFFSET = 10000
"""The coordinator's server listens on the catalog's port plus this, on loopback only; the proxy has the port itself."""

LOOPBACK_NETWORK = "127.77.0.0/24"
"""The proxy connects from 127.77.0.<last octet of the client>: the server knows who it is, pg_hba.conf decides."""

OUTSIDE_ADDRESS = "127.77.0.1"
"""Clients which are no host of the datacenter come from here and need a password."""

SOCKET_DIRECTORIES = ("/tmp", "/var/run/postgresql")


def loopback_of(address: str | None) -> str:
    """Source address for the connection to the server, for a client from `address` (None: a Unix socket)."""
    if address is None or address.startswith("127."):
        return "127.0.0.1"
    if address.startswith("10.77.0."):
        return "127.77.0." + address.rsplit(".", 1)[1]
    return OUTSIDE_ADDRESS


def runtime_directory(datadir: Path) -> Path:
    """Beside a coordinator's data directory: sockets, pids and logs of what stands in front of its server."""
    return datadir.parent / f".{datadir.name}"
