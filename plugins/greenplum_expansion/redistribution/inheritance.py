"""Tables that move with the table they inherit from, where gpexpand moves whole families at once (Greenplum 7).

gpexpand lists every member, and each member's own turn fails if the family has moved: "table has already been
expanded". So members below a listed parent are passed by, under a status that gpexpand does not take, and recorded by
what has become of them when it has ended. Moving children first instead would rewrite them twice, and would fail, too,
whenever a parent overtook its child.
"""

from __future__ import annotations

from collections.abc import Callable

from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook

_SHOWN = 10

STATUS = "WITH PARENT"
"""In ``gpexpand.status_detail``; between the start of gpexpand and its end only."""


def pass_by(hook: GreenplumHook) -> list[str]:
    """Before gpexpand runs: leave the children to their parents; returns what was done, one sentence each."""
    hook.query("mark_not_started", dbname=SCHEMA_DATABASE)
    listed = _listed(hook)
    said = []
    for dbname, tables in listed.items():
        children = [row["oid"] for row in hook.query("tables_moving_with_parents", {"oids": list(tables)}, dbname)]
        if children:
            hook.query("mark_with_parent", {"dbname": dbname, "oids": children}, dbname=SCHEMA_DATABASE)
            said += [f"{dbname}.{tables[oid]} moves with the table it inherits from" for oid in children]
    return said


def settle(hook: GreenplumHook, segments: int) -> list[str]:
    """After gpexpand has ended: record the children that moved; returns those that did not, which get their own turn.

    :param segments: primaries of the cluster
    """
    for dbname, tables in _listed(hook, STATUS).items():
        wanted = {"oids": list(tables), "segments": segments}
        moved = [row["oid"] for row in hook.query("tables_already_expanded", wanted, dbname)]
        if moved:
            hook.query("mark_completed", {"dbname": dbname, "oids": moved}, dbname=SCHEMA_DATABASE)
    left = hook.query("mark_not_started", dbname=SCHEMA_DATABASE)
    if left:
        hook.query("mark_stopped", dbname=SCHEMA_DATABASE)
    return [f"{row['dbname']}.{row['fq_name']}" for row in left]


def require_whole_families(hook: GreenplumHook, wanted: Callable[[str, str], bool]) -> None:
    """Before only some tables move: those that move together are all wanted, or none of them is.

    :raises ActionRefused: naming the families of which only some are
    """
    split = []
    for dbname, tables in _listed(hook).items():
        if not any(wanted(dbname, name) for name in tables.values()):
            continue
        for row in hook.query("families", {"oids": list(tables)}, dbname):
            parent, child = tables[row["head"]], tables[row["child"]]
            if wanted(dbname, parent) != wanted(dbname, child):
                named, other = (parent, child) if wanted(dbname, parent) else (child, parent)
                split.append(f"{dbname}.{named} is named, {dbname}.{other} is not")
    if split:
        raise ActionRefused(
            "'Only these tables'",
            "a table moves together with those that inherit from it: "
            + "; ".join(split[:_SHOWN])
            + (f"; and {len(split) - _SHOWN} more" if len(split) > _SHOWN else ""),
            "name both or neither, in a new run of greenplum_redistribute",
        )


def _listed(hook: GreenplumHook, status: str | None = None) -> dict[str, dict[int, str]]:
    """Names by database and OID of the tables that are left, of one status or of any; only of databases that exist."""
    existing = set(hook.databases())
    listed: dict[str, dict[int, str]] = {}
    for row in hook.query("tables_not_moved", dbname=SCHEMA_DATABASE):
        if row["dbname"] in existing and status in (None, row["status"]):
            listed.setdefault(row["dbname"], {})[row["table_oid"]] = row["fq_name"]
    return listed
