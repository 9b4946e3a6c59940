"""User tablespaces: the ``.ts`` file beside the input file.

Two header lines, then one row for each new primary with its directories in the order of the header::

    tableSpaceNameOrders=fastts
    tableSpaceOidOrders=17012
    11|/data/ts1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..database import rows
from ..errors import ExpansionError
from ..segments import Segment


@dataclass(frozen=True)
class Tablespace:
    """A tablespace made by a user."""

    name: str
    oid: int
    location: str


def user_tablespaces(connection: Any) -> list[Tablespace]:
    """All but pg_default and pg_global."""
    found = rows(
        connection,
        "SELECT spcname, oid::int8, pg_tablespace_location(oid) FROM pg_catalog.pg_tablespace"
        " WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY oid",
    )
    return [Tablespace(name, oid, location) for name, oid, location in found]


def write_template(input_file: Path, tablespaces: Sequence[Tablespace], segments: Sequence[Segment]) -> Path:
    """Write the ``.ts`` file with the coordinator's locations, to be reviewed by a person."""
    lines = [
        "tableSpaceNameOrders=" + "|".join(t.name for t in tablespaces),
        "tableSpaceOidOrders=" + "|".join(str(t.oid) for t in tablespaces),
    ]
    locations = "|".join(t.location for t in tablespaces)
    lines += [f"{s.dbid}|{locations}" for s in segments if s.preferred_role == "p"]
    path = Path(f"{input_file}.ts")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_locations(input_file: str, tablespaces: Sequence[Tablespace]) -> dict[int, list[str]]:
    """Directories per dbid. gpexpand reads this after the catalog is locked, so a missing file needs a rollback.

    :raises ExpansionError: the file is missing or malformed
    """
    if not tablespaces:
        return {}
    path = Path(f"{input_file}.ts")
    if not path.exists():
        raise ExpansionError(f"[Errno 2] No such file or directory: '{path}'")
    lines = path.read_text(encoding="utf-8").split()
    if len(lines) < 3 or not lines[0].startswith("tableSpaceNameOrders="):
        raise ExpansionError(f"Invalid tablespace input file {path}")
    return {int(line.split("|")[0]): line.split("|")[1:] for line in lines[2:]}
