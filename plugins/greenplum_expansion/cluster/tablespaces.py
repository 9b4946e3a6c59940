"""User tablespaces, and the ``.ts`` file that tells gpexpand where they lie on the new segments.

It stands beside the input file, with its name and ``.ts``: two lines that name the tablespaces and their OIDs, then one
line a new *primary*: its dbid and a directory for each tablespace. gpexpand unpacks into ``<directory>/<dbid>``, which
must not exist; a mirror gets ``<directory of its primary>/<own dbid>`` from pg_basebackup. Without the file
gpexpand 6 and 7 fail after they have locked the catalog. Source: gpexpand 6.24.3, ``read_tablespace_file``,
``gpconfigurenewsegment``; recordings 78 to 78d.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.names import validate_directory

_NAMES, _OIDS = "tableSpaceNameOrders", "tableSpaceOidOrders"
# gpexpand reads the names and uses none: what would break its lines is replaced.
_NOT_IN_NAMES = re.compile(r"[|=\s\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Tablespace:
    """A tablespace made by a user.

    :param location: its directory on the coordinator, as CREATE TABLESPACE named it (files are in ``location/<dbid>``)
    :param segment_locations: the same for each content of the cluster; they may differ (``WITH (content0='/x')``)
    """

    name: str
    oid: int
    location: str
    segment_locations: Mapping[int, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        locations = {str(content): location for content, location in sorted(self.segment_locations.items())}
        return {"name": self.name, "oid": self.oid, "location": self.location, "segment_locations": locations}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tablespace:
        locations = {int(content): location for content, location in data["segment_locations"].items()}
        return cls(data["name"], data["oid"], data["location"], locations)


def render(tablespaces: Sequence[Tablespace], locations: Mapping[int, Sequence[str]]) -> str:
    """The file's text; empty if there is no tablespace, as then there must be no file.

    :param locations: for each new primary, by dbid, the directories in the order of the tablespaces
    """
    if not tablespaces:
        return ""
    lines = [
        f"{_NAMES}=" + "|".join(_NOT_IN_NAMES.sub("_", tablespace.name) for tablespace in tablespaces),
        f"{_OIDS}=" + "|".join(str(tablespace.oid) for tablespace in tablespaces),
        *("|".join((str(dbid), *places)) for dbid, places in sorted(locations.items())),
    ]
    return "".join(f"{line}\n" for line in lines)


def parse(text: str, tablespaces: Sequence[Tablespace]) -> dict[int, tuple[str, ...]]:
    """Directories by dbid, in the order of `tablespaces`, whatever the file's own order is.

    Comments and blank lines, which gpexpand would take for data, are left out: what is written is rendered anew.

    :raises ValueError: names the line, what is wrong with it and what was expected
    """
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not tablespaces:
        if lines:
            raise ValueError("the cluster has no user tablespace, so this must be empty")
        return {}
    order = _order(lines, [tablespace.oid for tablespace in tablespaces])
    found: dict[int, tuple[str, ...]] = {}
    for number, line in lines[2:]:
        dbid, *places = (part.strip() for part in line.split("|"))
        if not dbid.isascii() or not dbid.isdigit():
            raise ValueError(f"line {number}: dbid is {dbid!r}, must be a number")
        if len(places) != len(order):
            raise ValueError(f"line {number}: expected {len(order)} directories after the dbid, found {len(places)}")
        if int(dbid) in found:
            raise ValueError(f"line {number}: dbid {dbid} is given twice")
        try:
            checked = [validate_directory(place) for place in places]
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        found[int(dbid)] = tuple(checked[position] for position in order)
    return found


def _order(lines: Sequence[tuple[int, str]], oids: Sequence[int]) -> list[int]:
    """At which position of the file's lines each tablespace stands."""
    heads = [line.partition("=") for _, line in lines[:2]]
    if [head[0].strip() for head in heads] != [_NAMES, _OIDS]:
        raise ValueError(f"the first two lines must begin with {_NAMES}= and {_OIDS}=")
    named = [part.strip() for part in heads[1][2].split("|")]
    if sorted(named) != sorted(map(str, oids)):
        raise ValueError(f"{_OIDS} names {'|'.join(named)}; the cluster's tablespaces are {'|'.join(map(str, oids))}")
    return [named.index(str(oid)) for oid in oids]


def instance_directories(
    new: Iterable[NewInstance], locations: Mapping[int, Sequence[str]]
) -> list[tuple[NewInstance, str]]:
    """For each new instance the directories ``<location>/<dbid>`` that its tablespaces will be; they must not exist.

    The mirror's locations are its primary's. ``gpexpand -r`` deletes none of them.
    """
    instances = list(new)
    by_content = {i.content: locations.get(i.dbid, ()) for i in instances if i.is_primary}
    return [
        (instance, f"{location}/{instance.dbid}")
        for instance in sorted(instances, key=lambda i: i.dbid)
        for location in by_content.get(instance.content, ())
    ]
