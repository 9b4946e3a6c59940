"""``gpexpand -r``: undo a preparation that did not come past the change of the catalog.

Three traps of the real one are kept: directories named in the input file are deleted whatever they hold and whoever
made them; a host that does not answer ends it half done; and servers already started on new hosts are not stopped, they
end by themselves after a minute or so. Relative paths (the template's tar file) are looked for in the working directory
of the rollback, not of the preparation.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from ..console import Console
from ..database import execute, read_array, session
from ..environment import Environment
from ..errors import UtilityError
from ..remote import ExecutionError, RemoteCommand, in_parallel, run
from ..segments import Segment
from . import inputfile, schema
from .statusfile import StatusFile, position


def roll_back(environment: Environment, status: StatusFile, console: Console) -> None:
    """Undo stage by stage, newest first, then forget the preparation."""
    stage = position(status.stage or "UNINITIALIZED")
    if stage >= position("UPDATE_CATALOG_STARTED"):
        console.info("Rolling back master update")
        _restore_catalog(environment, status)
    if stage >= position("BUILD_SEGMENTS_STARTED"):
        console.info("Rolling back building of new segments")
        _remove_new_directories(status)
    if stage >= position("BUILD_SEGMENT_TEMPLATE_STARTED"):
        console.info("Rolling back segment template build")
        _remove_template(status)
    status.remove()
    console.info("Rollback complete.")


def _new_segments(status: StatusFile) -> list[Segment]:
    """The input file is read again: it must not have changed since the preparation began."""
    path = status.value("EXPANSION_PREPARE_STARTED")
    return inputfile.parse(Path(str(path)).read_text(encoding="utf-8"), str(path))


def _remove_new_directories(status: StatusFile) -> None:
    segments = _new_segments(status)

    tar = status.value("BUILD_SEGMENTS_STARTED")
    commands = [(s.hostname, f"/bin/rm -f {tar}") for s in segments]
    commands += [(s.hostname, _empty_and_remove(s.datadir)) for s in segments]
    results = in_parallel(lambda command: RemoteCommand(*command).run(), commands)
    # All are tried; then the first that failed ends the rollback, with the status file in place.
    for (_, command), result in zip(commands, results, strict=True):
        if result.code != 0:
            raise ExecutionError("Error Executing Command: ", command, result)


def _empty_and_remove(directory: str) -> str:
    """By rsync from an empty directory, as the real one: a link is followed, a mount point emptied."""
    empty = f"/tmp/emptyForRemove{uuid.uuid4()}"
    return (
        f"if [ -d {directory} ]; then mkdir -p {empty}  &&  /usr/bin/rsync -a --delete {empty}/ {directory}/  &&  "
        f"rmdir {directory} {empty} ; fi"
    )


def _remove_template(status: StatusFile) -> None:
    template = status.value("BUILD_SEGMENT_TEMPLATE_STARTED")
    if template and template != "None":
        run(["/bin/rm", "-rf", template])
    Path("gpexpand_schema.tar").unlink(missing_ok=True)


def _restore_catalog(environment: Environment, status: StatusFile) -> None:
    """Take segments out of the catalog that the backup of gp_segment_configuration does not name.

    :raises UtilityError: there is no backup
    """
    if not status.backup.exists():
        raise UtilityError(f"gp_segment_configuration backup file {status.backup} does not exist")
    before = {Segment.parse(line).dbid for line in status.backup.read_text(encoding="utf-8").splitlines() if line}
    with session(environment, schema.DATABASE, utility=True) as connection:
        added = [s for s in read_array(connection).segments if s.dbid not in before]
        for segment in sorted(added, key=lambda s: s.role == "p"):  # mirrors first
            _remove_segment(connection, segment)


def _remove_segment(connection: Any, segment: Segment) -> None:
    function = "gp_remove_segment_mirror" if segment.role == "m" else "gp_remove_segment"
    argument = segment.content if segment.role == "m" else segment.dbid
    execute(connection, f"SELECT {function}({argument}::int2)")
