"""Reading where user tablespaces lie."""

from __future__ import annotations

from greenplum_expansion.cluster.tablespaces import Tablespace
from greenplum_expansion.hooks.greenplum import GreenplumHook

_COORDINATOR = -1


def read_tablespaces(hook: GreenplumHook) -> tuple[Tablespace, ...]:
    """The user tablespaces, by OID; empty if there are none."""
    places: dict[tuple[int, str], dict[int, str]] = {}
    for row in hook.query("tablespaces"):
        places.setdefault((row["oid"], row["name"]), {})[row["content"]] = row["location"]
    return tuple(
        Tablespace(name, oid, found[_COORDINATOR], {c: place for c, place in found.items() if c != _COORDINATOR})
        for (oid, name), found in sorted(places.items())
    )
