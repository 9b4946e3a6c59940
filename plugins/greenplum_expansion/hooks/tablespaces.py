"""Reading where user tablespaces lie."""

from __future__ import annotations

from greenplum_expansion.cluster.tablespaces import Tablespace
from greenplum_expansion.hooks.greenplum import GreenplumHook

_COORDINATOR = -1


def read_tablespaces(hook: GreenplumHook) -> tuple[Tablespace, ...]:
    """The user tablespaces, by OID; empty if there are none."""
    found = []
    with hook.connected() as connection:
        for row in hook.query("tablespaces", connection=connection):
            rows = hook.query("tablespace_locations", {"oid": row["oid"]}, connection=connection)
            places = {place["content"]: place["location"] for place in rows}
            coordinator = places.pop(_COORDINATOR)
            found.append(Tablespace(row["name"], row["oid"], coordinator, places))
    return tuple(found)
