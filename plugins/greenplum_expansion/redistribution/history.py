"""The history of expansions: schema ``expansion_history`` in database postgres, which ``gpexpand -c`` leaves alone.

It is made and filled when tables are first moved, by whichever engine, and kept by expansion. gpexpand's own list says
what is true; the history adds what that has no words for: failures, their number, storage classes, and what was.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.forecast_text import Happened
from greenplum_expansion.planning.moves import Volume
from greenplum_expansion.planning.windows import Calendar

APPLICATION = "greenplum_expansion history"
_SLICE = 5000  # tables asked about in one session


def open_history(hook: GreenplumHook, expansion_id: str) -> None:
    """Make the schema if it is not there, enter tables that are not yet in it, catch up with gpexpand's list."""
    with hook.connected(SCHEMA_DATABASE, application_name=APPLICATION) as connection:
        hook.query("create_history", connection=connection)
        hook.query("fill_history", {"expansion_id": expansion_id}, connection=connection)
        hook.query("sync_history", {"expansion_id": expansion_id}, connection=connection)


def catch_up(hook: GreenplumHook, expansion_id: str) -> None:
    """Take over what gpexpand has written meanwhile into its own list."""
    hook.query("sync_history", {"expansion_id": expansion_id}, SCHEMA_DATABASE)


def describe_tables(hook: GreenplumHook, expansion_id: str) -> None:
    """How tables are stored, where nobody has written that down yet: with gpexpand, which says nothing of it."""
    given = {"expansion_id": expansion_id}
    with hook.connected(SCHEMA_DATABASE, application_name=APPLICATION) as connection:
        unknown: dict[str, list[dict[str, Any]]] = {}
        for row in hook.query("tables_not_described", given, connection=connection):
            unknown.setdefault(row["dbname"], []).append(row)
        existing = set(hook.databases())
        for dbname in sorted(unknown.keys() & existing):
            for begin in range(0, len(unknown[dbname]), _SLICE):
                part = unknown[dbname][begin : begin + _SLICE]
                oids = [row["table_oid"] for row in part]
                asked = {"oids": oids, "roots": [row["root_oid"] for row in part]}
                found = hook.query("move_details", asked, dbname)
                sizes = {row["oid"]: row["bytes"] for row in hook.query("relation_sizes", {"oids": oids}, dbname)}
                described = {
                    "dbname": dbname,
                    "oids": [row["oid"] for row in found],
                    "storages": [row["storage"] for row in found],
                    "bytes": [sizes.get(row["oid"], 0) for row in found],
                    "index_bytes": [int(row["index_bytes"]) for row in found],
                    "roots": [row["root_name"] for row in found],
                }
                hook.query("describe_history", {**given, **described}, connection=connection)


def read_totals(hook: GreenplumHook, expansion_id: str, calendar: Calendar) -> Happened | None:
    """What moving the tables came to; None if the history knows nothing of this expansion.

    :param calendar: the windows they moved in
    """
    with hook.connected(SCHEMA_DATABASE) as connection:
        if not hook.query("history_exists", connection=connection)[0]["history_exists"]:
            return None
        rows = hook.query("history_totals", {"expansion_id": expansion_id}, connection=connection)
    if not rows:
        return None
    volumes: dict[str, tuple[Volume, float]] = {}
    for row in rows:
        if row["status"] == "COMPLETED":
            volumes[row["storage"] or "unknown"] = (
                Volume(row["tables"], row["bytes"], row["index_bytes"]),
                row["seconds"],
            )
    began = min((row["began"] for row in rows if row["began"] is not None), default=None)
    ended = max((row["ended"] for row in rows if row["ended"] is not None), default=None)
    return Happened(
        volumes=volumes,
        windows=0 if began is None or ended is None else calendar.count(_utc(began), _utc(ended)),
        began=began,
        ended=ended,
        failed=sum(row["tables"] for row in rows if row["status"] == "FAILED"),
        left=sum(row["tables"] for row in rows if row["status"] not in ("COMPLETED", "FAILED")),
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def note_begin(hook: GreenplumHook, expansion_id: str, connection: Any) -> None:
    """Tables move from now on."""
    given = {"expansion_id": expansion_id, "status": "EXPANSION STARTED"}
    hook.query("add_to_history", given, connection=connection)


def note_schedule(hook: GreenplumHook, expansion_id: str, begins: datetime) -> None:
    """When the next window begins."""
    with hook.connected(SCHEMA_DATABASE, application_name=APPLICATION) as connection:
        hook.query("create_history", connection=connection)
        given = {"expansion_id": expansion_id, "begins": begins.timestamp()}
        hook.query("schedule_in_history", given, connection=connection)


def note_failures(hook: GreenplumHook, expansion_id: str, errors: Mapping[str, str]) -> None:
    """Tables (``database.schema.table``) that gpexpand could not move, with what it said."""
    if errors:
        given = {"expansion_id": expansion_id, "names": list(errors), "errors": list(errors.values())}
        hook.query("fail_in_history", given, SCHEMA_DATABASE)


def note_completed(hook: GreenplumHook, expansion_id: str) -> None:
    """Everything has moved. Repeating it changes nothing."""
    hook.query("complete_history", {"expansion_id": expansion_id}, SCHEMA_DATABASE)
