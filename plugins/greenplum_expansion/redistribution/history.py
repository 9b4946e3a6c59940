"""The history of expansions: schema ``expansion_history`` in database postgres, which ``gpexpand -c`` leaves alone.

It is made and filled when tables are first moved, by whichever engine, and kept by expansion. gpexpand's own list says
what is true; the history adds what that has no words for: failures, their number, storage classes, and what was.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook

APPLICATION = "greenplum_expansion history"


def open_history(hook: GreenplumHook, expansion_id: str) -> None:
    """Make the schema if it is not there, enter tables that are not yet in it, catch up with gpexpand's list."""
    with hook.connected(SCHEMA_DATABASE, application_name=APPLICATION) as connection:
        hook.query("create_history", connection=connection)
        hook.query("fill_history", {"expansion_id": expansion_id}, connection=connection)
        hook.query("sync_history", {"expansion_id": expansion_id}, connection=connection)


def catch_up(hook: GreenplumHook, expansion_id: str) -> None:
    """Take over what gpexpand has written meanwhile into its own list."""
    hook.query("sync_history", {"expansion_id": expansion_id}, SCHEMA_DATABASE)


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
