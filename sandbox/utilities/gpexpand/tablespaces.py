"""User tablespaces: the ``.ts`` file beside the input file, and their files on their way to the new segments.

Two header lines, then one row for each new primary with its directories in the order of the header::

    tableSpaceNameOrders=fastts
    tableSpaceOidOrders=17012
    11|/data/ts1
"""

from __future__ import annotations

import json
import shutil
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


def read_locations(input_file: str, tablespaces: Sequence[Tablespace]) -> dict[str, list[str]]:
    """Directories per dbid. gpexpand reads this after the catalog is locked, so a missing file needs a rollback.

    :raises ExpansionError: the file is missing or malformed
    """
    if not tablespaces:
        return {}
    path = Path(f"{input_file}.ts")
    if not path.exists():
        raise ExpansionError(f"[Errno 2] No such file or directory: '{path}'")
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < 2 or not all("=" in line for line in lines[:2]):
        raise ExpansionError("list index out of range")
    # Neither blank lines nor comments are left out, and names are not compared with the catalog.
    return {line.strip().split("|")[0]: line.strip().split("|")[1:] for line in lines[2:]}


_INFO = Path("pg_tblspc") / "newTableSpaceInfo.json"
_DUMPS = Path("pg_tblspc") / "dumps"


def pack(template: Path, tablespaces: Sequence[Tablespace], locations: dict[str, list[str]], dummy_dbid: int) -> None:
    """Put the coordinator's files of each tablespace into the template, and where they go beside them.

    pg_basebackup writes them to ``<location>/<dummy dbid>`` on the coordinator first; whoever dies between that and the
    end of this leaves them there.
    """
    (template / _DUMPS).mkdir(parents=True)
    for tablespace in tablespaces:
        original = Path(tablespace.location) / "1"
        written = Path(tablespace.location) / str(dummy_dbid)
        shutil.copytree(original, written)
        (template / "pg_tblspc" / str(tablespace.oid)).symlink_to(written)
        dumps = template / _DUMPS / str(tablespace.oid)
        dumps.mkdir()
        shutil.copytree(original, dumps / str(dummy_dbid))
        shutil.rmtree(written)
    oids = [str(tablespace.oid) for tablespace in tablespaces]
    info = {"names": [tablespace.name for tablespace in tablespaces], "oids": oids, "details": locations}
    (template / _INFO).write_text(json.dumps(info), encoding="utf-8")


def unpack(datadir: Path, dbid: int) -> None:
    """Move the files to their places on this host, and link them.

    As in the real one, a directory that is there already is not replaced: the files get into it, one level too deep.

    :raises KeyError: the file has no line for this dbid
    """
    if not (datadir / _INFO).exists():
        return
    info = json.loads((datadir / _INFO).read_text(encoding="utf-8"))
    for oid, location in zip(info["oids"], info["details"][str(dbid)], strict=False):
        (dumped,) = (datadir / _DUMPS / oid).iterdir()
        place = Path(location) / str(dbid)
        shutil.move(dumped, place)
        link = datadir / "pg_tblspc" / oid
        link.unlink()
        link.symlink_to(place)
    shutil.rmtree(datadir / _DUMPS)
    (datadir / _INFO).unlink()
