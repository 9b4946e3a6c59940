"""``gpexpand -c``: drop the schema gpexpand, after asking whether to keep a copy of status_detail."""

from __future__ import annotations

from typing import Any

from ..console import Console, ask_yes_no
from ..database import execute, rows
from ..environment import Environment
from ..errors import UserAborted
from . import schema


def clean_up(environment: Environment, connection: Any, status: str, console: Console) -> None:
    """Ask and drop.

    :param status: the newest row of gpexpand.status
    :raises UserAborted: an unfinished expansion was to be kept
    """
    if status != schema.COMPLETE:
        console.warning("Expansion has not yet completed.  Removing the expansion")
        console.warning("schema now will leave the following tables unexpanded:")
        left = rows(connection, "SELECT fq_name FROM gpexpand.status_detail WHERE status = 'NOT STARTED' ORDER BY rank")
        # One message for all names, each on a line of its own behind a tab.
        console.warning("".join(f"\t{name}\n" for (name,) in left))
        console.warning("These tables will have to be expanded manually by setting")
        console.warning("the distribution policy using the ALTER TABLE command.")
        if not ask_yes_no("\nAre you sure you want to drop the expansion schema?", "N"):
            raise UserAborted
    if ask_yes_no("\nDo you want to dump the gpexpand.status_detail table to file?", "Y"):
        target = environment.data_directory / "gpexpand.status_detail"
        console.info(f"Dumping gpexpand.status_detail to {target}")
        # By the server, as the real one does it: the file belongs to the postgres process's user.
        execute(connection, f"COPY gpexpand.status_detail TO '{target}'")
    console.info("Removing gpexpand schema")
    execute(connection, "DROP SCHEMA IF EXISTS gpexpand CASCADE")
    console.info("Cleanup Finished.  exiting...")
