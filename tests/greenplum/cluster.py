"""A real cluster as a test sees it from outside: what of it an expansion changes, and nothing else must."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2

NEEDED = {
    "GREENPLUM_TEST_CONNECTION": "an Airflow connection of type greenplum as JSON, to a cluster that may be expanded",
    "GREENPLUM_TEST_NEW_HOSTS": "the hosts to add, like sdw3=10.77.0.23,sdw4=10.77.0.24",
}

OPTIONAL = "GREENPLUM_TEST_REQUEST"
"""Further fields of the request as JSON: ``{"preparation_parts": []}`` where the hosts must stay as they are."""

# What would show that anything was expanded, moved, rewritten or left: one row a fact, in a stable order.
_CATALOG = (
    "SELECT dbid, content, preferred_role, port, hostname, address, datadir FROM gp_segment_configuration ORDER BY 1",
    "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_' ORDER BY 1",
)
_TABLES = """
SELECT c.oid::bigint, c.relname, c.relfilenode::bigint, p.policytype, p.numsegments, p.distkey::text
FROM gp_distribution_policy p JOIN pg_class c ON c.oid = p.localoid
WHERE c.relpersistence <> 't'
ORDER BY 1
"""


@dataclass(frozen=True)
class RealCluster:
    """One cluster.

    :param connection: Airflow connection, as a dictionary
    :param new_hosts: hosts to add, as typed into the trigger form
    :param wishes: further fields of the request
    """

    connection: dict[str, Any]
    new_hosts: list[str]
    wishes: dict[str, Any]

    @contextmanager
    def session(self, dbname: str = "postgres") -> Iterator[Any]:
        """A cursor on the coordinator; everything commits at once."""
        session = psycopg2.connect(
            host=self.connection["host"],
            port=self.connection.get("port") or 5432,
            user=self.connection.get("login"),
            password=self.connection.get("password"),
            dbname=dbname,
        )
        session.autocommit = True
        try:
            with session.cursor() as cursor:
                yield cursor
        finally:
            session.close()

    def rows(self, statement: str, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        with self.session(dbname) as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def databases(self) -> list[str]:
        """The databases that an expansion touches."""
        return [name for (name,) in self.rows("SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1")]

    def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """Segments, schemas, and of every table its files and distribution: equal twice if nothing was done."""
        taken = {statement: self.rows(statement) for statement in _CATALOG}
        return {**taken, **{f"tables of {name}": self.rows(_TABLES, name) for name in self.databases()}}

    def tables_on(self, segments: int) -> tuple[int, int]:
        """How many tables of all databases lie on exactly so many segments, and how many there are."""
        counts = [p for name in self.databases() for _, _, _, _, p, _ in self.rows(_TABLES, name)]
        return sum(count == segments for count in counts), len(counts)

    def primaries(self) -> dict[str, int]:
        """Primaries by host name."""
        query = "SELECT hostname, count(*) FROM gp_segment_configuration WHERE content >= 0 AND role = 'p' GROUP BY 1"
        return dict(self.rows(query))
