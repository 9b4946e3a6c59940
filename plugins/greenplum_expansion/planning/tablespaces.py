"""Where user tablespaces lie on new segments: where the request says, else as on the existing ones."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.names import validate_directory
from greenplum_expansion.cluster.tablespaces import Tablespace
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.planning.placement import PlacementError


def locate(
    topology: Topology,
    new: Sequence[NewInstance],
    tablespaces: Sequence[Tablespace],
    wished: Mapping[str, str],
) -> dict[int, tuple[str, ...]]:
    """For each new primary, by dbid, a directory for each tablespace.

    gpexpand's interview proposes the coordinator's directory for all. So do we where existing segments have it, too;
    where they lie elsewhere (``WITH (content0='/x')``), a new primary follows an existing one whose data directory has
    the same parent, as it lies on the same disk.

    :param wished: directory by name of a tablespace
    :raises PlacementError: a wish for a tablespace that does not exist, or a directory gpexpand cannot carry
    """
    unknown = sorted(set(wished) - {tablespace.name for tablespace in tablespaces})
    if unknown:
        there = ", ".join(tablespace.name for tablespace in tablespaces) or "none"
        raise PlacementError(
            f"directories are given for tablespace {', '.join(unknown)}, but the cluster's tablespaces are: {there}; "
            "correct the name or leave it out"
        )
    by_parent: dict[str, int] = {}
    for existing in sorted(topology.primaries, key=lambda i: i.content):
        by_parent.setdefault(posixpath.dirname(existing.datadir.rstrip("/")), existing.content)
    located = {}
    for primary in sorted((i for i in new if i.is_primary), key=lambda i: i.dbid):
        model = by_parent.get(posixpath.dirname(primary.datadir))
        places = []
        for tablespace in tablespaces:
            usual = tablespace.segment_locations.get(model, tablespace.location) if model is not None else None
            place = wished.get(tablespace.name) or usual or tablespace.location
            try:
                places.append(validate_directory(place))
            except ValueError as error:
                raise PlacementError(
                    f"tablespace {tablespace.name}: {error}; give it another directory on the new segments"
                ) from None
        located[primary.dbid] = tuple(places)
    return located
